"""Mutated streams, packaged: python -m tests.fuzz.packaging CODEC CONTAINER FIRST COUNT.

A process of its own, because FFmpeg's muxers are C: what they do wrong ends or hangs it. It prints
the number of each stream before it is packaged, and at the end how long the longest tag took.
"""

import random
import resource
import sys
import time
from collections.abc import Callable
from fractions import Fraction
from functools import cache
from typing import Any, Final

import av
from tests.defaults import hls_limits
from tests.wire import wire

from headend.codec.flv_muxer import FlvMuxer
from headend.hls.numbers import First
from headend.hls.packager import HlsPackager
from headend.hls.playlists import Playlists
from headend.hls.window import Window
from headend.media.codecs import audio_tag, script_tag, video_tag
from headend.media.tag import AUDIO, SCRIPT, VIDEO, Tag

MEMORY_BYTES: Final = 2 << 30
VIDEO_CODECS: Final = {
    "h264": ("libx264", {"preset": "ultrafast", "x264-params": "keyint=10:bframes=2"}),
    "hevc": ("libx265", {"preset": "ultrafast", "x265-params": "log-level=none:keyint=10:pools=1"}),
    "av1": ("libsvtav1", {"preset": "13", "svtav1-params": "keyint=10:lp=1"}),
    "vp9": ("libvpx-vp9", {"deadline": "realtime", "cpu-used": "8", "g": "10"}),
}
AUDIO_CODECS: Final = {
    "aac": "aac", "mp3": "libmp3lame", "opus": "libopus", "flac": "flac", "ac3": "ac3",
    "eac3": "eac3",
}  # fmt: skip
METADATA: Final = wire(
    "02 000a 6f6e4d65746144617461 08 00000002"
    "0005 7769647468 00 4054000000000000 0006 686569676874 00 4050000000000000 000009"
)
MAKERS: Final[dict[int, Callable[[int, bytes], Tag]]] = {
    AUDIO: audio_tag, VIDEO: video_tag, SCRIPT: script_tag,
}  # fmt: skip


def pictures(codec: str) -> list[Tag]:
    """Encode three seconds of small pictures."""
    name, options = VIDEO_CODECS[codec]
    muxer = FlvMuxer()
    stream: Any = muxer.container.add_stream(name, rate=25, options=dict(options))
    stream.width, stream.height, stream.pix_fmt = 80, 64, "yuv420p"
    tags: list[Tag] = []
    for number in range(75):
        frame: Any = av.VideoFrame(80, 64, "yuv420p")
        for plane in frame.planes:
            plane.update(bytes([5 * number % 256]) * plane.buffer_size)
        frame.pts, frame.time_base = number, Fraction(1, 25)
        tags += [tag for packet in stream.encode(frame) for tag in muxer.mux(packet)]
    tags += [tag for packet in stream.encode(None) for tag in muxer.mux(packet)]
    return tags + muxer.close()


def sounds(codec: str) -> list[Tag]:
    """Encode three seconds of silence."""
    muxer = FlvMuxer()
    stream: Any = muxer.container.add_stream(AUDIO_CODECS[codec], rate=48_000, layout="stereo")
    resampler = av.AudioResampler(stream.format.name, "stereo", 48_000, stream.frame_size or 1024)
    tags: list[Tag] = []
    for number in range(150):
        frame = av.AudioFrame("flt", "stereo", 960)
        for plane in frame.planes:
            plane.update(bytes(plane.buffer_size))
        frame.sample_rate, frame.pts, frame.time_base = 48_000, 960 * number, Fraction(1, 48_000)
        for ready in resampler.resample(frame):
            tags += [tag for packet in stream.encode(ready) for tag in muxer.mux(packet)]
    tags += [tag for packet in stream.encode(None) for tag in muxer.mux(packet)]
    return tags + muxer.close()


@cache
def clean(codec: str) -> tuple[Tag, ...]:
    """Return a stream of a codec, with sound or a picture beside it."""
    if codec in VIDEO_CODECS:
        both = [*pictures(codec), *sounds("aac")]
    else:
        both = [*pictures("h264"), *sounds(codec)]
    media = [tag for tag in both if tag.kind is not SCRIPT]
    return script_tag(0, METADATA), *sorted(media, key=lambda tag: tag.timestamp)


