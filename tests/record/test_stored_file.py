"""Tests of headend.record.stored_file and headend.record.stored_tags."""

import random
from collections.abc import Sequence
from pathlib import Path

import pytest
from tests.e2e.media import AAC, H264, frames, hashes, make, picture, tone
from tests.record.fragmented import FRAGMENTED, recorded

from headend.codec.packets import Packets
from headend.errors import MediaError
from headend.media.flv import serialize_header, serialize_tag
from headend.media.headers import Codec
from headend.media.tag import AUDIO, VIDEO, Tag
from headend.record.file_bytes import LocalBytes
from headend.record.stored_file import StoredFile, open_stored
from headend.record.values import RecordedSegment

PICTURES = {
    Codec.H264: H264,
    Codec.HEVC: ("-c:v", "libx265", "-preset", "ultrafast", "-x265-params", "log-level=0"),
    Codec.AV1: ("-c:v", "libaom-av1", "-cpu-used", "8", "-usage", "realtime"),
    Codec.VP9: ("-c:v", "libvpx-vp9", "-deadline", "realtime", "-cpu-used", "8"),
}
SOUNDS = {
    Codec.AAC: AAC,
    Codec.OPUS: ("-c:a", "libopus"),
    Codec.FLAC: ("-c:a", "flac", "-strict", "-2"),
    Codec.MP3: ("-c:a", "libmp3lame"),
    Codec.AC3: ("-c:a", "ac3"),
    Codec.EAC3: ("-c:a", "eac3"),
}

# FFmpeg knows the configuration of some codecs with the first packet only.
COMPLETE = ("-movflags", f"{FRAGMENTED[1]}+delay_moov")


def media_of(path: Path, start_s: float = 0.0) -> RecordedSegment:
    """Return all fragments of a file as one segment."""
    data, begin = path.read_bytes(), recorded(path).init_size
    end = data.rfind(b"mfra") - 4  # behind them FFmpeg writes an index of them
    return RecordedSegment(0, begin, end - begin, start_s, 1.0, 0.0, True)


def opened(path: Path, start_s: float = 0.0) -> tuple[StoredFile, RecordedSegment]:
    """Open a file whose media is one segment."""
    segment = media_of(path, start_s)
    return open_stored(LocalBytes(path), segment.offset, segment), segment


def all_tags(file: StoredFile, segment: RecordedSegment) -> list[Tag]:
    tags, at = list[Tag](), segment.offset
    while at < segment.offset + segment.size:
        batch = file.batch(segment, at)
        tags += batch.tags
        at = batch.next
    return tags


def payloads(tags: Sequence[Tag]) -> dict[object, list[bytes]]:
    """Return the packets of tags as a packager takes them."""
    faults: list[str] = []
    packets = Packets("pyav", faults.append)
    found: dict[object, list[bytes]] = {AUDIO: [], VIDEO: []}
    for tag in tags:
        for packet in packets.take(tag):
            found[packet.kind].append(packet.payload)
    assert not faults
    return found


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("stored")


@pytest.fixture(scope="module")
def clip(folder: Path) -> Path:
    """Three seconds with B-frames and sound, a fragment for each group of pictures."""
    options = (*picture(6), *tone(6), *H264, *AAC, *FRAGMENTED)
    return make("ffmpeg", folder / "clip.mp4", *options)


def test_flv_of_its_tags_has_every_frame_at_its_time(folder: Path, clip: Path) -> None:
    file, segment = opened(clip, 100.0)
    tags = [*file.headers, *all_tags(file, segment)]
    flv = folder / "clip.flv"
    head = serialize_header(has_audio=True, has_video=True)
    flv.write_bytes(head + b"".join(map(serialize_tag, tags)))
    got, wanted = frames(flv), frames(clip)
    assert hashes(got) == hashes(wanted)
    first = min(frame.dts for frame in wanted["video0"])
    for name in wanted:
        times = [frame.dts - 100_000 for frame in got[name]]
        assert all(
            abs(time - (frame.dts - first)) <= 1
            for time, frame in zip(times, wanted[name], strict=True)
            if frame.dts >= first
        )


@pytest.mark.parametrize("codec", PICTURES)
def test_pictures_of_every_codec_are_tags_with_their_header(folder: Path, codec: Codec) -> None:
    path = folder / f"{codec}.mp4"
    make("ffmpeg", path, *picture(1, "128x96"), *PICTURES[codec], *COMPLETE)
    file, segment = opened(path)
    (header,) = file.headers
    assert header.is_sequence_header
    tags = all_tags(file, segment)
    assert len(tags) == 25
    assert tags[0].is_keyframe
    if codec is not Codec.VP9:  # whose size is known by metadata only
        assert len(payloads([header, *tags])[VIDEO]) == 25


@pytest.mark.parametrize("codec", SOUNDS)
def test_sound_of_every_codec_is_tags(folder: Path, codec: Codec) -> None:
    path = folder / f"{codec}.mp4"
    make("ffmpeg", path, *tone(1, 48000), *SOUNDS[codec], *COMPLETE)
    file, segment = opened(path)
    tags = [*file.headers, *all_tags(file, segment)]
    assert bool(file.headers) is (codec in (Codec.AAC, Codec.OPUS, Codec.FLAC))
    assert len(payloads(tags)[AUDIO]) == len(tags) - len(file.headers) > 5


def test_start_is_the_last_keyframe_that_is_not_behind(clip: Path) -> None:
    file, segment = opened(clip, 10.0)
    keys = [
        (tag.timestamp) for tag in all_tags(file, segment) if tag.kind is VIDEO and tag.is_keyframe
    ]
    assert len(keys) > 1
    assert keys[0] == 10_000
    for position, expected in (
        (0, keys[0]),
        (keys[1] - 1, keys[0]),
        (keys[1], keys[1]),
        (10**9, keys[-1]),
    ):
        at, time = file.start(segment, position)
        assert time == expected
        assert time in [tag.timestamp for tag in file.batch(segment, at).tags]


def test_damaged_file_is_refused_or_read_and_nothing_else(folder: Path, clip: Path) -> None:
    data = clip.read_bytes()
    segment = media_of(clip)
    chance = random.Random(7)
    path = folder / "damaged.mp4"
    refused = 0
    for _ in range(400):
        damaged = bytearray(data)
        where = segment.offset if chance.random() < 0.5 else len(data)
        for _ in range(chance.randrange(1, 6)):
            at = chance.randrange(0, min(where + 600, len(data)))
            damaged[at] = chance.choice((0, 1, 0x7F, 0xFF, chance.randrange(256)))
        if chance.random() < 0.2:
            del damaged[chance.randrange(len(damaged)) :]
        path.write_bytes(damaged)
        try:
            file = open_stored(LocalBytes(path), segment.offset, segment)
            all_tags(file, segment)
            file.start(segment, 1500)
        except MediaError:
            refused += 1
    assert 50 < refused < 400


def test_file_of_nothing_that_rtmp_carries_is_refused(folder: Path) -> None:
    path = folder / "foreign.mp4"
    make("ffmpeg", path, *picture(1, "128x96"), "-c:v", "mpeg4", *FRAGMENTED)
    with pytest.raises(MediaError, match="mp4v cannot be sent over RTMP"):
        opened(path)
    for body in (b"", bytes(100), b"FLV" + bytes(100)):
        path.write_bytes(body)
        segment = RecordedSegment(0, 50, 50, 0.0, 1.0, 0.0, True)
        with pytest.raises(MediaError):
            open_stored(LocalBytes(path), 50, segment)
    with pytest.raises(MediaError, match="too large"):
        open_stored(LocalBytes(path), 10**9, segment)
