"""Tags made of what programs have: packets of PyAV, frames, arrays.

packet   ─► FLV muxer ─► tags                   as it is
frame    ─► H.264 or AAC ─► FLV muxer ─► tags   encoded
array    ─► frame
"""

from fractions import Fraction
from typing import TYPE_CHECKING, Final, TypeAlias

import av
import av.stream
from av.error import FFmpegError

from headend.codec.decoding_times import DecodingTimes
from headend.codec.encoders import (
    MILLISECOND,
    UnevenPictures,
    add_aac,
    add_video,
    encode_audio,
)
from headend.codec.encoding import Encoding
from headend.codec.flv_muxer import FlvMuxer, Packet
from headend.errors import MediaError
from headend.media.codecs import is_end
from headend.media.tag import SCRIPT, Tag

if TYPE_CHECKING:
    from collections.abc import Iterable

    import numpy as np
    from numpy.typing import NDArray

    Picture: TypeAlias = NDArray[np.uint8]

Frame: TypeAlias = "av.VideoFrame | av.AudioFrame | Picture"


class FrameEncoder:
    """Encodes the frames of one stream; blocks while it does.

    Attributes:
        encoding: How.
    """

    def __init__(self, encoding: Encoding) -> None:
        self.encoding: Final = encoding
        self._video: _Video | None = None
        self._audio: _Audio | None = None
        self._pictures = 0  # that came
        self._samples = 0

    def frame(self, frame: Frame) -> av.VideoFrame | av.AudioFrame:
        """Make a frame with a time of what came.

        Args:
            frame: A frame of PyAV; or an array of uint8, height × width × 3 (RGB), × 4 (RGBA) or
                height × width (grey). Without a time it gets the next one, by the frame rate.

        Raises:
            MediaError: It is none of these.
        """
        if not isinstance(frame, av.VideoFrame | av.AudioFrame):
            frame = _picture(frame)
        if isinstance(frame, av.VideoFrame):
            if frame.pts is None:
                frame.pts = round(self._pictures * 1000 / self.encoding.frame_rate)
                frame.time_base = MILLISECOND
            self._pictures += 1
        else:
            if frame.pts is None:
                frame.pts, frame.time_base = self._samples, Fraction(1, frame.sample_rate)
            self._samples += frame.samples
        return frame

    def encode(self, frame: av.VideoFrame | av.AudioFrame) -> list[Tag]:
        """Encode a frame that has a time; return the tags that are ready.

        Raises:
            MediaError: The encoder does not take it.
        """
        try:
            if isinstance(frame, av.VideoFrame):
                return self._encode_picture(frame)
            if self._audio is None:
                self._audio = _Audio(frame, self.encoding)
            return self._audio.encode(frame)
        except (FFmpegError, ValueError) as error:
            raise MediaError(f"the frame cannot be encoded: {error}") from error

    def _encode_picture(self, frame: av.VideoFrame) -> list[Tag]:
        tags: list[Tag] = []
        size = frame.width, frame.height
        if self._video is not None and self._video.size != size:
            tags = self._video.encode(None)
            self._video = None
        if self._video is None:
            self._video = _Video(size, self.encoding)
        return tags + self._video.encode(frame)

    def flush(self) -> list[Tag]:
        """Return what the encoders have held back; the next frame starts them anew."""
        tracks = [track for track in (self._video, self._audio) if track is not None]
        self._video = self._audio = None
        return [tag for track in tracks for tag in track.encode(None)]


class _Video:
    """H.264 of one size."""

    def __init__(self, size: tuple[int, int], encoding: Encoding) -> None:
        self.size: Final = size
        self._muxer = FlvMuxer()
        rate = Fraction(encoding.frame_rate).limit_denominator(1001)
        options = {"preset": encoding.preset, "tune": "zerolatency", **encoding.options}
        if encoding.bit_rate is None:
            options.setdefault("crf", "23")
        gop = round(rate * Fraction(encoding.keyframe_s))
        stream = add_video(self._muxer.container, size, rate, gop, options)
        if encoding.bit_rate is not None:
            stream.bit_rate = encoding.bit_rate
        self._encoder = UnevenPictures(stream)

    def encode(self, frame: av.VideoFrame | None) -> list[Tag]:
        return _muxed(self._muxer, self._encoder.encode(frame))


