"""Tests of headend.codec.slate."""

import io
from pathlib import Path

import av
import pytest

from headend.codec.slate import Slate, SlateFormat
from headend.errors import MediaError
from headend.media.flv import serialize_header, serialize_tag
from headend.media.headers import Codec
from headend.media.tag import AUDIO, VIDEO, Tag
from headend.media.track_config import TrackConfig, track_config

PICTURE = TrackConfig(VIDEO, Codec.H264, width=160, height=90, frame_rate=25.0)
SOUND = TrackConfig(AUDIO, Codec.AAC, sample_rate=44_100, channels=1)


def tags_of(slate: Slate) -> list[Tag]:
    (tags,) = slate.batches()
    return tags


def config(tags: list[Tag], kind: int) -> TrackConfig:
    return next(track_config(tag) for tag in tags if tag.kind == kind and tag.is_sequence_header)


def decoded(tags: list[Tag]) -> list[av.VideoFrame]:
    data = serialize_header(has_audio=True, has_video=True)
    with av.open(io.BytesIO(data + b"".join(map(serialize_tag, tags))), "r") as container:
        return list(container.decode(video=0))


def luma(frame: av.VideoFrame, x: int, y: int) -> int:
    plane = frame.reformat(format="gray").planes[0]
    return bytes(plane)[y * plane.line_size + x]


@pytest.mark.parametrize("codec", [Codec.H264, Codec.HEVC, Codec.AV1, Codec.VP9])
def test_slate_has_the_codec_and_the_size_of_the_stream(codec: Codec) -> None:
    track = TrackConfig(VIDEO, codec, width=320, height=180, frame_rate=30.0)
    tags = tags_of(Slate(SlateFormat(track, None)))
    made = config(tags, VIDEO)
    assert made.codec is codec
    if codec is not Codec.VP9:  # whose record says no size
        assert (made.width, made.height) == (320, 180)
    pictures = [tag for tag in tags if tag.kind is VIDEO and not tag.is_sequence_header]
    assert len(decoded(tags)) == 60
    assert sum(tag.is_keyframe for tag in pictures) == 1
    assert not any(tag.kind is AUDIO for tag in tags)


@pytest.mark.parametrize(
    ("codec", "rate"), [(Codec.AAC, 44_100), (Codec.OPUS, 48_000), (Codec.MP3, 44_100)]
)
def test_slate_is_silent_in_the_codec_of_the_stream(codec: Codec, rate: int) -> None:
    track = TrackConfig(AUDIO, codec, sample_rate=rate, channels=2)
    tags = tags_of(Slate(SlateFormat(PICTURE, track)))
    data = serialize_header(has_audio=True, has_video=True)
    with av.open(io.BytesIO(data + b"".join(map(serialize_tag, tags))), "r") as container:
        sound = container.streams.audio[0]
        assert sound.codec_context.sample_rate == rate
        assert sound.codec_context.channels == 2
        peaks = {max(bytes(plane)) for f in container.decode(audio=0) for plane in f.planes}
    assert peaks <= {0}


def test_slate_of_a_codec_that_cannot_be_encoded_is_h264_and_aac() -> None:
    format = SlateFormat(TrackConfig(VIDEO, Codec.VP8), TrackConfig(AUDIO, Codec.SPEEX))
    tags = tags_of(Slate(format))
    assert config(tags, VIDEO).codec is Codec.H264
    assert (config(tags, VIDEO).width, config(tags, VIDEO).height) == (1280, 720)
    assert config(tags, AUDIO).codec is Codec.AAC
    assert config(tags, AUDIO).channels == 2


def test_two_seconds_are_encoded_with_the_frame_rate_of_the_stream() -> None:
    tags = tags_of(Slate(SlateFormat(PICTURE, SOUND)))
    pictures = [t.timestamp for t in tags if t.kind is VIDEO and not t.is_sequence_header]
    assert len([t for t in tags if t.kind is VIDEO and len(t.body) > 5]) - 1 == 50
    assert 1900 < pictures[-1] - pictures[0] <= 2000
    sounds = [t.timestamp for t in tags if t.kind is AUDIO]
    assert sounds == sorted(sounds)


def test_slate_shows_a_sign_in_its_middle() -> None:
    frames = decoded(tags_of(Slate(SlateFormat(PICTURE, None))))
    assert abs(luma(frames[-1], 76, 45) - luma(frames[-1], 10, 10)) > 50
    assert abs(luma(frames[-1], 80, 45) - luma(frames[-1], 10, 10)) < 10  # between the bars


def test_picture_of_a_file_is_fitted_into_the_size_of_the_stream(tmp_path: Path) -> None:
    file = tmp_path / "white.png"
    with av.open(str(file), "w") as container:
        stream = container.add_stream("png", rate=1)
        assert isinstance(stream, av.VideoStream)
        stream.width = stream.height = 50
        stream.pix_fmt = "rgb24"
        frame = av.VideoFrame(50, 50, "rgb24")
        frame.planes[0].update(b"\xff" * frame.planes[0].buffer_size)
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    shown = decoded(tags_of(Slate(SlateFormat(PICTURE, None), file)))[-1]
    assert (shown.width, shown.height) == (160, 90)
    assert luma(shown, 80, 45) > 200
    assert luma(shown, 5, 45) < 40  # bars beside it


@pytest.mark.parametrize("content", [None, b"no picture"])
def test_file_that_holds_no_picture_is_named(content: bytes | None, tmp_path: Path) -> None:
    file = tmp_path / "bad.png"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(MediaError, match=r"bad\.png: "):
        Slate(SlateFormat(PICTURE, None), file)
