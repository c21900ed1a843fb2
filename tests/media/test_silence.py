"""Tests of headend.media.silence."""

import av
import pytest
from tests.wire import wire

from headend.media.headers import Codec
from headend.media.silence import silence_of
from headend.media.tag import AUDIO
from headend.media.track_config import TrackConfig


def config(record: str, codec: Codec = Codec.AAC) -> TrackConfig:
    return TrackConfig(AUDIO, codec, record=wire(record))


@pytest.mark.parametrize(
    ("record", "payload"),
    [("1208", "000000 07"), ("1210", "20000000 00000e")],
    ids=["mono", "stereo"],
)
def test_silence_is_as_the_syntax_has_it(record: str, payload: str) -> None:
    found = silence_of(config(record))
    assert found is not None
    assert found.payload == wire(payload)
    assert found.duration_ms == pytest.approx(23.22, abs=0.01)


@pytest.mark.parametrize("channels", range(1, 8))
@pytest.mark.parametrize("rate", [3, 4, 7, 11])
def test_decoder_gives_silence_of_every_layout(rate: int, channels: int) -> None:
    record = (2 << 11 | rate << 7 | channels << 3).to_bytes(2, "big")
    found = silence_of(config(record.hex()))
    assert found is not None
    decoder = av.CodecContext.create("aac", "r")
    decoder.extradata = record
    frames = [frame for _ in range(3) for frame in decoder.decode(av.Packet(found.payload))]
    assert len(frames) == 3
    for frame in frames:
        assert frame.samples == 1024
        if channels <= 2:  # PyAV takes no others apart
            assert not frame.to_ndarray().any()


@pytest.mark.parametrize("record", ["", "12", "1100", "1780 0000", "f8e6 2000", "1250"])
def test_layouts_and_objects_without_a_known_silence_have_none(record: str) -> None:
    assert silence_of(config(record)) is None


def test_other_codecs_have_none() -> None:
    assert silence_of(config("1210", Codec.OPUS)) is None
