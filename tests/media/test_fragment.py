"""Tests of headend.media.fragment."""

import io

import av
import pytest
from tests.wire import wire

from headend.codec.package import Muxer, Track
from headend.errors import MediaError
from headend.media.fragment import Fragments, Sample, TrackId, tracks_of
from headend.media.tag import AUDIO, VIDEO
from headend.media.track_config import track_config
from headend.testing.clip import make_clip

HEADERS = [tag for tag in make_clip(1.0).tags if tag.is_sequence_header]
INIT = Muxer([Track(track_config(tag), tag) for tag in HEADERS], "fmp4").init


def test_tracks_of_an_init_segment_are_found() -> None:
    assert tracks_of(INIT) == {VIDEO: TrackId(1, 16_000), AUDIO: TrackId(2, 48_000)}


def test_longer_forms_of_headers_are_read() -> None:
    long = wire(
        "00000074 6d6f6f76 0000006c 7472616b"
        "00000024 746b6864 01000000 0000000000000000 0000000000000000 00000007 00000000"
        "00000040 6d646961"
        "00000020 6d646864 01000000 0000000000000000 0000000000000000 00015f90"
        "00000018 68646c72 00000000 00000000 76696465 00000000"
    )
    assert tracks_of(long) == {VIDEO: TrackId(7, 90_000)}


@pytest.mark.parametrize(
    "init", [b"", b"\x00\x00\x00\x00moov", INIT[:24], 70 * wire("00000008 66726565")]
)
def test_init_segment_without_a_track_is_an_error(init: bytes) -> None:
    with pytest.raises(MediaError, match=r"no track|cut short|size of 0"):
        tracks_of(init)


def test_fragment_is_as_the_specification_prints_it() -> None:
    out = Fragments(INIT)
    out.write({})
    samples = [Sample(1000, 1080, 40, True, b"abc"), Sample(1040, 1000, 60, False, b"d")]
    sounds = [Sample(1000, 1000, 10, True, b"ef")]
    assert out.write({VIDEO: samples, AUDIO: sounds}) == wire(
        "000000c8 6d6f6f66 00000010 6d666864 00000000 00000002"
        "00000060 74726166 00000010 74666864 00020000 00000001"
        "00000014 74666474 01000000 0000000000003e80"
        "00000034 7472756e 01000f01 00000002 000000d0"
        "00000280 00000003 02000000 00000500"
        "000003c0 00000001 01010000 fffffd80"
        "00000050 74726166 00000010 74666864 00020000 00000002"
        "00000014 74666474 01000000 000000000000bb80"
        "00000024 7472756e 01000f01 00000001 000000d4"
        "000001e0 00000002 02000000 00000000"
        "0000000e 6d646174 61626364 6566"
    )


def test_ffmpeg_reads_the_same_frames_at_the_same_times() -> None:
    out = Fragments(INIT)
    media = [tag for tag in make_clip(1.0).tags if tag.kind in (AUDIO, VIDEO)]
    given = {
        kind: [
            Sample(tag.timestamp, tag.timestamp, 20, tag.is_keyframe, tag.body[skip:])
            for tag in media
            if tag.kind is kind and not tag.is_sequence_header
        ]
        for kind, skip in ((VIDEO, 5), (AUDIO, 2))
    }
    file = INIT + out.write({kind: each[:9] for kind, each in given.items()})
    file += out.write({kind: each[9:] for kind, each in given.items()})
    for kind, name in ((VIDEO, "video"), (AUDIO, "audio")):
        with av.open(io.BytesIO(file), "r") as container:
            read = [
                packet for packet in container.demux() if packet.size and packet.stream.type == name
            ]
        assert [bytes(packet) for packet in read] == [each.payload for each in given[kind]]
        times = [round(1000 * packet.dts * float(packet.time_base)) for packet in read]  # type: ignore[operator]
        assert (times[0], times[9]) == (given[kind][0].dts, given[kind][9].dts)
