"""The command `publish`: a file or a device to a server of RTMP, RTMPS or SRT."""

from typing import TYPE_CHECKING, Annotated

import typer

from headend.cli import output, url_argument
from headend.cli.serve import LogLevelFlag
from headend.cli.tls_flags import (
    CaFlag,
    CertFlag,
    FingerprintFlag,
    InsecureFlag,
    KeyFlag,
    tls_options,
)
from headend.errors import SettingsError

if TYPE_CHECKING:
    from headend.net.tls_client import TlsOptions
    from headend.rtmp.url import Url
    from headend.sources.files import OpenedSource
    from headend.srt_url import SrtUrl

SourceArgument = Annotated[
    str, typer.Argument(metavar="SOURCE", help="File or device; - is standard input.")
]
UrlArgument = Annotated[
    str,
    typer.Argument(
        metavar="URL",
        help="rtmp[s]://HOST/APP/NAME?key=KEY or srt://HOST:PORT?streamid=publish:APP/NAME; "
        + url_argument.HELP,
    ),
]
FormatFlag = Annotated[
    str | None,
    typer.Option(
        "-f", "--format", metavar="NAME", help="Format or device, such as v4l2, x11grab, lavfi."
    ),
]
OptionFlag = Annotated[
    list[str] | None,
    typer.Option("--option", metavar="NAME=VALUE", help="Option of the format; repeatable."),
]
LoopFlag = Annotated[bool, typer.Option("--loop", help="Repeat the source for ever.")]
NoPaceFlag = Annotated[
    bool, typer.Option("--no-pace", help="Publish as fast as possible, not in real time.")
]
ReconnectFlag = Annotated[
    bool, typer.Option("--reconnect", help="Connect again when the connection is lost.")
]


def register(app: typer.Typer) -> None:
    """Add the command to the program."""
    app.command()(publish)


def publish(
    source: SourceArgument,
    url: UrlArgument,
    format_name: FormatFlag = None,
    options: OptionFlag = None,
    loop: LoopFlag = False,
    no_pace: NoPaceFlag = False,
    reconnect: ReconnectFlag = False,
    ca: CaFlag = None,
    fingerprint: FingerprintFlag = None,
    insecure: InsecureFlag = False,
    cert: CertFlag = None,
    key: KeyFlag = None,
    log_level: LogLevelFlag = None,
) -> None:
    """Publish a file or a device; streams that RTMP cannot carry are encoded as H.264 and AAC."""
    import asyncio

    from headend.client.outlet import parse_destination
    from headend.sources.files import open_source

    if source == url == url_argument.STDIN:
        raise SettingsError("SOURCE and URL are both -: stdin holds one of them")
    target = parse_destination(url_argument.given_url(url))
    tls = tls_options(target, ca, fingerprint, insecure=insecure, cert=cert, key=key)
    if reconnect:
        output.tell_log("headend.client")
    opened = open_source(source, format_name, _parse_options(options or []))
    for note in opened.notes:
        output.note(note)
    asyncio.run(
        _publish(opened, target, tls, is_looped=loop, is_paced=not no_pace, is_lasting=reconnect)
    )


def _parse_options(texts: list[str]) -> dict[str, str]:
    options = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals:
            raise SettingsError(f"--option takes NAME=VALUE, not {text!r}")
        options[name] = value
    return options


async def _publish(
    source: "OpenedSource",
    url: "Url | SrtUrl",
    tls: "TlsOptions | None",
    *,
    is_looped: bool,
    is_paced: bool,
    is_lasting: bool,
) -> None:
    import asyncio
    from contextlib import aclosing

    from headend import client
    from headend.cli.progress import Progress
    from headend.sources.feed import in_thread
    from headend.sources.pacing import Pace, repeated

    batches = repeated(source) if is_looped else source.batches()
    async with (
        client.publish(url, is_enhanced=source.is_enhanced, tls=tls, reconnect=is_lasting) as out,
        aclosing(in_thread(batches)) as feed,
    ):
        loop = asyncio.get_running_loop()
        pace = Pace(loop.time())
        with Progress("published", None if is_looped else source.duration_s) as progress:
            async for tags in feed:
                for tag in tags:
                    if is_paced and (delay := pace.delay(tag.timestamp, loop.time())) > 0:
                        await asyncio.sleep(delay)
                    await out.write(tag)
                    progress.add(tag)
