"""The command `serve`, and the flags of every command that runs a server."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, Literal

import typer

if TYPE_CHECKING:
    from headend.settings import LoadedSettings

# Read when no -c is given and it is there.
DEFAULT_FILE: Final = Path("headend.toml")

LEVELS = Literal["debug", "info", "warning", "error"]
FORMATS = Literal["text", "json"]

ConfigFlag = Annotated[
    Path | None,
    typer.Option(
        "-c",
        "--config",
        metavar="FILE",
        help="Settings file; default: headend.toml in this folder, if it exists.",
    ),
]
RtmpFlag = Annotated[
    list[str] | None,
    typer.Option(metavar="ADDRESS", help="RTMP address, such as :1935 or off; repeatable."),
]
TlsFlag = Annotated[
    list[str] | None, typer.Option(metavar="ADDRESS", help="RTMPS and HTTPS address; repeatable.")
]
HttpFlag = Annotated[
    list[str] | None, typer.Option(metavar="ADDRESS", help="HTTP address; repeatable.")
]
SrtFlag = Annotated[
    list[str] | None, typer.Option(metavar="ADDRESS", help="SRT address (UDP); repeatable.")
]
DataFlag = Annotated[
    str | None, typer.Option(metavar="FOLDER", help="Folder for the server's state.")
]
WorkersFlag = Annotated[
    str | None, typer.Option(metavar="N", help="Processes that serve together, or auto.")
]
SetFlag = Annotated[
    list[str] | None,
    typer.Option(
        "--set", metavar="SECTION.KEY=VALUE", help="Any setting, by its name; repeatable."
    ),
]
ReadyFileFlag = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="File to write the addresses to once all ports listen."),
]
LogFormatFlag = Annotated[
    FORMATS | None, typer.Option(help="Log lines as text or as JSON objects.")
]
LogLevelFlag = Annotated[LEVELS | None, typer.Option(help="Lowest level to log.")]


def register(app: typer.Typer) -> None:
    """Add the command to the program."""
    app.command()(serve)


def serve(
    config: ConfigFlag = None,
    rtmp: RtmpFlag = None,
    tls: TlsFlag = None,
    http: HttpFlag = None,
    srt: SrtFlag = None,
    data: DataFlag = None,
    workers: WorkersFlag = None,
    settings: SetFlag = None,
    ready_file: ReadyFileFlag = None,
    log_format: LogFormatFlag = None,
    log_level: LogLevelFlag = None,
) -> int:
    """Run the server until SIGTERM or SIGINT; SIGHUP reloads the settings file."""
    loaded = load(
        config,
        settings or [],
        {
            "rtmp.listen": rtmp,
            "tls.listen": tls,
            "http.listen": http,
            "srt.listen": srt,
            "data": data,
            "workers": workers,
            "log.format": log_format,
            "log.level": log_level,
        },
    )
    from headend import app

    return app.run(loaded, ready_file)


def load(
    config: Path | None, overrides: list[str], flags: dict[str, str | list[str] | None]
) -> "LoadedSettings":
    """Load the settings that the flags of a command ask for.

    Args:
        config: Of `-c`; None for headend.toml of the working folder, if there is one.
        overrides: Of `--set`.
        flags: Texts of flags by the key they stand for; None for a flag that was not given.

    Raises:
        SettingsError: As `headend.settings.load_settings`.
    """
    from headend.settings import load_settings

    if config is None and DEFAULT_FILE.is_file():
        config = DEFAULT_FILE
    given = {
        key: text if isinstance(text, str) else ",".join(text)
        for key, text in flags.items()
        if text
    }
    return load_settings(config, overrides, flags=given)
