"""The command `probe`: what a stream or a file is."""

from typing import TYPE_CHECKING, Annotated

import typer

from headend.cli import output, url_argument
from headend.cli.serve import LogLevelFlag
from headend.cli.tls_flags import CaFlag, FingerprintFlag, InsecureFlag, tls_options

if TYPE_CHECKING:
    from headend.client.probing import AudioFacts, Facts, VideoFacts
    from headend.net.tls_client import TlsOptions

SourceArgument = Annotated[
    str,
    typer.Argument(
        metavar="URL",
        help="rtmp[s]://…, http[s]://….flv, ws[s]://….flv, ….m3u8, srt://…, or a file; "
        + url_argument.HELP,
    ),
]
DurationFlag = Annotated[
    float, typer.Option(metavar="SECONDS", min=0.1, help="Seconds to watch a live stream.")
]
JsonFlag = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]


def register(app: typer.Typer) -> None:
    """Add the command to the program."""
    app.command()(probe)


def probe(
    source: SourceArgument,
    duration: DurationFlag = 5.0,
    json: JsonFlag = False,
    ca: CaFlag = None,
    fingerprint: FingerprintFlag = None,
    insecure: InsecureFlag = False,
    log_level: LogLevelFlag = None,
) -> None:
    """Show codecs, size, frame rate, bit rates, keyframe interval and time to the first picture."""
    import asyncio

    from headend.client.opening import parse_source
    from headend.client.probing import probe as look

    source = url_argument.given_url(source)
    tls: TlsOptions | None = None
    if "://" in source:
        tls = tls_options(parse_source(source), ca, fingerprint, insecure=insecure)
    facts = asyncio.run(look(source, duration_s=duration, tls=tls))
    if json:
        output.result_json(facts.document())
        return
    output.result("\n".join(describe(facts)))
    for fault in facts.faults:
        output.note(fault)


def describe(facts: "Facts") -> list[str]:
    """Put what was found into words, a line each."""
    lines = []
    if facts.video is not None:
        lines.append("video  " + ", ".join(_video(facts.video)))
    if facts.audio is not None:
        lines.append("audio  " + ", ".join(_audio(facts.audio)))
    total = [] if facts.bit_rate is None else [_rate(facts.bit_rate)]
    total.append(f"{facts.duration:.1f} s looked at")
    if facts.time_to_first_picture is not None:
        what = "first picture" if facts.video is not None else "first sound"
        total.append(f"{what} after {facts.time_to_first_picture:.2f} s")
    lines.append(f"{facts.protocol:6} " + ", ".join(total))
    return lines


def _video(video: "VideoFacts") -> list[str]:
    words = [" ".join(filter(None, (video.codec, video.profile, video.level)))]
    if video.width:
        words.append(f"{video.width}×{video.height}")
    if video.frame_rate is not None:
        words.append(f"{video.frame_rate:g} fps")
    if video.bit_rate is not None:
        words.append(_rate(video.bit_rate))
    if video.keyframe_interval is None:
        words.append("fewer than two keyframes seen")
    else:
        words.append(f"a keyframe every {video.keyframe_interval:g} s")
    if video.has_b_frames:
        words.append("B-frames")
    return words


def _audio(audio: "AudioFacts") -> list[str]:
    words = [" ".join(filter(None, (audio.codec, audio.profile)))]
    if audio.sample_rate:
        words.append(f"{audio.sample_rate} Hz")
    if audio.channels:
        words.append({1: "mono", 2: "stereo"}.get(audio.channels, f"{audio.channels} channels"))
    if audio.bit_rate is not None:
        words.append(_rate(audio.bit_rate))
    return words


def _rate(bit_rate: int) -> str:
    return (
        f"{bit_rate / 1e6:.2f} Mbit/s" if bit_rate >= 1_000_000 else f"{bit_rate / 1e3:.0f} kbit/s"
    )