class _Audio:
    """AAC."""

    def __init__(self, frame: av.AudioFrame, encoding: Encoding) -> None:
        self._muxer = FlvMuxer()
        rate, channels = frame.sample_rate, frame.layout.nb_channels
        self._stream = add_aac(self._muxer.container, rate, channels, encoding.audio_bit_rate)

    def encode(self, frame: av.AudioFrame | None) -> list[Tag]:
        return _muxed(self._muxer, encode_audio(self._stream, frame))


class PacketMuxer:
    """Makes tags of packets as they are; packets of one container share a muxer."""

    def __init__(self) -> None:
        self._times: dict[tuple[int, int], DecodingTimes] = {}  # by container and stream
        self._muxers: dict[int, tuple[object, FlvMuxer, dict[int, av.stream.Stream]]] = {}

    def mux(self, packet: Packet) -> list[Tag]:
        """Take a packet of the best video or the best audio stream of its container.

        Others are left out, and so are packets without data.

        Raises:
            MediaError: FLV cannot hold the codec; or the packet belongs to no container.
        """
        if not packet.size:
            return []
        try:
            muxer, streams = self._of(packet)
            if packet.stream.index not in streams:
                return []
            key = id(packet.stream.container), packet.stream.index
            times = self._times.setdefault(key, DecodingTimes())
            copy = av.Packet(bytes(packet))  # the caller's own stays as it is
            copy.stream = streams[packet.stream.index]
            copy.time_base = packet.time_base
            copy.dts, copy.pts, copy.duration = packet.dts, packet.pts, packet.duration
            copy.is_keyframe = packet.is_keyframe
            return _muxed(muxer, times.take(copy))
        except (FFmpegError, ValueError) as error:
            raise MediaError(f"the packet does not go into FLV: {error}") from error

    def flush(self) -> list[Tag]:
        """Return what the muxers have held back to put it in order; packets may follow."""
        times, self._times = self._times, {}
        muxers, self._muxers = self._muxers, {}
        late = [
            tag
            for (container, _), waiting in times.items()
            for tag in _muxed(muxers[container][1], waiting.flush())
        ]
        tags = [tag for _, muxer, _ in muxers.values() for tag in muxer.close()]
        tags = [tag for tag in tags if tag.kind is not SCRIPT and not is_end(tag)]
        return late + tags

    def _of(self, packet: Packet) -> tuple[FlvMuxer, dict[int, av.stream.Stream]]:
        container = getattr(packet.stream, "container", None)
        if container is None:
            raise MediaError("the packet belongs to no container, so its codec is not known")
        known = self._muxers.get(id(container))
        if known is None:
            muxer = FlvMuxer()
            best = (container.streams.best("video"), container.streams.best("audio"))
            streams = {
                # As it is: by the name of AV1's decoder PyAV would look for an encoder.
                stream.index: muxer.container.add_stream_from_template(stream, opaque=True)
                for stream in best
                if stream is not None
            }
            # The container is kept, so that no other one gets its id.
            known = self._muxers[id(container)] = container, muxer, streams
        return known[1], known[2]


def _muxed(muxer: FlvMuxer, packets: "Iterable[Packet]") -> list[Tag]:
    """Return the tags of packets, without FFmpeg's metadata: it knows one track only."""
    tags = [tag for packet in packets for tag in muxer.mux(packet)]
    return [tag for tag in tags if tag.kind is not SCRIPT]


def _picture(array: "Picture") -> av.VideoFrame:
    shape = tuple(getattr(array, "shape", ()))
    # By number of values in a pixel.
    name = {(): "gray", (3,): "rgb24", (4,): "rgba"}.get(shape[2:]) if len(shape) > 1 else None
    if name is None or str(getattr(array, "dtype", "")) != "uint8":
        raise MediaError(
            "a picture is an array of uint8, height × width × 3 (RGB), × 4 (RGBA) or height × width"
        )
    return av.VideoFrame.from_ndarray(array, format=name)
