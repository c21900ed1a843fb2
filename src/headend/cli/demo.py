"""The command `demo`: a server, and a test picture with a tone published on it."""

from typing import TYPE_CHECKING, Final

import typer

from headend.cli import output
from headend.cli.serve import (
    ConfigFlag,
    DataFlag,
    HttpFlag,
    LogFormatFlag,
    LogLevelFlag,
    ReadyFileFlag,
    RtmpFlag,
    SetFlag,
    SrtFlag,
    TlsFlag,
    load,
)
from headend.errors import SettingsError

if TYPE_CHECKING:
    from headend.app import Server

PATH: Final = "live/demo"


def register(app: typer.Typer) -> None:
    """Add the command to the program."""
    app.command()(demo)


def demo(
    config: ConfigFlag = None,
    rtmp: RtmpFlag = None,
    tls: TlsFlag = None,
    http: HttpFlag = None,
    srt: SrtFlag = None,
    data: DataFlag = None,
    settings: SetFlag = None,
    ready_file: ReadyFileFlag = None,
    log_format: LogFormatFlag = None,
    log_level: LogLevelFlag = None,
) -> int:
    """Run a server with a test picture and a tone published at live/demo."""
    flags: dict[str, str | list[str] | None] = {
        "rtmp.listen": rtmp,
        "tls.listen": tls,
        "http.listen": http,
        "srt.listen": srt,
        "data": data,
        "log.format": log_format,
        "log.level": log_level,
    }
    loaded = load(config, settings or [], flags)
    from headend import app

    return app.run(loaded, ready_file, publish_picture)


async def publish_picture(server: "Server") -> None:
    """Publish until cancelled; tell where to look.

    Raises:
        SettingsError: The server has no RTMP address that we could use.
        Rejected: Its settings do not let us publish.
    """
    from contextlib import aclosing

    from headend import client
    from headend.app.urls import web_url
    from headend.cli.signal_source import batches
    from headend.sources.feed import in_thread

    url = local_url(server.addresses["rtmp"])
    async with client.publish(url) as out, aclosing(in_thread(batches())) as feed:
        lines = ["a test picture is on the air:", url, f"ffplay -fflags nobuffer {url}"]
        if page := web_url(server.addresses):
            lines += [f"{page}watch/{PATH}", f"{page}{PATH}/index.m3u8"]
        output.result("\n  ".join(lines))
        async for tags in feed:
            for tag in tags:
                await out.write(tag)


def local_url(addresses: list[str]) -> str:
    """Make the URL of the demo from the addresses that a server listens on.

    Raises:
        SettingsError: None of them is a TCP address.
    """
    for address in addresses:
        if not address.startswith("unix:"):
            return f"rtmp://{address}/{PATH}"
    raise SettingsError("rtmp.listen holds no TCP address: the demo has nowhere to publish")
