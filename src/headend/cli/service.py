"""The command `service install`: a unit of systemd that shuts the server off from the machine."""

import shutil
import sys
from pathlib import Path
from typing import Annotated, Final

import typer

from headend.cli import output
from headend.errors import HeadendError, SettingsError

UNIT_FILE: Final = Path("/etc/systemd/system/headend.service")
UNIT_MODE: Final = 0o644
LEAST_STOP_S: Final = 60  # more than cluster.drain_s and limits.shutdown_s by default

_UNIT: Final = """\
# Unit of systemd, made by `headend service install`. What it needs, as root:
{steps}
[Unit]
Description=Headend live-streaming server
Documentation=man:headend(1)
After=network-online.target
Wants=network-online.target

[Service]
# It says when all ports listen; units that need it start then.
Type=notify
ExecStart={program} serve -c {config} --data %S/{user}
ExecReload=/bin/kill -HUP $MAINPID
Restart=on-failure
# Wrong settings: trying again does not help.
RestartPreventExitStatus=2
# Longer than cluster.drain_s and limits.shutdown_s together.
TimeoutStopSec={stop_s}
# Every viewer is an open file.
LimitNOFILE=65536
# Keys and secrets lie in memory.
LimitCORE=0

User={user}
StateDirectory={user}
StateDirectoryMode=0700
UMask=0077
# Secrets of the settings, as credential:NAME:
#LoadCredential=NAME:/etc/headend/NAME

# It writes to its state directory, and needs nothing else of the machine.
{capabilities}
NoNewPrivileges=yes
ProtectSystem=strict
ProtectHome=yes
PrivateTmp=yes
PrivateDevices=yes
PrivateIPC=yes
ProtectClock=yes
ProtectControlGroups=yes
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
ProtectProc=invisible
ProcSubset=pid
RemoveIPC=yes
RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
LockPersonality=yes
SystemCallArchitectures=native
SystemCallFilter=@system-service
SystemCallFilter=~@privileged
SystemCallErrorNumber=EPERM

[Install]
WantedBy=multi-user.target
"""
_NO_PORTS: Final = "CapabilityBoundingSet="
_LOW_PORTS: Final = """\
# For ports below 1024, such as 443.
CapabilityBoundingSet=CAP_NET_BIND_SERVICE
AmbientCapabilities=CAP_NET_BIND_SERVICE"""

UserFlag = Annotated[
    str, typer.Option("--user", metavar="NAME", help="User that the server runs as.")
]
ConfigFlag = Annotated[
    Path, typer.Option("-c", "--config", metavar="FILE", help="Settings file of the service.")
]
ToFlag = Annotated[
    Path, typer.Option("--to", metavar="FILE", help="File to write; - prints the unit.")
]
ProgramFlag = Annotated[
    Path | None,
    typer.Option("--program", metavar="FILE", help="Program to run; default: this headend."),
]
LowPortsFlag = Annotated[
    bool, typer.Option("--low-ports", help="Allow ports below 1024, such as 443.")
]
ForceFlag = Annotated[bool, typer.Option("--force", help="Replace a unit that is there.")]

group = typer.Typer(help="Run the server as a service of systemd.")


def register(app: typer.Typer) -> None:
    """Add the command to the program."""
    app.add_typer(group, name="service")


@group.callback()
def _group() -> None:
    """Run the server as a service of systemd."""


@group.command()
def install(
    user: UserFlag = "headend",
    config: ConfigFlag = Path("/etc/headend/headend.toml"),
    to: ToFlag = UNIT_FILE,
    program: ProgramFlag = None,
    low_ports: LowPortsFlag = False,
    force: ForceFlag = False,
) -> None:
    """Write a unit with the sandbox of systemd, and say what is to be done next."""
    text = unit(user, config, program or _this_program(), low_ports=low_ports)
    if str(to) == "-":
        output.result(text.rstrip("\n"))
        return
    from headend import files

    try:
        if force:
            files.write(to, text.encode(), UNIT_MODE)
            to.chmod(UNIT_MODE)
        elif not files.create(to, text.encode(), UNIT_MODE):
            raise HeadendError(f"{to} is there already; --force replaces it")
    except OSError as error:
        raise files.fault(str(to), error) from error
    output.note(f"wrote {to}; next, as root:")
    for line in _next_steps(user, config):
        output.note(f"  {line}")


def unit(user: str, config: Path, program: Path | str, *, low_ports: bool = False) -> str:
    """Return the unit.

    Raises:
        SettingsError: A name or a path has characters that a unit takes for something else.
    """
    for text in (user, str(config), str(program)):
        if not text or not text.isprintable() or set(text) & set("%\"'\\$;"):
            raise SettingsError(f"{text!r}: a unit cannot hold this name")
    return _UNIT.format(
        user=user,
        steps="\n".join(f"#   {line}" for line in _next_steps(user, config)),
        config=_word(config.absolute()),
        program=program if isinstance(program, str) else _word(program.absolute()),
        stop_s=LEAST_STOP_S,
        capabilities=_LOW_PORTS if low_ports else _NO_PORTS,
    )


def _word(path: Path) -> str:
    return f'"{path}"' if " " in str(path) else str(path)


def _this_program() -> Path | str:
    """Return the program that runs: the script, or the module of this Python."""
    script = Path(sys.argv[0])
    if script.name == "headend" and script.exists():
        return script
    beside = Path(sys.executable).with_name("headend")
    found = str(beside) if beside.exists() else shutil.which("headend")
    return Path(found) if found else f"{_word(Path(sys.executable))} -m headend"


def _next_steps(user: str, config: Path) -> list[str]:
    return [
        f"useradd --system --home-dir /var/lib/{user} --shell /usr/sbin/nologin {user}",
        f"mkdir -p {config.parent} && headend config init {config}",
        f"chown {user}: {config}",
        "systemctl daemon-reload && systemctl enable --now headend",
        "journalctl -u headend",
    ]
