"""Tests of encoders' quirks in the packager: every picture of x264 comes out of FFmpeg."""

import io
from collections.abc import Callable, Iterable
from fractions import Fraction
from functools import cache
from hashlib import md5
from itertools import pairwise
from typing import Any

import av
import pytest
from tests.hls.media import audio_header, sound, video_header
from tests.outputs.packaged import Packaged
from tests.wire import wire

from headend.hub.start_codes import StartCodes
from headend.hub.timeline import Timeline
from headend.media.avc import avcc_of_record
from headend.media.codecs import video_tag
from headend.media.nalus import from_annex_b
from headend.media.tag import VIDEO, Tag

FRAME_MS = 40
PICTURES = 110
CONTAINERS = ["fmp4", "mpegts"]
START = b"\0\0\0\1"


class Coded:
    """A picture of x264: its NAL units, its times in pictures."""

    def __init__(self, units: list[bytes], dts: int, pts: int, *, is_keyframe: bool) -> None:
        self.units = units
        self.dts = dts
        self.pts = pts
        self.is_keyframe = is_keyframe

    def tag(
        self, units: Iterable[bytes], time: int, composition: int, *, start_codes: bool = False
    ) -> Tag:
        """Return a message of some NAL units."""
        head = wire("17 01" if self.is_keyframe else "27 01")
        body = b"".join((START if start_codes else len(u).to_bytes(4, "big")) + u for u in units)
        shift = composition.to_bytes(3, "big", signed=True)
        return video_tag(time % 2**32, head + shift + body)

    def plain(self) -> Tag:
        """Return it as it should be sent."""
        dts = self.dts * FRAME_MS
        return self.tag(self.units, dts, (self.pts - self.dts) * FRAME_MS)


@cache
def coded(bframes: int = 0) -> tuple[bytes, list[Coded]]:
    """Encode pictures of four slices; return avcC, and the pictures."""
    encoder: Any = av.CodecContext.create("libx264", "w")
    encoder.width, encoder.height, encoder.pix_fmt = 64, 64, "yuv420p"
    encoder.time_base = Fraction(1, 25)
    encoder.framerate = Fraction(25)
    encoder.thread_count = 1
    params = (
        f"slices=4:keyint=25:min-keyint=25:scenecut=0:bframes={bframes}:b-adapt=0:b-pyramid=none"
    )
    encoder.options = {"preset": "ultrafast", "x264-params": params}
    packets = []
    for number in range(PICTURES):
        frame: Any = av.VideoFrame(64, 64, "yuv420p")
        for index, plane in enumerate(frame.planes):
            plane.update(bytes([(3 * number + index * 40) % 256]) * plane.buffer_size)
        frame.pts = number
        packets += encoder.encode(frame)
    packets += encoder.encode(None)
    units = [from_annex_b(bytes(packet)) for packet in packets]
    record = avcc_of_record(b"".join(START + unit for unit in units[0] if unit[0] & 31 in (7, 8)))
    first = packets[0].dts
    return record, [
        Coded(
            [unit for unit in each if unit[0] & 31 in (1, 5)],
            packet.dts - first,
            packet.pts - first,
            is_keyframe=packet.is_keyframe,
        )
        for packet, each in zip(packets, units, strict=True)
    ]


def package(tags: Iterable[Tag], container: str, header: bytes) -> Packaged:
    """Package tags with sound beside them."""
    pictures = list(tags)
    last = max(tag.timestamp for tag in pictures)
    sounds = [sound(time) for time in range(0, last, 23)]
    both = sorted([*pictures, *sounds], key=lambda tag: tag.timestamp)
    out = Packaged(*both, headers=(video_header(header), audio_header()), container=container)
    out.packager.end()
    return out


def shown(out: Packaged) -> list[tuple[int, str]]:
    """Decode what was packaged; return the times of the pictures in ms, and their hashes."""
    names = out.find(r'MAP:URI="([^"]+)"')
    assert len(names) < 2
    names += [line for line in out.playlist().splitlines() if line and not line.startswith("#")]
    data = b""
    for name in names:
        resource = out.playlists.resource(name)
        assert resource is not None
        data += resource.body
    with av.open(io.BytesIO(data), "r") as container:
        stream = container.streams.video[0]
        return [
            (round((frame.time or 0) * 1000), md5(bytes(frame.planes[0])).hexdigest())
            for frame in container.decode(stream)
        ]


@cache
def expected(container: str, bframes: int = 0) -> list[tuple[int, str]]:
    """Return what is shown of pictures that are sent as they should be."""
    record, pictures = coded(bframes)
    out = package([picture.plain() for picture in pictures], container, record)
    assert out.reports == []
    found = shown(out)
    assert len(found) == PICTURES
    return found


def hashes(pictures: list[tuple[int, str]]) -> list[str]:
    return [digest for _, digest in pictures]


def sliced(picture: Coded) -> list[Tag]:
    time = picture.dts * FRAME_MS
    return [picture.tag([unit], time, 0) for unit in picture.units]


def announced(picture: Coded) -> list[Tag]:
    information = picture.tag([wire("09f0"), wire("0601018080")], picture.dts * FRAME_MS, 0)
    return [information, picture.plain()]


