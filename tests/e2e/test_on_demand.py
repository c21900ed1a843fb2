"""Tests of recordings on demand with real players: Chromium with hls.js, ffmpeg and ffprobe."""

import asyncio
import shutil
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from tests.e2e import media
from tests.e2e.browser import OpenTab
from tests.e2e.server import Server
from tests.e2e.wait import wait_for
from tests.objects.s3 import KEY_ID, SECRET, s3_server
from tests.record.fragmented import FRAGMENTED, recorded
from tests.record.made import file, recording

from headend.media.boxes import HEAD_BYTES, box_head
from headend.record.tables import RecordingTables
from headend.record.values import RecordedSegment
from headend.store.database import Database

pytestmark = pytest.mark.e2e

DURATION = 12.0  # of each file
STARTED = 1_767_225_600.0  # 2026-01-01, 00:00 UTC


def segments(clip: Path, number: int, start_s: float) -> list[RecordedSegment]:
    """Return the segments of a file with a fragment for each group of pictures."""
    source, data = recorded(clip), clip.read_bytes()
    ranges, at = [], source.init_size
    while at < len(data):
        kind, _, size = box_head(data[at : at + HEAD_BYTES])
        if kind == b"moof":
            ranges.append(at)
        elif kind != b"mdat":
            break
        at += size
    each = DURATION / len(ranges)
    return [
        RecordedSegment(
            number, first, end - first, start_s + n * each, each, STARTED + start_s + n * each, True
        )
        for n, (first, end) in enumerate(zip(ranges, [*ranges[1:], at], strict=True))
    ]


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Two files of a recording: the second has other codec parameters."""
    folder = tmp_path_factory.mktemp("clips")
    made = []
    for name, size in (("a", "320x180"), ("b", "256x144")):
        options = (*media.picture(DURATION, size), *media.tone(DURATION), *media.H264, *media.AAC)
        made.append(media.make("ffmpeg", folder / f"{name}.mp4", *options, *FRAGMENTED))
    return made


@pytest.fixture(scope="module")
def server(clips: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server with one recording, the publisher of which was away for a minute."""
    server = Server(tmp_path_factory.mktemp("recordings"), arguments=("--tls", "127.0.0.1:0"))
    try:
        fill(server, clips)
        yield server
    finally:
        server.process.kill()


def fill(server: Server, clips: list[Path]) -> None:
    """Give a server the recording."""
    whole = recording(
        started=STARTED, ended=STARTED + 84, bytes=1, files=2, duration_s=2 * DURATION
    )
    rows, files = [], []
    for number, clip in enumerate(clips):
        path = server.data / "recordings" / file(number).path
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(clip, path)
        files.append(replace(file(number), init_size=recorded(clip).init_size))
        rows += [("r1", each) for each in segments(clip, number, 72.0 * number)]

    async def write() -> None:
        database = Database("", server.data)
        await database.open()
        await RecordingTables(database, "alone").write({whole: False}, files, rows, [])
        await database.close()

    with ThreadPoolExecutor(1) as thread:  # a browser's loop may be running in this one
        thread.submit(lambda: asyncio.run(write())).result()


