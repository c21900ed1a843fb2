"""This module starts the servers that are compared, each alone on its core, and stops them."""

import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bench.proc import process_tree
from bench.tools import LOAD_CORE, SERVER_CORE, BenchError, Tool, pinned, stop

ROOT: Final = Path(__file__).parent.parent
START_S: Final = 20.0
POLL_S: Final = 0.005
KBPS: Final = 2650
APP: Final = "live"
NAME: Final = "bench"
NGINX_MODULES: Final = (
    Path("/usr/lib/nginx/modules/ngx_rtmp_module.so"),
    Path("/usr/lib64/nginx/modules/ngx_rtmp_module.so"),
)
NGINX_CONFIG: Final = """\
load_module {module};
daemon off;
user {user};
worker_processes 1;
worker_rlimit_nofile 20000;
pid {folder}/nginx.pid;
error_log {folder}/error.log error;
events {{ worker_connections 19000; }}
rtmp {{
    access_log off;
    server {{
        listen 127.0.0.1:{port};
        ping 1h;  # load players drop what they get, a ping too
        application live {{ live on; }}
    }}
}}
"""


@dataclass(frozen=True, slots=True)
class Variant:
    """One server in one configuration."""

    server: str  # headend, nginx, floor, pyfloor
    flush: str = ""  # ms, or "adaptive"; nginx-rtmp sends at once and has none

    @property
    def label(self) -> str:
        """Name of the row in tables."""
        return f"{self.server}/{self.flush}" if self.flush else self.server


@dataclass(frozen=True, slots=True)
class Server:
    """A server that accepts connections."""

    variant: Variant
    port: int
    pid: int
    source: Tool | None  # a floor makes the stream itself

    def pids(self) -> list[int]:
        """All its processes."""
        return process_tree(self.pid)


@contextmanager
def running(
    variant: Variant, *, kbps: int = KBPS, settings: Sequence[str] = ()
) -> Iterator[Server]:
    """Run a server on the server's core until the block ends.

    Args:
        variant: Which, and how it flushes.
        kbps: Bit rate of the stream that a floor makes; other servers are sent theirs.
        settings: More of Headend's settings, as `section.key=value`.

    Raises:
        BenchError: It is not installed, or it does not start.
    """
    with ExitStack() as stack:
        match variant.server:
            case "headend":
                yield stack.enter_context(headend(variant, settings))
            case "nginx":
                yield stack.enter_context(nginx(variant))
            case _:
                yield stack.enter_context(floor(variant, kbps))


@contextmanager
def source(server: Server, *, kbps: int = KBPS) -> Iterator[Tool]:
    """Give what makes the stream: the floor itself, or an encoder that publishes to the server."""
    if server.source is not None:
        yield server.source
        return
    with Tool.start("publishers", "127.0.0.1", server.port, APP, NAME, 1, "--kbps", kbps) as tool:
        tool.answer()
        yield tool


@contextmanager
def floor(variant: Variant, kbps: int) -> Iterator[Server]:
    """Run the bare loop, in C or in Python."""
    options: tuple[str | int, ...] = ("--flush-ms", variant.flush or "0", "--kbps", kbps)
    with ExitStack() as stack:
        if variant.server == "pyfloor":
            command = [sys.executable, str(Path(__file__).with_name("pyfloor.py"))]
            running = Tool.run([*command, *map(str, options)], core=SERVER_CORE)
        else:
            running = Tool.start("floor", *options, core=SERVER_CORE)
        tool = stack.enter_context(running)
        yield Server(variant, int(tool.answer()["port"]), tool.pid, tool)


@contextmanager
def headend(variant: Variant, settings: Sequence[str] = ()) -> Iterator[Server]:
    """Run Headend from this checkout."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="headend-bench-")))
        process = start_headend(folder, [*flush_settings(variant.flush), *settings])
        stack.callback(stop, process)
        port = wait_ready(process, folder)
        yield Server(variant, port, process.pid, None)


def flush_settings(flush: str) -> list[str]:
    """Translate a variant's flush into settings."""
    if flush in ("", "adaptive"):
        return ["live.flush=adaptive"]
    return ["live.flush=fixed", f"live.flush_ms={flush}"]


def start_headend(folder: Path, settings: Sequence[str]) -> subprocess.Popen[str]:
    """Start `headend serve` on a free port with its data, log and ready file in a folder."""
    command = [sys.executable, "-m", "headend", "serve", "--rtmp", "127.0.0.1:0"]
    command += ["--tls", "off", "--http", "off", "--data", str(folder / "data")]
    command += ["--ready-file", str(folder / "ready.json"), "--log-level", "warning"]
    for setting in ["auth.publish=open", *settings]:
        command += ["--set", setting]
    # Compiled modules are what an installed Headend has.
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    environment["PYTHONPATH"] = str(ROOT / "src")
    with (folder / "log").open("w") as log:
        return subprocess.Popen(
            pinned(command, SERVER_CORE), stderr=log, stdout=log, text=True, env=environment
        )


def wait_ready(process: subprocess.Popen[str], folder: Path) -> int:
    """Wait for Headend's ready file and return the RTMP port."""
    deadline = time.monotonic() + START_S
    ready = folder / "ready.json"
    while time.monotonic() < deadline and process.poll() is None:
        if ready.exists() and (text := ready.read_text()):
            return int(json.loads(text)["rtmp"][0].rpartition(":")[2])
        time.sleep(POLL_S)
    raise BenchError("headend does not start:\n" + (folder / "log").read_text()[-2000:])


@contextmanager
def nginx(variant: Variant) -> Iterator[Server]:
    """Run nginx-rtmp with one worker and its default chunk size."""
    program, module = shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin"), nginx_module()
    if program is None or module is None:
        raise BenchError("no nginx-rtmp: install the Debian package libnginx-mod-rtmp")
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="headend-bench-"))
        port = free_port()
        user = "root" if os.geteuid() == 0 else os.environ.get("USER", "nobody")
        config = Path(folder, "nginx.conf")
        config.write_text(NGINX_CONFIG.format(module=module, folder=folder, port=port, user=user))
        command = [program, "-e", f"{folder}/error.log", "-p", folder, "-c", str(config)]
        process = subprocess.Popen(pinned(command, SERVER_CORE), text=True)
        stack.callback(stop, process)
        wait_port(port, process)
        yield Server(variant, port, process.pid, None)


def nginx_module() -> Path | None:
    """Find nginx's RTMP module."""
    return next((path for path in NGINX_MODULES if path.exists()), None)


def free_port() -> int:
    """Find a port that nothing listens on; nginx cannot take port 0."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_port(port: int, process: subprocess.Popen[str]) -> None:
    """Wait until something accepts on a port."""
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline and process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            time.sleep(POLL_S)
        else:
            return
    raise BenchError("nginx does not start")


def describe_machine() -> str:
    """Say in one line where the figures come from."""
    model = next(
        (
            line.partition(":")[2].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if line.startswith("model name")
        ),
        "unknown CPU",
    )
    version = sys.version.split()[0]
    return (
        f"{model}, Linux {os.uname().release}, Python {version}, "
        f"server on core {SERVER_CORE}, load on core {LOAD_CORE}"
    )
