"""Tests of recordings with ffmpeg: what is published is in the files, frame for frame."""

import json
import os
import signal
import sqlite3
import subprocess
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import pytest
from tests.e2e import media
from tests.e2e.disks import mounted_disk
from tests.e2e.peers import Peers
from tests.e2e.server import Server
from tests.e2e.wait import wait_for

pytestmark = pytest.mark.e2e

RECORD: Final = ("record.match=live/*", "record.min_free_bytes=0")
ROUNDS: Final = 3


class Recorded:
    """Servers one after the other on one data folder, and what they record."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.data = folder / "data"
        self.server: Server

    def start(self, *settings: str) -> Server:
        (self._folder / "ready.json").unlink(missing_ok=True)
        self.server = Server(self._folder, *RECORD, *settings)
        return self.server

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        path = self.data / "headend.db"
        if not path.exists():
            return []
        with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as connection:
            try:
                return connection.execute(query).fetchall()
            except sqlite3.OperationalError:  # the tables are being made
                return []

    def states(self) -> list[str]:
        return [row[0] for row in self.rows("SELECT state FROM recordings ORDER BY started")]

    def wait_segments(self, count: int) -> None:
        """Wait until so many segments are in the index."""
        wait_for(
            lambda: len(self.rows("SELECT 1 FROM recorded_segments")) >= count,
            f"{count} segments in the index",
        )

    def files(self) -> list[Path]:
        """Return the files that the index has, in their order."""
        rows = self.rows("SELECT path FROM recorded_files ORDER BY recording_id, number")
        return [self.data / "recordings" / row[0] for row in rows]

    def assert_fits(self) -> None:
        """Check that the index and the files say the same."""
        query = (
            "SELECT f.path, f.init_size, s.offset, s.size FROM recorded_segments s "
            "JOIN recorded_files f ON f.recording_id = s.recording_id AND f.number = s.file "
            "ORDER BY f.path, s.offset"
        )
        ends: dict[str, int] = {}
        for path, init_size, offset, size in self.rows(query):
            assert offset == ends.get(path, init_size), f"{path} has a hole"
            ends[path] = offset + size
        for path, end in ends.items():
            assert (self.data / "recordings" / path).stat().st_size == end, path
        on_disk = set((self.data / "recordings").glob("live/*/*"))
        assert {self.data / "recordings" / path for path in ends} == on_disk

    def journals(self) -> list[Path]:
        return list((self.data / "recordings" / ".running").iterdir())


@pytest.fixture
def recorded(tmp_path: Path) -> Iterator[Recorded]:
    folder = tmp_path / "recorded"
    folder.mkdir()
    made = Recorded(folder)
    yield made
    made.server.process.kill()
    made.server.look_for_secrets()


def assert_opens(file: Path) -> None:
    """Check that ffprobe opens a file and has nothing to say."""
    command = ["ffprobe", "-v", "warning", "-show_format", "-of", "json", str(file)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    assert json.loads(done.stdout)["format"]["nb_streams"] == 2
    assert done.stderr == ""


@pytest.mark.parametrize(
    "settings",
    [(), ("hls.start=off",), ("hls.container=mpegts",), ("record.format=flv",)],
    ids=["shared", "alone", "beside mpegts", "flv"],
)
def test_what_is_published_is_in_the_file(
    recorded: Recorded, peers: Peers, clip: Path, settings: tuple[str, ...]
) -> None:
    server = recorded.start(*settings)
    peers.publish(clip, server.url("live/a"), is_paced=True).succeed()
    wait_for(lambda: recorded.states() == ["ready"], "a recording in the index")
    server.process.send(signal.SIGTERM)
    assert server.process.wait() == 0
    (file,) = recorded.files()
    assert_opens(file)
    media.assert_same(media.frames(file), media.frames(clip))
    recorded.assert_fits()


def test_server_that_is_killed_loses_a_part_and_goes_on_in_the_same_recording(
    recorded: Recorded, peers: Peers, clip: Path, ffmpeg: str, tmp_path: Path
) -> None:
    long = media.make(
        ffmpeg, tmp_path / "long.flv", *media.picture(30), *media.tone(30), *media.H264, *media.AAC
    )
    published = media.frames(long)
    for _ in range(ROUNDS):
        server = recorded.start()
        wait_for(lambda: "recording" not in recorded.states(), "recordings that are mended")
        before = len(recorded.rows("SELECT 1 FROM recorded_segments"))
        publisher = peers.publish(long, server.url("live/a"), is_paced=True)
        recorded.wait_segments(before + 2)
        server.process.kill()
        publisher.wait()
    server = recorded.start()
    wait_for(lambda: recorded.states() == ["ready"], "a recording that is mended")
    wait_for(lambda: not recorded.journals(), "no journals")
    server.process.send(signal.SIGTERM)
    assert server.process.wait() == 0
    recorded.assert_fits()
    assert len(recorded.files()) == ROUNDS
    for file in recorded.files():
        assert_opens(file)
        media.assert_joined(media.frames(file), published, may_lack=10_000)
    rows = recorded.rows("SELECT start_s, duration_s FROM recorded_segments ORDER BY file, offset")
    assert all(b[0] >= a[0] + a[1] - 0.01 for a, b in pairwise(rows)), "one timeline"
    (total,) = recorded.rows("SELECT files, bytes, duration_s FROM recordings")
    assert total[0] == ROUNDS
    assert total[1] == sum(file.stat().st_size for file in recorded.files())
    assert abs(total[2] - sum(row[1] for row in rows)) < 0.01


def test_publisher_that_is_lost_goes_on_in_the_same_recording_after_a_gap(
    recorded: Recorded, peers: Peers, clip: Path
) -> None:
    server = recorded.start()
    first = peers.publish(clip, server.url("live/a"), is_endless=True)
    recorded.wait_segments(2)
    first.kill()
    server.wait_log("publish live/a lost")
    before = len(recorded.rows("SELECT 1 FROM recorded_segments"))
    second = peers.publish(clip, server.url("live/a"), is_endless=True)
    recorded.wait_segments(before + 2)
    assert recorded.states() == ["recording"]
    second.kill()
    server.process.send(signal.SIGTERM)
    assert server.process.wait() == 0
    assert recorded.states() == ["ready"]
    files = recorded.rows("SELECT number, discontinuity FROM recorded_files ORDER BY number")
    assert files == [(0, 0), (1, 1)]
    starts = "SELECT file, start_s, duration_s FROM recorded_segments ORDER BY file, offset"
    rows = recorded.rows(starts)
    (end,) = [a[1] + a[2] for a, b in pairwise(rows) if a[0] != b[0]]
    (start,) = [b[1] for a, b in pairwise(rows) if a[0] != b[0]]
    assert start > end, "the time without a publisher is a gap"
    recorded.assert_fits()
    for file in recorded.files():
        assert_opens(file)


def test_second_publisher_that_takes_over_goes_on_in_the_same_recording(
    recorded: Recorded, peers: Peers, clip: Path, other_clip: Path
) -> None:
    server = recorded.start("live.takeover=always")
    peers.publish(clip, server.url("live/a"), is_endless=True)
    recorded.wait_segments(2)
    peers.publish(other_clip, server.url("live/a"), is_endless=True)
    recorded.wait_segments(5)
    wait_for(lambda: len(recorded.files()) == 2, "a second file")
    assert recorded.states() == ["recording"]
    server.process.send(signal.SIGTERM)
    assert server.process.wait() == 0
    sizes = recorded.rows("SELECT width, discontinuity FROM recorded_files ORDER BY number")
    assert sizes[0][0] != sizes[1][0]
    assert [row[1] for row in sizes] == [0, 1]
    recorded.assert_fits()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 24 MB."""
    with mounted_disk(tmp_path / "disk", "24m") as folder:
        yield folder


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount")
def test_full_disk_costs_the_recording_alone_and_is_tried_again(
    recorded: Recorded, peers: Peers, clip: Path, small_disk: Path, tmp_path: Path
) -> None:
    filler = small_disk / "filler"
    filler.write_bytes(bytes(24 * 1024 * 1024 - 100_000))
    server = recorded.start(f"record.folder={small_disk}")
    publisher = peers.publish(clip, server.url("live/a"), is_endless=True)
    seen = tmp_path / "seen.flv"
    player = peers.play(server.url("live/a"), seen)
    server.wait_log("has failed: No space left on device")
    stream = server.streams()["live/a"]
    assert any("recording has failed: No space" in each["text"] for each in stream["health"])
    filler.unlink()
    wait_for(lambda: {"failed", "recording"} == set(recorded.states()), "another recording")
    publisher.send(signal.SIGINT)
    player.wait()
    wait_for(lambda: "recording" not in recorded.states(), "the end of the recording")
    assert recorded.states()[-1] == "ready"
    assert set(recorded.states()[:-1]) <= {"failed"}
    media.assert_forward(media.frames(seen))
    rows = "SELECT path FROM recorded_files"
    for (path,) in recorded.rows(rows):
        assert_opens(small_disk / path)


def test_fallback_goes_on_in_the_same_recording_and_so_does_the_publisher_behind_it(
    recorded: Recorded, peers: Peers, clip: Path
) -> None:
    server = recorded.start('live.fallback=[{ match = "live/*", sources = ["slate"] }]')
    first = peers.publish(clip, server.url("live/a"), is_endless=True)
    recorded.wait_segments(1)
    first.kill()
    wait_for(lambda: len(recorded.files()) == 2, "a file of the slate")
    peers.publish(clip, server.url("live/a"), is_endless=True)
    wait_for(lambda: len(recorded.files()) == 3, "a file of the publisher")
    server.process.send(signal.SIGTERM)
    assert server.process.wait() == 0
    assert recorded.states() == ["ready"]
    recorded.assert_fits()
    for file in recorded.files():
        assert_opens(file)
