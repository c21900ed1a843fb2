"""Tests of headend.hub.start_codes, and of what viewers get of pictures in Annex B."""

import io
from collections.abc import Callable, Sequence

import av
import pytest
from tests.defaults import chunk_reader, names, stream_settings
from tests.hub.fakes import FakePublisher, FakeSink, key, sound
from tests.pictures import picture_tags
from tests.wire import wire

from headend.hub.registry import Registry
from headend.hub.reserve import Reserve
from headend.hub.start_codes import StartCodes
from headend.media import avc, hevc
from headend.media.codecs import video_tag
from headend.media.flv import serialize_header, serialize_tag
from headend.media.headers import Codec, parse_video_header
from headend.media.nalus import length_size
from headend.media.tag import Tag
from headend.media.track_config import track_config
from headend.outputs.flv import FlvEncoder, FlvFormat
from headend.outputs.rtmp_play import Format, RtmpEncoder

SPS, PPS = "6742c01e 95a0 2d", "68ce 3c80"
AVCC = "01 42c01e ff e1 0007 6742c01e95a02d 01 0004 68ce3c80"
START = b"\0\0\0\1"
VPS_SPS_PPS = (
    "40010c01ffff016000000300900000030000030078959809",
    "420101016000000300900000030000030078a003c08010e5965966924caf016a02020208000003000800000300f040",
    "4401c172b46240",
)


def mended(*bodies: str, codes: StartCodes | None = None) -> list[str]:
    tags = [video_tag(40, wire(body)) for body in bodies]
    return [tag.body.hex() for tag in (codes or StartCodes()).mend(tags)]


def plain(*bodies: str) -> list[str]:
    return [wire(body).hex() for body in bodies]


@pytest.mark.parametrize(
    ("head", "frame", "sent"),
    [
        ("17 00 000000", "27 01 000028 00000001 419a 000001 4188", "27 01 000028"),
        ("90 61766331", "a1 61766331 000028 000001 419a 00000001 4188", "a1 61766331 000028"),
        ("90 61766331", "a3 61766331 00000001 419a 00000001 4188 00", "a3 61766331"),
        (  # one track among several
            "96 00 61766331 01",
            "a6 01 61766331 01 000028 00000001 419a 00000001 4188",
            "a6 01 61766331 01 000028",
        ),
    ],
)
def test_header_and_frames_with_start_codes_get_lengths(head: str, frame: str, sent: str) -> None:
    header = f"{head} 00000001 {SPS} 000001 {PPS}"
    codes = StartCodes()
    assert not codes.were_found
    whole = plain(f"{head} {AVCC}", f"{sent} 00000002 419a 00000002 4188")
    assert mended(header, frame, codes=codes) == whole
    assert codes.were_found


@pytest.mark.parametrize("head", ["90 68766331", "1c 00 000000"])
def test_header_of_hevc_with_start_codes_becomes_hvcc(head: str) -> None:
    sets = b"".join(START + wire(each) for each in VPS_SPS_PPS)
    (tag,) = StartCodes().mend([video_tag(0, wire(head) + sets)])
    config = track_config(tag)
    assert (config.codecs, config.width, config.height) == ("hvc1.1.6.L120.90", 1920, 1080)
    assert length_size(Codec.HEVC, config.record) == 4


def test_lengths_are_as_long_as_the_record_says() -> None:
    header = f"17 00 000000 {AVCC.replace('ff', 'fd', 1)}"
    frames = ("17 01 000000 000001 6588", "27 01 000000 00000001 419a")
    sent = ("17 01 000000 0002 6588", "27 01 000000 0002 419a")
    assert mended(header, *frames) == plain(header, *sent)


@pytest.mark.parametrize(
    "body",
    [
        f"27 01 000000 00000102 41 {'aa' * 257}",  # a length that looks like a start code
        f"17 01 000001 00000003 65{'aa' * 2}",
        "17 01 000000 00000001 09 00000001 0a",
        "17 01 000000 00000002",  # damaged
        "97 000001",
        "17 00 000000 00000001 67",  # no PPS: whoever reads it says so
        "a1 61763031 00000001 12 00",
        "a6 11 61766331 00 000006 000001 4188 01 000006 000001 4188",
        "92 61766331 000001",
        "52 01 000001",
    ],
)
def test_what_has_no_start_codes_or_cannot_be_mended_stays_as_it_is(body: str) -> None:
    codes = StartCodes()
    come = [video_tag(40, wire(body)), sound(40)]
    assert codes.mend(come) == come
    assert not codes.were_found


