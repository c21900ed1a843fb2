"""Short media files for the tests of commands."""

from fractions import Fraction
from pathlib import Path

import av


def make(
    path: Path,
    video: str | None,
    audio: str | None,
    *,
    size: tuple[int, int] = (64, 48),
    sample_rate: int = 48000,
    seconds: float = 0.5,
) -> Path:
    """Encode so much with the encoders of these names."""
    with av.open(str(path), "w") as output:
        # The header of the file is written with the first packet, so all streams come before.
        streams = []
        if video:
            streams.append(output.add_stream(video, rate=20))
        if audio:
            streams.append(output.add_stream(audio, rate=sample_rate))
        for stream in streams:
            if isinstance(stream, av.VideoStream):
                stream.width, stream.height = size
                stream.pix_fmt = "rgb24" if video == "rawvideo" else "yuv420p"
            elif isinstance(stream, av.AudioStream):
                stream.codec_context.layout = "stereo"
        for stream in streams:
            if isinstance(stream, av.VideoStream):
                _write_video(output, stream, seconds)
            elif isinstance(stream, av.AudioStream):
                _write_audio(output, stream, sample_rate, seconds)
    return path


def _write_video(
    output: av.container.OutputContainer, stream: av.VideoStream, seconds: float
) -> None:
    for number in range(round(20 * seconds)):
        frame = av.VideoFrame(stream.width, stream.height, "yuv420p")
        for plane in frame.planes:
            plane.update(bytes((number * 20 % 256,)) * plane.buffer_size)
        frame.pts, frame.time_base = number, Fraction(1, 20)
        output.mux(stream.encode(frame))
    output.mux(stream.encode(None))


def _write_audio(
    output: av.container.OutputContainer, stream: av.AudioStream, sample_rate: int, seconds: float
) -> None:
    frame = av.AudioFrame("s16", "stereo", round(sample_rate * seconds))
    frame.planes[0].update(bytes(frame.planes[0].buffer_size))
    frame.sample_rate, frame.pts = sample_rate, 0
    frame.time_base = Fraction(1, sample_rate)
    output.mux(stream.encode(frame))
    output.mux(stream.encode(None))