def spoilt(body: bytes, choose: random.Random) -> bytes:
    """Return a body with bytes overwritten, left out, put in, repeated, or cut off."""
    data = bytearray(body)
    for _ in range(choose.choice((1, 1, 1, 2, 6))):
        # Headers are at the front, and one wrong there says more than one in the picture.
        end = len(data) if choose.random() < 0.3 else min(len(data), 24)
        at = choose.randint(0, end)
        match choose.randrange(8):
            case 0:
                data[at : at + 1] = bytes([choose.randrange(256)])
            case 1:
                data[at : at + 1] = bytes(
                    [(data[at] if at < len(data) else 0) ^ 1 << choose.randrange(8)]
                )
            case 2:
                del data[at : at + choose.randint(1, 8)]
            case 3:
                data[at:at] = choose.randbytes(choose.randint(1, 8))
            case 4:
                data[at : at + 4] = choose.choice((b"\0" * 4, b"\xff" * 4, b"\0\0\0\1", b"\0\0\1"))
            case 5:
                del data[at:]
            case 6:
                data += choose.choice((b"\0", b"\0" * 4, b"\0\0\0\1", choose.randbytes(40)))
            case _:
                data[at:at] = data[at : at + choose.randint(1, 64)] * choose.randint(1, 40)
    return bytes(data)


def mutated(tags: tuple[Tag, ...], choose: random.Random) -> list[Tag]:
    """Return a stream with some tags spoilt, moved in time, repeated, exchanged or left out."""
    rate = choose.choice((0.02, 0.1, 0.5))
    made: list[Tag] = []
    shift = 0
    for tag in tags:
        kind, timestamp, body = tag.kind, tag.timestamp, tag.body
        if choose.random() < rate:
            match choose.randrange(9):
                case 0:
                    continue
                case 1:
                    made += [tag] * choose.randint(1, 4)
                case 2:
                    timestamp = choose.choice((0, timestamp + choose.randint(-200, 200), 2**32 - 5))
                case 3:
                    shift = choose.choice((0, 500, -500, 5000, 40_000, 2**31))
                case 4:
                    other = choose.choice(tags)
                    kind, body = other.kind, other.body
                case 5:
                    body = choose.choice(tags).body
                case _:
                    body = spoilt(body, choose)
        made.append(MAKERS[kind]((timestamp + shift) % 2**32, body))
    return made


class Reports:
    """Takes what is reported of the media."""

    def reported(self, fault: str) -> None:
        assert fault


def package(tags: list[Tag], container: str, choose: random.Random) -> float:
    """Package a stream; return the longest time that a tag took, seconds."""
    now = 0.0
    limits = hls_limits(container=container, part_s=choose.choice((0.0, 0.2)))
    window = Window("e", First(), limits)
    playlists = Playlists(window)
    packager = HlsPackager(limits, window, Reports(), lambda: now)
    packager.start(())
    longest = 0.0
    for number, tag in enumerate(tags):
        now = number / 50
        began = time.perf_counter()
        packager.push(tag)
        longest = max(longest, time.perf_counter() - began)
        if choose.random() < 0.005:
            packager.interrupt()
            packager.start(())
    packager.end()
    text = playlists.media_playlist(skip=False, query="")
    assert text.startswith("#EXTM3U\n")
    for line in text.splitlines():
        if line and not line.startswith("#"):
            assert playlists.resource(line) is not None
    assert playlists.multivariant("")
    assert packager.fault is None or packager.fault
    return longest


def main() -> None:
    """Package so many mutated streams, from one number on."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    codec, container, first, count = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
    longest = 0.0
    for number in range(first, first + count):
        print(number, flush=True)
        choose = random.Random(f"{codec} {container} {number}")
        longest = max(longest, package(mutated(clean(codec), choose), container, choose))
    print(f"longest {longest:.4f}")


if __name__ == "__main__":
    main()