def test_run_without_pictures_to_mend_is_the_same_object() -> None:
    come = [key(0, 100), sound(0)]
    assert StartCodes().mend(come) is come


@pytest.mark.parametrize(
    ("frame", "header"),
    [
        (f"17 01 000000 00000001 {SPS} 00000001 {PPS} 00000001 6588", f"17 00 000000 {AVCC}"),
        (f"91 61766331 000000 000001 {SPS} 000001 {PPS} 000001 6588", f"90 61766331 {AVCC}"),
    ],
)
def test_keyframes_of_a_publisher_without_a_header_make_one(frame: str, header: str) -> None:
    codes = StartCodes()
    first = mended(frame, codes=codes)
    assert first[0] == wire(header).hex()
    assert mended(frame, codes=codes) == first, "the hub drops a header that is repeated"
    assert mended(header, frame, codes=codes) == [first[0], first[1]], "it sends one itself"


def test_keyframe_without_parameter_sets_makes_no_header() -> None:
    assert mended("17 01 000000 00000001 6588") == plain("17 01 000000 00000002 6588")


# ---------------------------------------------------------------------- what viewers get


def in_annex_b(tag: Tag) -> Tag:
    """Return a tag of H.264 or HEVC as an encoder sends it that knows no lengths."""
    track = parse_video_header(tag.body).tracks[0]
    payload, units, at = tag.body[track.payload], [], 0
    if tag.is_sequence_header:
        units = (avc if track.codec is Codec.H264 else hevc).parameter_sets(payload)
    while not tag.is_sequence_header and at < len(payload):
        end = at + 4 + int.from_bytes(payload[at : at + 4], "big")
        units.append(payload[at + 4 : end])
        at = end
    return tag._replace(body=tag.body[: track.start] + b"".join(START + unit for unit in units))


def over_flv(tags: Sequence[Tag]) -> bytes:
    encoder, pieces = FlvEncoder(FlvFormat(is_framed=False)), list[bytes]()
    for tag in tags:
        encoder.append(pieces, tag, tag.timestamp)
    return serialize_header(has_audio=False, has_video=True) + b"".join(pieces)


def over_rtmp(tags: Sequence[Tag]) -> bytes:
    encoder, pieces = RtmpEncoder(Format(1), 128), list[bytes]()
    for tag in tags:
        encoder.append(pieces, tag, tag.timestamp)
    messages = chunk_reader().receive_data(b"".join(pieces))
    got = [video_tag(each.timestamp, each.payload) for each in messages]
    header = serialize_header(has_audio=False, has_video=True)
    return header + b"".join(serialize_tag(tag) for tag in got)


def decoded(file: bytes) -> list[tuple[int | None, bytes]]:
    with av.open(io.BytesIO(file), "r", format="flv") as container:
        pictures = container.decode(container.streams.video[0])
        return [(each.pts, bytes(each.planes[0])) for each in pictures]


@pytest.mark.parametrize("output", [over_flv, over_rtmp])
@pytest.mark.parametrize("codec", ["h264", "hevc"])
def test_viewers_see_pictures_in_annex_b_like_others(
    codec: str, output: Callable[[Sequence[Tag]], bytes]
) -> None:
    registry = Registry(names(stream=stream_settings()), lambda *_: None)
    tags = picture_tags(codec)
    seen = []
    for path, come in (("live/a", tags), ("live/b", [in_annex_b(tag) for tag in tags])):
        publication = registry.publish(path, FakePublisher(), None, 0)
        sink = FakeSink()
        publication.stream.attach("viewer", sink)
        publication.push(come, 0.0)
        assert publication.has_start_codes is (path == "live/b")
        seen.append(decoded(output(sink.tags)))
    assert len(seen[0]) == 3
    assert seen[1] == seen[0]


def test_source_that_stands_by_is_mended_too() -> None:
    registry = Registry(names(stream=stream_settings()), lambda *_: None)
    publication = registry.publish("live/a", FakePublisher(), None, 0)
    reserve = Reserve(10, 10**6)
    publication.stand_by(reserve)
    publication.push([video_tag(0, wire("17 01 000000 00000001 6588"))], 0.0)
    assert [tag.body for tag in reserve.tags()] == [wire("17 01 000000 00000002 6588")]