MENDED: dict[str, Callable[[Coded], list[Tag]]] = {
    "a message for each slice": sliced,
    "information in a message of its own": announced,
    "units without a byte": lambda p: [p.tag([b"", *p.units, b"", b""], p.dts * FRAME_MS, 0)],
    "a byte behind": lambda p: [p.plain()._replace(body=p.plain().body + b"\0")],
    "three bytes behind": lambda p: [p.plain()._replace(body=p.plain().body + b"\1\2\3")],
    "Annex B": lambda p: [p.tag(p.units, p.dts * FRAME_MS, 0, start_codes=True)],
}


@pytest.mark.parametrize("container", CONTAINERS)
@pytest.mark.parametrize("quirk", MENDED)
def test_pictures_that_are_sent_oddly_are_shown_as_others(quirk: str, container: str) -> None:
    record, pictures = coded()
    tags = [tag for picture in pictures for tag in MENDED[quirk](picture)]
    out = package(tags, container, record)
    assert shown(out) == expected(container)
    assert out.find("#EXT-X-DISCONTINUITY\n") == []
    assert out.packager.packets.left_out == 0


@pytest.mark.parametrize("container", CONTAINERS)
def test_header_with_start_codes_is_taken(container: str) -> None:
    record, pictures = coded()
    sps_size = record[7]
    sps, pps = record[8 : 8 + sps_size], record[11 + sps_size :]
    header = video_header(START + sps + START + pps)
    (mended,) = StartCodes().mend([header])
    out = package([picture.plain() for picture in pictures], container, mended.body[5:])
    assert shown(out) == expected(container)


@pytest.mark.parametrize("container", CONTAINERS)
@pytest.mark.parametrize("same", [[1], [1, 2, 3], range(10, PICTURES, 10), range(60, 80)])
def test_pictures_of_the_same_time_are_all_shown(same: Iterable[int], container: str) -> None:
    record, pictures = coded()
    tags = [picture.plain() for picture in pictures]
    for number in same:
        tags[number] = tags[number]._replace(timestamp=tags[number - 1].timestamp)
    out = package(tags, container, record)
    assert hashes(shown(out)) == hashes(expected(container))
    assert out.find("#EXT-X-DISCONTINUITY\n") == []
    assert out.packager.packets.left_out == 0
    assert len(out.durations) == 3


@pytest.mark.parametrize("container", CONTAINERS)
def test_pictures_that_are_shown_before_they_are_decoded_are_shown_in_order(
    container: str,
) -> None:
    record, pictures = coded(2)
    wanted = expected(container, 2)
    # The encoder forgets that B frames come late: composition times of -40, 0 and 40.
    tags = [
        picture.tag(
            picture.units, picture.dts * FRAME_MS, (picture.pts - picture.dts - 1) * FRAME_MS
        )
        for picture in pictures
    ]
    assert min(int.from_bytes(tag.body[2:5], "big", signed=True) for tag in tags) < 0
    out = package(tags, container, record)
    found = shown(out)
    assert hashes(found) == hashes(wanted)
    steps = [later - time for (time, _), (later, _) in pairwise(found)]
    assert steps.count(FRAME_MS) >= len(steps) - 2
    assert out.find("#EXT-X-DISCONTINUITY\n") == []


@pytest.mark.parametrize("container", CONTAINERS)
def test_b_frames_with_the_time_of_showing_as_timestamp_end_nothing(container: str) -> None:
    record, pictures = coded(2)
    line = Timeline()
    tags = []
    for picture in pictures:
        tag = picture.tag(picture.units, picture.pts * FRAME_MS, 0)
        tags.append(tag._replace(timestamp=line.map(VIDEO, tag.timestamp)))
    out = package(tags, container, record)
    assert sorted(hashes(shown(out))) == sorted(hashes(expected(container, 2)))
    assert len(out.durations) == 3
    assert out.find("#EXT-X-DISCONTINUITY\n") == []


@pytest.mark.parametrize("container", CONTAINERS)
@pytest.mark.parametrize("body", ["00000009 41", "00000002 4101 000000ff 41", "ffffffff"])
def test_damaged_picture_is_left_out_and_the_others_are_shown(body: str, container: str) -> None:
    record, pictures = coded()
    tags = [picture.plain() for picture in pictures]
    tags[60] = tags[60]._replace(body=wire("27 01 000000") + wire(body))
    out = package(tags, container, record)
    assert len(shown(out)) == PICTURES - 1
    assert out.packager.packets.left_out == 1
    assert out.find("#EXT-X-DISCONTINUITY\n") == []


def test_only_keyframes_that_decode_at_once_are_independent() -> None:
    record, pictures = coded()
    recovery = wire("06 06 02 0f10 80")  # recovery_frame_cnt 59
    tags = []
    for number, picture in enumerate(pictures):
        tag = picture.plain()
        if picture.is_keyframe and number:
            tag = picture.tag([recovery, *pictures[number - 1].units], picture.dts * FRAME_MS, 0)
        tags.append(tag)
    out = Packaged(*tags[:70], headers=[video_header(record)])
    assert [name for _, name, _ in out.parts()][-1] == "e-1.2.m4s"
    assert [name for _, name, is_independent in out.parts() if is_independent] == ["e-0.0.m4s"]
