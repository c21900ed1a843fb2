"""The edge of an exact clip: part of a segment, its pictures encoded anew, its sound copied.

A clip that begins between two keyframes begins with pictures that nobody can decode. So the ones of
that segment are encoded again, from the one where the clip begins on.
"""

from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import av

from headend.errors import MediaError

if TYPE_CHECKING:
    from av.container import OutputContainer

# What encodes a codec, and how it keeps its pictures good and in their order.
ENCODERS: Final[dict[str, tuple[str, dict[str, str]]]] = {
    "h264": ("libx264", {"preset": "veryfast", "crf": "18", "bf": "0", "g": "10000"}),
    "hevc": ("libx265", {"preset": "veryfast", "crf": "20", "x265-params": "bframes=0"}),
    "av1": ("libsvtav1", {"preset": "8", "crf": "28"}),
    "vp9": ("libvpx-vp9", {"crf": "28", "b": "0", "deadline": "realtime", "cpu-used": "5"}),
}
FLAGS: Final = {"movflags": "frag_keyframe+empty_moov+default_base_moof", "use_editlist": "0"}
CLOCK: Final = Fraction(1, 90_000)
SLACK_S: Final = 0.001  # times of RTMP are rounded to milliseconds


def cut(source: Path, target: Path, start_s: float, end_s: float) -> None:
    """Write a part of a file that is one segment, as fragmented MP4 whose clock begins at 0.

    Args:
        source: An MP4 file.
        target: The file to write.
        start_s: Seconds after its first picture, or sound where there is none.
        end_s: Seconds after its first picture, from which on nothing is wanted.

    Raises:
        MediaError: It cannot be read, or there is no encoder for it.
    """
    try:
        with (
            av.open(str(source)) as read,
            av.open(str(target), "w", format="mp4", options=FLAGS) as written,
        ):
            _Cut(read, written, start_s, end_s).run()
    except (av.FFmpegError, OSError, ValueError) as error:
        raise MediaError(f"the edge of the clip cannot be encoded: {error}") from error


class _Cut:
    def __init__(self, read: Any, written: "OutputContainer", start_s: float, end_s: float) -> None:
        self._read: Final = read
        self._written: Final = written
        self._start_s, self._end_s = start_s, end_s
        self._base_s: float | None = None  # when the first picture is shown
        self._video: Final = read.streams.video[0] if read.streams.video else None
        self._encoder: Any = None if self._video is None else self._add_encoder(self._video)
        self._copied: Final = {
            stream.index: written.add_stream_from_template(stream) for stream in read.streams.audio
        }

    def _add_encoder(self, video: Any) -> Any:
        name = video.codec_context.name
        known = next((each for codec, each in ENCODERS.items() if codec in name), None)
        if known is None or known[0] not in av.codecs_available:
            raise MediaError(f"nothing here encodes {name}: cut this clip at segments")
        encoder, options = known
        made: Any = self._written.add_stream(
            encoder, rate=video.average_rate or 30, options=options
        )
        made.width, made.height = video.codec_context.width, video.codec_context.height
        made.pix_fmt = video.codec_context.pix_fmt
        made.codec_context.time_base = made.time_base = CLOCK
        return made

    def run(self) -> None:
        """Copy sound and encode pictures, in the order in which they are read."""
        sound = []
        for packet in self._read.demux():
            if packet.stream is self._video:
                for frame in packet.decode():
                    self._picture(frame)
            elif packet.pts is not None:
                sound.append(packet)
        if self._encoder is not None:
            self._mux(self._encoder.encode(None))
        elif sound:
            self._base_s = float(sound[0].pts * sound[0].time_base)
        for packet in sound:
            self._sound(packet)

    def _picture(self, frame: Any) -> None:
        at = float(frame.pts * frame.time_base)
        if self._base_s is None:
            self._base_s = at
        at -= self._base_s
        if self._start_s - SLACK_S <= at < self._end_s - SLACK_S:
            frame.pts = round((at - self._start_s) / CLOCK)
            frame.time_base = CLOCK
            frame.pict_type = 0
            self._mux(self._encoder.encode(frame))

    def _sound(self, packet: Any) -> None:
        at = float(packet.pts * packet.time_base) - (self._base_s or 0.0)
        if self._start_s <= at < self._end_s:
            packet.pts = packet.dts = round((at - self._start_s) / packet.time_base)
            packet.stream = self._copied[packet.stream.index]
            self._written.mux(packet)

    def _mux(self, packets: Any) -> None:
        for packet in packets:
            self._written.mux(packet)
