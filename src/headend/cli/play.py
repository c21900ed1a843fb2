"""The command `play`: a stream of RTMP, SRT, HTTP-FLV or HLS to an FLV file."""

import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

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
from headend.errors import RelayError, SettingsError

if TYPE_CHECKING:
    from headend.net.tls_client import TlsOptions

# A stream that stands still counts too, but the last frames of one that runs may come a bit late.
STALL_S: Final = 5.0

UrlArgument = Annotated[
    str,
    typer.Argument(
        metavar="URL",
        help="rtmp[s]://HOST/APP/NAME?token=TOKEN, http[s]://….flv, ws[s]://….flv, ….m3u8 or "
        "srt://HOST:PORT?streamid=read:APP/NAME; " + url_argument.HELP,
    ),
]
OutputFlag = Annotated[
    Path | None, typer.Option("-o", "--output", metavar="FILE", help="FLV file; - is stdout.")
]
DurationFlag = Annotated[
    float | None,
    typer.Option(metavar="SECONDS", min=0, help="Stop after this many seconds of the stream."),
]
ReconnectFlag = Annotated[
    bool, typer.Option("--reconnect", help="Connect again when the connection is lost.")
]


def register(app: typer.Typer) -> None:
    """Add the command to the program."""
    app.command()(play)


def play(
    url: UrlArgument,
    file: OutputFlag = None,
    duration: DurationFlag = None,
    reconnect: ReconnectFlag = False,
    ca: CaFlag = None,
    fingerprint: FingerprintFlag = None,
    insecure: InsecureFlag = False,
    cert: CertFlag = None,
    key: KeyFlag = None,
    log_level: LogLevelFlag = None,
) -> None:
    """Play a stream to an FLV file, or to stdout, until it ends or Ctrl-C."""
    import asyncio

    from headend.client.opening import parse_source

    url = url_argument.given_url(url)
    target = parse_source(url)
    tls = tls_options(target, ca, fingerprint, insecure=insecure, cert=cert, key=key)
    if reconnect:
        output.tell_log("headend.client")
    path = None if file is None or str(file) == "-" else file
    if path is None and sys.stdout.isatty():
        raise SettingsError("stdout is a terminal: name a file with -o, or pipe into a player")
    try:
        asyncio.run(_play(url, tls, path, duration, is_lasting=reconnect))
    except BrokenPipeError:
        # Who reads stdout has had enough. Python flushes it once more at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


async def _play(
    url: str,
    tls: "TlsOptions | None",
    path: Path | None,
    duration: float | None,
    *,
    is_lasting: bool,
) -> None:
    import asyncio

    from headend import client
    from headend.cli.flv_output import FlvOutput
    from headend.cli.progress import Progress

    loop = asyncio.get_running_loop()
    is_ended = False
    async with client.play(url, tls=tls, reconnect=is_lasting) as stream:
        with FlvOutput(path) as file, Progress("played") as progress, suppress(TimeoutError):
            async with asyncio.timeout(None) as limit:
                async for tag in stream:
                    timestamp = file.timestamp(tag)
                    if duration is not None and timestamp >= duration * 1000:
                        break
                    if duration is not None and not file.is_open:
                        limit.reschedule(loop.time() + duration + STALL_S)
                    file.write(tag._replace(timestamp=timestamp))
                    progress.add(tag)
                else:
                    is_ended = True
    if not file.is_open:
        raise RelayError("the stream ended before anything came")
    if is_ended and stream.was_cut:
        raise RelayError("the server closed the connection in the middle of the stream")