@pytest.fixture(scope="module")
def far(clips: list[Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server whose recording is in a store of S3 alone."""
    with s3_server() as s3:
        s3.bucket("rec")
        server = Server(
            tmp_path_factory.mktemp("far"), "record.store=s3://rec/p", "record.keep_local=false",
            f"storage.endpoint={s3.endpoint}", f"storage.key_id={KEY_ID}",
            f"storage.secret={SECRET}",
        )  # fmt: skip
        try:
            fill(server, clips)
            folder = server.data / "recordings"
            wait_for(lambda: not list(folder.rglob("*.mp4")), "the files are in the store")
            yield server
            assert SECRET not in server.process.output()
        finally:
            server.process.kill()


def address(server: Server, path: str, port: str = "http") -> str:
    return f"{port}://{(server.http if port == 'http' else server.tls)[0]}{path}"


def hashes(*options: str) -> dict[str, list[str]]:
    """Return the hashes of the frames that ffmpeg reads of an address."""
    words = ["ffmpeg", "-v", "error", *options, "-map", "0:v", "-map", "0:a", "-c", "copy"]
    done = subprocess.run(
        [*words, "-f", "framemd5", "-"], check=True, capture_output=True, text=True, timeout=60
    )
    return media.hashes(media.parse_frames(done.stdout))


def test_ffmpeg_gets_every_frame_over_hls_and_as_one_file(
    server: Server, clips: list[Path]
) -> None:
    wanted = [media.hashes(media.frames(clip)) for clip in clips]
    whole = {name: wanted[0][name] + wanted[1][name] for name in wanted[0]}
    for path in ("/recordings/r1.mp4", "/recordings/r1/index.m3u8"):
        assert hashes("-i", address(server, path)) == whole, path
    archive = "/live/a/archive.m3u8?from=2026-01-01T00:00:30Z&to=2026-01-01T00:10:00Z"
    assert hashes("-i", address(server, archive)) == wanted[1]


def test_files_over_tls_are_the_same(server: Server, clips: list[Path]) -> None:
    for port, more in (("http", ()), ("https", ("-k",))):
        url = address(server, "/recordings/r1/1.mp4", port)
        done = subprocess.run(
            ["curl", "-sS", *more, url], check=True, capture_output=True, timeout=60
        )
        assert done.stdout == clips[1].read_bytes()


def test_page_plays_seeks_over_the_gap_and_comes_to_the_end(
    server: Server, open_tab: OpenTab
) -> None:
    tab = open_tab(address(server, "/watch/recordings/r1"))
    tab.page.wait_for_selector("#bar")
    tab.ask("(video.muted = true, video.play())")
    tab.wait("video.currentTime > 0.5 && video.videoWidth === 320")
    assert tab.ask("Math.round(video.duration)") == round(2 * DURATION)
    assert tab.ask("document.getElementById('clock').textContent.split(' / ')[1]") == "0:24"
    assert tab.ask("window.headend_hls.playingDate.toISOString().slice(0, 16)") == (
        "2026-01-01T00:00"
    )
    tab.page.evaluate("seek => { seek.value = 18; }", tab.page.query_selector("#seek"))
    tab.page.dispatch_event("#seek", "change")
    tab.wait("video.currentTime > 18.5 && !video.seeking && video.videoWidth === 256")
    assert tab.ask("window.headend_hls.playingDate.toISOString().slice(0, 16)") == (
        "2026-01-01T00:01"
    )
    tab.wait("video.ended")
    for _ in range(2):
        tab.page.keyboard.press("ArrowLeft")
    tab.wait("video.currentTime < 12 && video.videoWidth === 320 && !video.seeking")
    assert tab.check() == []


@pytest.mark.parametrize("is_exact", [False, True])
def test_clip_is_marked_on_the_page_and_played(
    server: Server, open_tab: OpenTab, *, is_exact: bool
) -> None:
    tab = open_tab(address(server, "/console"))
    tab.page.get_by_label("Admin token").fill(server.token)
    tab.page.get_by_role("button", name="Sign in").click()
    tab.wait_text("Up to date")
    tab.page.goto(address(server, "/watch/recordings/r1"))
    tab.page.wait_for_selector("#clip")
    tab.wait("video.readyState > 1")
    tab.ask("(video.muted = true, video.pause())")
    for place, button in ((14.2, "#mark-in"), (15.9, "#mark-out")):
        tab.ask(f"(video.pause(), video.currentTime = {place})")
        tab.wait("video.readyState > 1 && !video.seeking && video.videoWidth === 256")
        tab.page.click(button)
    assert tab.ask("document.getElementById('marks').textContent") == "0:14 to 0:15"
    tab.page.set_checked("#exact", is_exact)
    tab.page.click("#cut")
    tab.page.click("#clip-told a")
    tab.page.wait_for_url("**/watch/recordings/2026*")
    most = 1.8 if is_exact else 6
    tab.wait(f"video.videoWidth === 256 && video.duration > 1.5 && video.duration < {most}")
    tab.ask("(video.muted = true, video.play())")
    tab.wait("video.ended")
    # Its date shows that it is of what was sent after the hole.
    assert tab.ask("window.headend_hls.playingDate.toISOString().slice(0, 16)") == (
        "2026-01-01T00:01"
    )
    assert tab.check() == []


def test_page_of_what_is_not_there_says_so(server: Server, open_tab: OpenTab) -> None:
    tab = open_tab(address(server, "/watch/recordings/r2"))
    tab.wait_text("There is no such recording")
    assert tab.check() == []


def both(clips: list[Path]) -> dict[str, list[str]]:
    """Return the hashes of all frames of both files."""
    first, second = (media.hashes(media.frames(clip)) for clip in clips)
    return {name: first[name] + second[name] for name in first}


def rtmp(server: Server, port: str = "rtmp") -> str:
    host = (server.rtmp if port == "rtmp" else server.tls)[0]
    return f"{port}://{host}/recordings/r1"


def test_ffmpeg_gets_every_frame_over_rtmp_and_rtmps(server: Server, clips: list[Path]) -> None:
    all_at_once = ("-rtmp_buffer", "3600000")
    assert hashes(*all_at_once, "-i", rtmp(server)) == both(clips)
    assert hashes("-i", rtmp(server, "rtmps"), "-t", "2")["video0"]


def test_ffprobe_is_told_the_duration_over_rtmp(server: Server) -> None:
    command = ["ffprobe", "-v", "error", "-show_entries", "format=duration", "-of", "csv=p=0"]
    done = subprocess.run([*command, rtmp(server)], check=True, capture_output=True, timeout=60)
    assert float(done.stdout) == pytest.approx(84.0, abs=0.1)


def test_ffmpeg_seeks_over_rtmp(server: Server, clips: list[Path]) -> None:
    got = hashes("-ss", "5", "-i", rtmp(server), "-t", "2")["video0"]
    all_of_it = media.hashes(media.frames(clips[0]))["video0"]
    at = all_of_it.index(got[0])
    assert 0 < at <= 125  # 5 s of 25 pictures
    assert got == all_of_it[at : at + len(got)]


def test_ffmpeg_gets_every_frame_from_the_object_store(far: Server, clips: list[Path]) -> None:
    whole = both(clips)
    for path in ("/recordings/r1/index.m3u8", "/recordings/r1.mp4"):
        assert hashes("-i", address(far, path)) == whole, path
    assert hashes("-rtmp_buffer", "3600000", "-i", rtmp(far)) == whole


def test_page_plays_and_seeks_in_the_object_store(far: Server, open_tab: OpenTab) -> None:
    tab = open_tab(address(far, "/watch/recordings/r1"))
    tab.ask("(video.muted = true, video.play())")
    tab.wait("video.currentTime > 0.5 && video.videoWidth === 320")
    tab.page.evaluate("seek => { seek.value = 20; }", tab.page.query_selector("#seek"))
    tab.page.dispatch_event("#seek", "change")
    tab.wait("video.ended && video.videoWidth === 256")
    assert tab.check() == []


def dump(server: Server, file: Path, *options: str) -> int:
    command = ["rtmpdump", "-q", "-r", rtmp(server), "-o", str(file), *options]
    return subprocess.run(command, check=False, timeout=60).returncode


def test_rtmpdump_gets_every_frame_and_goes_on_with_a_file_that_was_cut(
    server: Server, clips: list[Path], tmp_path: Path
) -> None:
    whole, cut = tmp_path / "whole.flv", tmp_path / "cut.flv"
    assert dump(server, whole) == 0
    assert media.hashes(media.frames(whole)) == both(clips)
    data, at = whole.read_bytes(), 13
    while at < len(data) // 3:
        at += 15 + int.from_bytes(data[at + 1 : at + 4], "big")
    cut.write_bytes(data[:at])
    assert dump(server, cut, "--resume") == 0
    assert media.hashes(media.frames(cut)) == both(clips)


def test_rtmpdump_gets_a_range_at_the_time_that_it_asked_for(
    server: Server, clips: list[Path], tmp_path: Path
) -> None:
    part = tmp_path / "part.flv"
    dump(server, part, "--start", "5", "--stop", "8")
    got = media.frames(part)["video0"]
    assert 5000 <= got[0].dts <= 5200
    assert 2900 <= got[-1].dts - got[0].dts <= 5500  # it begins at the keyframe before
    all_of_it = media.hashes(media.frames(clips[0]))["video0"]
    at = all_of_it.index(media.hashes({"video0": got})["video0"][0])
    assert media.hashes({"video0": got})["video0"] == all_of_it[at : at + len(got)]


def test_gstreamer_gets_every_frame_over_rtmp(
    server: Server, clips: list[Path], tmp_path: Path
) -> None:
    file = tmp_path / "played.flv"
    words = ["gst-launch-1.0", "-q", "rtmp2src", f"location={rtmp(server)}"]
    subprocess.run([*words, "!", "filesink", f"location={file}"], check=True, timeout=60)
    got, wanted = media.hashes(media.frames(file)), both(clips)
    # At StreamEOF rtmp2src drops a message that its pipeline has not taken yet.
    for name, frames in wanted.items():
        assert got[name] == frames[: len(got[name])]
        assert len(got[name]) >= len(frames) - 1


def test_recording_is_played_over_rtmp_from_its_start_while_it_runs_and_to_its_end(
    tmp_path: Path,
) -> None:
    source = media.make(
        "ffmpeg", tmp_path / "a.flv", *media.picture(6), *media.tone(6), *media.H264, *media.AAC
    )
    server = Server(tmp_path, 'record.match=["live/*"]')
    target = ["-c", "copy", "-f", "flv", server.url("live/a")]
    publish = ["ffmpeg", "-v", "error", "-re", "-i", str(source), *target]
    publisher = subprocess.Popen(publish)
    try:
        wait_for(lambda: list(server.data.glob("recordings/live/a/*.mp4")), "a file")
        newest = ("-rtmp_live", "recorded", "-rtmp_buffer", "3600000", "-i", server.url("live/a"))

        def is_known() -> bool:
            hashes(*newest, "-t", "0.1")  # of what is live, while the index has no row yet
            return any("accepted: recordings/" in line for line in server.log())

        wait_for(is_known, "a play of the recording")
        got = hashes(*newest)
        assert got == media.hashes(media.frames(source))
    finally:
        publisher.kill()
        server.process.kill()
