"""Tests of headend.media.silence."""

from dataclasses import replace
from typing import Any

import av
import pytest
from tests.wire import wire

from headend.media.headers import Codec
from headend.media.silence import silence_of
from headend.media.sound import parse_mp3_frame
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


OPUS_HEAD = "4f70757348656164 01 {:02x} 3801 80bb0000 0000 {:02x}"


@pytest.mark.parametrize(("channels", "payload"), [(1, "f8 fffe"), (2, "fc fffe")])
def test_opus_is_silent_for_20_ms(channels: int, payload: str) -> None:
    head = OPUS_HEAD.format(channels, 0)
    found = silence_of(replace(config(head, Codec.OPUS), channels=channels))
    assert found is not None
    assert (found.payload, found.duration_ms) == (wire(payload), 20)
    decoder = av.CodecContext.create("libopus", "r")
    decoder.extradata = wire(head)
    for _ in range(3):
        for frame in decoder.decode(av.Packet(found.payload)):
            assert not frame.to_ndarray().any()


@pytest.mark.parametrize(("channels", "family"), [(2, 1), (6, 1), (3, 0), (0, 0)])
def test_opus_of_several_streams_has_none(channels: int, family: int) -> None:
    head = config(OPUS_HEAD.format(channels, family), Codec.OPUS)
    assert silence_of(replace(head, channels=channels)) is None


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize(
    "rate", [44_100, 48_000, 32_000, 22_050, 24_000, 16_000, 11_025, 12_000, 8_000]
)
def test_mp3_is_silent_at_every_rate(rate: int, channels: int) -> None:
    found = silence_of(replace(config("", Codec.MP3), sample_rate=rate, channels=channels))
    assert found is not None
    told = parse_mp3_frame(found.payload)
    assert (told.sample_rate, told.channels) == (rate, channels)
    assert found.duration_ms == (1152 if rate >= 32_000 else 576) / rate * 1000
    decoder: Any = av.CodecContext.create("mp3float", "r")
    frames = [frame for _ in range(3) for frame in decoder.decode(av.Packet(found.payload))]
    assert [frame.samples for frame in frames] == [round(found.duration_ms * rate / 1000)] * 3
    assert not any(frame.to_ndarray().any() for frame in frames)


@pytest.mark.parametrize("head", ["", "664c6143 80000022"])
@pytest.mark.parametrize(("channels", "bits"), [(1, 16), (2, 16), (2, 24), (6, 20)])
def test_flac_is_silent_for_a_block(channels: int, bits: int, head: str) -> None:
    told = 48_000 << 44 | channels - 1 << 41 | bits - 1 << 36
    info = wire("1000 1200 000000 000000") + told.to_bytes(8, "big") + bytes(16)
    found = silence_of(
        replace(
            config((wire(head) + info).hex(), Codec.FLAC), sample_rate=48_000, channels=channels
        )
    )
    assert found is not None
    assert found.duration_ms == 96
    decoder = av.CodecContext.create("flac", "r")
    decoder.extradata = info
    decoder.options = {"err_detect": "crccheck+explode"}
    frames = [frame for _ in range(3) for frame in decoder.decode(av.Packet(found.payload))]
    assert [frame.samples for frame in frames] == [0x1200] * 3
    assert not any(bytes(plane).strip(b"\0") for frame in frames for plane in frame.planes)


@pytest.mark.parametrize("record", ["1000 1200 000000 000000 0bb800", "1000 0000" + "00" * 30])
def test_flac_whose_blocks_are_not_known_has_none(record: str) -> None:
    assert silence_of(replace(config(record, Codec.FLAC), sample_rate=48_000, channels=2)) is None


@pytest.mark.parametrize("codec", [Codec.MP3, Codec.AC3, Codec.FLAC, Codec.OPUS])
def test_codec_without_a_known_silence_has_none(codec: Codec) -> None:
    assert silence_of(config("1210", codec)) is None
