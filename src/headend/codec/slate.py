"""A slate: a still picture and silence, in the codecs of the stream that it is for.

    tracks of the stream ─► encoders ─► two seconds, which are repeated

Players that show the stream can show it then: same codecs, size, frame rate, sample rate, channels.
"""

import os
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Final

import av

from headend.codec.encoders import AAC_FRAME, add_audio, add_video, drawn, encode_audio, sound
from headend.codec.explained import explained
from headend.codec.flv_muxer import FlvMuxer, Packet
from headend.codec.priority import kept_priority
from headend.media.headers import Codec
from headend.media.tag import Tag
from headend.media.track_config import TrackConfig

# SVT-AV1 would tell on stderr what it is about to do.
os.environ.setdefault("SVT_LOG", "0")

DURATION_S: Final = 2  # one group of pictures
FRAME_RATE: Final = Fraction(30)  # where a stream does not declare its own
MAX_FRAME_RATE: Final = 120
WIDTH: Final = 1280  # where it does not declare its size
HEIGHT: Final = 720
MAX_SIDE: Final = 8192  # pixels
SAMPLE_RATE: Final = 48_000
BACKGROUND: Final = 40  # luma
BAR: Final = 170
NEUTRAL: Final = 128  # of U and V

# Encoder and its options, by codec; a stream of another codec gets H.264 or AAC.
_VIDEO: Final = {
    Codec.H264: ("libx264", {"preset": "veryfast", "tune": "zerolatency", "threads": "1"}),
    Codec.HEVC: ("libx265", {"preset": "ultrafast", "x265-params": "log-level=none:pools=1"}),
    Codec.AV1: ("libsvtav1", {"preset": "12", "svtav1-params": "pred-struct=1:lp=1"}),
    Codec.VP9: ("libvpx-vp9", {"deadline": "realtime", "cpu-used": "8", "lag-in-frames": "0"}),
}
_AUDIO: Final = {Codec.AAC: "aac", Codec.OPUS: "libopus", Codec.MP3: "libmp3lame"}
_SAMPLES: Final = {"aac": AAC_FRAME, "libopus": 960, "libmp3lame": 1152}  # of a frame
_LAYOUTS: Final = {1: "mono", 2: "stereo", 6: "5.1", 8: "7.1"}


@dataclass(frozen=True, slots=True)
class SlateFormat:
    """What a slate is for; None: the stream has no such track."""

    video: TrackConfig | None
    audio: TrackConfig | None


class Slate:
    """A source of tags that can be read over and over."""

    notes: Sequence[str] = ()
    is_enhanced = False

    def __init__(self, format: SlateFormat, picture: Path | None = None) -> None:
        """Encode; takes some tenths of a second.

        Args:
            format: What the stream has.
            picture: A file with a picture to show, scaled to the size of the stream; None: one of
                our own.

        Raises:
            MediaError: The picture cannot be read, or there is no encoder.
        """
        with explained("slate" if picture is None else str(picture)), kept_priority():
            self._tags = _encode(format, picture)

    def batches(self) -> Generator[list[Tag], None, None]:
        """Give it from its start to its end."""
        yield self._tags


def _encode(format: SlateFormat, picture: Path | None) -> list[Tag]:
    muxer = FlvMuxer()
    packets: list[Packet] = []
    if format.video is not None:
        packets += _video(muxer, format.video, picture)
    if format.audio is not None:
        packets += _audio(muxer, format.audio)
    packets.sort(key=_decoding_time)
    tags = [tag for packet in packets for tag in muxer.mux(packet)]
    tags += muxer.close()
    return tags


def _decoding_time(packet: Packet) -> Fraction:
    assert packet.dts is not None
    assert packet.time_base is not None
    return packet.dts * packet.time_base


# ---------------------------------------------------------------------- picture


def _video(muxer: FlvMuxer, track: TrackConfig, picture: Path | None) -> Iterator[Packet]:
    encoder, options = _VIDEO.get(track.codec, _VIDEO[Codec.H264])
    rate = _frame_rate(track)
    size = min(track.width or WIDTH, MAX_SIDE), min(track.height or HEIGHT, MAX_SIDE)
    count = round(DURATION_S * rate)
    stream = add_video(muxer.container, size, rate, count, options, codec=encoder)
    stream.codec_context.max_b_frames = 0
    size = stream.width, stream.height
    frame = _sign(*size) if picture is None else _read(picture, *size)
    for number in range(count):
        frame.pts, frame.time_base = number, 1 / rate
        yield from stream.encode(frame)
    yield from stream.encode(None)


def _frame_rate(track: TrackConfig) -> Fraction:
    declared = track.frame_rate
    if declared is None or not 1 <= declared <= MAX_FRAME_RATE:
        return FRAME_RATE
    return Fraction(declared).limit_denominator(1001)


def _sign(width: int, height: int) -> av.VideoFrame:
    """Draw the sign for a pause, so that nobody takes it for a fault of the player."""
    bar, tall = max(height // 20, 1), height // 4
    left = (width - 3 * bar) // 2
    plain = bytes([BACKGROUND]) * width
    signed = bytearray(plain)
    for start in (left, left + 2 * bar):
        signed[start : start + bar] = bytes([BAR]) * bar
    top = (height - tall) // 2
    rows = (signed if top <= row < top + tall else plain for row in range(height))
    grey = bytes([NEUTRAL]) * (width // 2 * (height // 2))
    return drawn(width, height, (b"".join(rows), grey, grey))


def _read(path: Path, width: int, height: int) -> av.VideoFrame:
    """Read the first picture of a file; it is scaled to fit, with bars beside or above it."""
    with av.open(str(path)) as container:
        picture = next(container.decode(video=0))
    graph = av.filter.Graph()
    fit = f"{width}:{height}:force_original_aspect_ratio=decrease:force_divisible_by=2"
    nodes = (
        graph.add_buffer(
            width=picture.width,
            height=picture.height,
            format=picture.format,
            time_base=Fraction(1, 1),
        ),
        graph.add("scale", fit),
        graph.add("pad", f"{width}:{height}:(ow-iw)/2:(oh-ih)/2"),
        graph.add("format", "yuv420p"),
        graph.add("buffersink"),
    )
    graph.link_nodes(*nodes).configure()
    picture.pts = 0
    graph.push(picture)
    fitted = graph.pull()
    assert isinstance(fitted, av.VideoFrame)
    return fitted


# ---------------------------------------------------------------------- silence


def _audio(muxer: FlvMuxer, track: TrackConfig) -> Iterator[Packet]:
    encoder = _AUDIO.get(track.codec, "aac")
    rate = SAMPLE_RATE if encoder == "libopus" else track.sample_rate or SAMPLE_RATE
    layout = _LAYOUTS.get(track.channels, "stereo")
    stream = add_audio(muxer.container, rate, layout, codec=encoder)
    stream.codec_context.open()
    size = _SAMPLES[encoder]
    for number in range(DURATION_S * rate // size):
        yield from encode_audio(stream, sound(stream, number * size, size))
    yield from encode_audio(stream, None)
