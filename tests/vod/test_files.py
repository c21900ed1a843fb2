"""Tests of headend.vod, over HTTP and RTMP, with files that ffmpeg has made."""

import asyncio
import os
import re
import signal
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random
from urllib.parse import quote

import pytest
from tests.e2e.media import AAC, H264, frames, hashes, make, picture, tone
from tests.harness import C0_C1, C2, Peer, until
from tests.record.served import Served, serve
from tests.rtmp.peers import command

from headend.access.tokens import Token
from headend.vod import cache as cache_module
from headend.vod import library as library_module
from headend.vod import readers as readers_module
from headend.vod.files import MediaFiles

SECONDS = 9
TEXTS = "1\n00:00:01,000 --> 00:00:02,000\nOne <i>&</i> all\n\n"


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a film in each form; the MKV has two sounds and texts."""
    folder = tmp_path_factory.mktemp("films")
    options = (*picture(SECONDS), *tone(SECONDS), *H264, *AAC)
    film = make("ffmpeg", folder / "film.mp4", *options)
    (folder / "texts.srt").write_text(TEXTS)
    more = ("-i", str(film), "-i", str(film), "-i", str(folder / "texts.srt"))
    tracks = ("-map", "0", "-map", "1:a", "-map", "2", "-c", "copy")
    titles = ("-metadata:s:a:0", "language=eng", "-metadata:s:a:1", 'title=A "b"')
    make("ffmpeg", folder / "more.mkv", *more, *tracks, *titles)
    for form in ("flv", "ts", "mkv"):
        make("ffmpeg", folder / f"film.{form}", "-i", str(film), "-c", "copy")
    parts = ("-movflags", "frag_keyframe+empty_moov+default_base_moof+skip_trailer")
    make("ffmpeg", folder / "parts.mp4", "-i", str(film), "-c", "copy", *parts)
    sound = make("ffmpeg", folder / "sound.m4a", *tone(SECONDS), *AAC)
    whole = film.read_bytes()
    (folder / "cut.mp4").write_bytes(whole[: len(whole) // 2])
    cut = (folder / "film.mkv").read_bytes()
    (folder / "cut.mkv").write_bytes(cut[: len(cut) * 2 // 3])
    (folder / "text.mp4").write_text("#EXTM3U\n#EXTINF:1,\n/etc/passwd\n")
    (folder / "list.m3u8").write_text(f"#EXTM3U\n#EXTINF:9,\n{film}\n#EXT-X-ENDLIST\n")
    (folder / ".hidden.mp4").write_bytes(whole)
    (folder / "deep").mkdir()
    (folder / "deep" / "sound.m4a").symlink_to(sound)
    (folder / "old.webm").write_bytes(b"")
    make("ffmpeg", folder / "mpeg.ts", *picture(1), "-c:v", "mpeg2video")
    return folder


@asynccontextmanager
async def served(data: Path, folder: Path, *settings: str) -> AsyncIterator[Served]:
    async with serve(data, f'vod.folder="{folder}"', *settings) as web:
        yield web


def made(web: Served) -> list[Path]:
    """Return what the server has made of files."""
    return sorted((web.live.services.settings.data / "vod").iterdir())


async def joined(web: Served, playlist: str) -> bytes:
    """Return the init segment and all segments of a playlist."""
    text, place = await web.text(playlist), playlist.rpartition("/")[0]
    names = re.findall(r'URI="([^"]+)"|^([^#\n].*)$', text, re.MULTILINE)
    bodies = [await web.get(f"{place}/{map or name}") for map, name in names]
    assert [status for status, _, _ in bodies] == [200] * len(bodies)
    return b"".join(body for _, body, _ in bodies)


# ---------------------------------------------------------------------- HLS


@pytest.mark.parametrize("name", ["film.mp4", "film.mkv", "film.flv", "parts.mp4"])
async def test_every_frame_of_a_file_is_in_its_segments(
    tmp_path: Path, films: Path, name: str
) -> None:
    async with served(tmp_path, films) as web:
        text = await web.text(f"/vod/{name}/index.m3u8")
        assert text.count("#EXTINF") == 3
        lengths = [float(each) for each in re.findall(r"#EXTINF:([\d.]+)", text)]
        assert sum(lengths) == pytest.approx(SECONDS, abs=0.2)
        assert text.endswith("#EXT-X-ENDLIST\n")
        got = tmp_path / "got.mp4"
        got.write_bytes(await joined(web, f"/vod/{name}/index.m3u8"))
        assert hashes(frames(got)) == hashes(frames(films / name))


async def test_frames_of_mpeg_ts_are_in_its_segments(tmp_path: Path, films: Path) -> None:
    async with served(tmp_path, films) as web:
        got = tmp_path / "got.mp4"
        got.write_bytes(await joined(web, "/vod/film.ts/index.m3u8"))
        counts = {name: len(track) for name, track in frames(got).items()}
        wanted = frames(films / "film.ts")
        assert counts == {name: len(track) for name, track in wanted.items()}


async def test_segment_begins_with_a_keyframe_and_can_be_fetched_alone(
    tmp_path: Path, films: Path
) -> None:
    async with served(tmp_path, films) as web:
        await web.text("/vod/film.mp4/index.m3u8")
        parts = [(await web.get(f"/vod/film.mp4/0_1/{name}.mp4"))[1] for name in ("init", "1")]
        got = tmp_path / "got.mp4"
        got.write_bytes(b"".join(parts))
        first = hashes(frames(got))["video0"][0]
        assert hashes(frames(films / "film.mp4"))["video0"].index(first) % 10 == 0


async def test_sounds_are_renditions_and_texts_are_webvtt(tmp_path: Path, films: Path) -> None:
    async with served(tmp_path, films) as web:
        text = await web.text("/vod/more.mkv/index.m3u8")
        assert 'NAME="eng (1)",LANGUAGE="eng",DEFAULT=YES' in text
        assert 'NAME="A _b_ (2)",DEFAULT=NO' in text
        assert 'TYPE=SUBTITLES,GROUP-ID="texts"' in text
        assert 'RESOLUTION=160x96,AUDIO="sound",SUBTITLES="texts",CODECS="avc1.' in text
        assert 'mp4a.40.2"\n0/index.m3u8\n' in text
        wanted = hashes(frames(films / "more.mkv"))
        got = tmp_path / "got.mp4"
        for track, name, other in ((0, "video0", "video0"), (2, "audio0", "audio1")):
            got.write_bytes(await joined(web, f"/vod/more.mkv/{track}/index.m3u8"))
            assert hashes(frames(got)) == {name: wanted[other]}
        assert (await web.text("/vod/more.mkv/3/index.m3u8")).count(".vtt") == 3
        status, body, headers = await web.get("/vod/more.mkv/3/0.vtt")
        assert (status, headers["Content-Type"]) == (200, "text/vtt; charset=utf-8")
        assert body.startswith(b"WEBVTT\nX-TIMESTAMP-MAP=MPEGTS:0,LOCAL:00:00:00.000\n")
        assert re.search(rb"00:00:01\.\d+ --> 00:00:02\.\d+\nOne &amp; all\n", body)
        assert b"-->" not in (await web.get("/vod/more.mkv/3/2.vtt"))[1]


async def test_file_with_sound_alone_is_cut_by_time(tmp_path: Path, films: Path) -> None:
    async with served(tmp_path, films) as web:
        for name in ("sound.m4a", "deep/sound.m4a"):  # a link within the folder
            got = tmp_path / "got.mp4"
            got.write_bytes(await joined(web, f"/vod/{name}/index.m3u8"))
            assert hashes(frames(got)) == hashes(frames(films / "sound.m4a"))


async def test_what_there_is_of_a_file_that_was_cut_short_is_played(
    tmp_path: Path, films: Path
) -> None:
    async with served(tmp_path, films) as web:
        got = tmp_path / "got.mp4"
        got.write_bytes(await joined(web, "/vod/cut.mkv/index.m3u8"))
        whole = hashes(frames(films / "film.mkv"))["video0"]
        some = hashes(frames(got))["video0"]
        assert 0 < len(some) < len(whole)
        assert some == whole[: len(some)]


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("cut.mp4", "Invalid data"),
        ("text.mp4", "Invalid data"),
        ("old.webm", "This file cannot be played: "),
        ("mpeg.ts", "mpeg2video is not played"),
    ],
)
async def test_file_that_cannot_be_played_is_named_with_the_reason(
    tmp_path: Path, films: Path, name: str, why: str
) -> None:
    async with served(tmp_path, films) as web:
        for _ in range(2):  # the second time from memory
            status, body, _ = await web.get(f"/vod/{name}/index.m3u8")
            assert status == 422
            assert why in body.decode()
            assert str(films) not in body.decode()
        assert made(web) == []


async def test_nothing_else_is_given(tmp_path: Path, films: Path) -> None:
    outside = tmp_path / "outside.mp4"
    outside.write_bytes((films / "film.mp4").read_bytes())
    folder = tmp_path / "films"
    folder.mkdir()
    (folder / "film.mp4").write_bytes(outside.read_bytes())
    (folder / "link.mp4").symlink_to(outside)
    (folder / "up").symlink_to(tmp_path)
    (folder / "list.m3u8").write_text("#EXTM3U\n")
    (folder / "renamed.mp4").symlink_to(folder / "list.m3u8")
    (folder / ".film.mp4").write_bytes(outside.read_bytes())
    (folder / "dir.mp4").mkdir()
    async with served(tmp_path / "data", folder, "live.wait_s=0") as web:
        for name in (
            "link.mp4", "up/outside.mp4", "..%2foutside.mp4", "%2e%2e/outside.mp4", ".film.mp4",
            "list.m3u8", "renamed.mp4", "dir.mp4", "none.mp4", "film.mp4%00.mp4", "film",
        ):  # fmt: skip
            assert (await web.get(f"/vod/{name}/index.m3u8"))[0] in (400, 404), name
        await web.text("/vod/film.mp4/index.m3u8")
        for name in ("7/index.m3u8", "0/0.mp4x", "0_1/9.mp4", "1_0/0.mp4", "0_1/0.vtt", "0/9.mp4"):
            assert (await web.get(f"/vod/film.mp4/{name}"))[0] == 404, name


async def test_setting_is_off_at_first(tmp_path: Path) -> None:
    async with serve(tmp_path, "live.wait_s=0") as web:
        assert (await web.get("/vod/film.mp4/index.m3u8"))[0] == 404
        assert web.live.services.features.find(MediaFiles) is None


# ---------------------------------------------------------------------- who may


async def test_file_is_decided_about_like_a_stream(tmp_path: Path, films: Path) -> None:
    async with served(tmp_path, films, 'auth.private=["vod/film.mp4"]') as web:
        assert (await web.get("/vod/film.mp4/index.m3u8"))[0] == 403
        assert (await web.get("/vod/film.mp4/0_1/0.mp4"))[0] == 403
        assert (await web.get("/vod/film.flv/index.m3u8"))[0] == 200
        now = time.time()
        tokens = web.live.services.access.tokens
        token = tokens.sign(Token("", "vod/film.mp4", "play", now + 60), now)
        text = await web.text(f"/vod/film.mp4/index.m3u8?token={token}")
        assert f"0_1/1.mp4?token={token}" in text
        status, _, headers = await web.get(f"/vod/film.mp4/0_1/1.mp4?token={token}")
        assert (status, headers["Cache-Control"]) == (200, "private, max-age=3600")
        peer = await player(web, "film.mp4")
        await peer.expect("NetStream.Play.Failed")


async def test_page_of_a_file_says_what_it_is_or_why_not(tmp_path: Path, films: Path) -> None:
    async with served(tmp_path, films, 'auth.private=["vod/film.flv"]') as web:
        for name, status, text in (
            ("film.mp4", 200, "&quot;place&quot;: &quot;vod/film.mp4&quot;"),
            ("film.flv", 200, "This file is private"),
            ("none.mp4", 404, "There is no such file"),
            ("text.mp4", 422, "This file cannot be played"),
        ):
            got, body, _ = await web.get(f"/watch/vod/{name}")
            assert (got, text in body.decode().replace("&#34;", "&quot;")) == (status, True), name


# ---------------------------------------------------------------------- what is made, and kept


async def test_what_is_made_is_kept_over_a_restart_and_made_anew_for_a_changed_file(
    tmp_path: Path, films: Path
) -> None:
    folder = tmp_path / "films"
    folder.mkdir()
    film = folder / "film.mp4"
    film.write_bytes((films / "film.mp4").read_bytes())
    async with served(tmp_path / "data", folder) as web:
        first = await joined(web, "/vod/film.mp4/index.m3u8")
        before = made(web)
        assert len(before) == 4
        assert await joined(web, "/vod/film.mp4/index.m3u8") == first
    async with served(tmp_path / "data", folder) as web:
        assert await joined(web, "/vod/film.mp4/index.m3u8") == first
        assert made(web) == before
        film.write_bytes((films / "parts.mp4").read_bytes())
        assert (await web.text("/vod/film.mp4/index.m3u8")).count("#EXTINF") == 3
        assert len(made(web)) == 5


async def test_cache_is_bounded_and_full_disk_is_told(tmp_path: Path, films: Path) -> None:
    async with served(tmp_path, films, "vod.cache_bytes=1") as web:
        assert await joined(web, "/vod/film.mp4/index.m3u8")
        await until(lambda: made(web) == [])
        status, body, _ = await web.get("/metrics", web.admin)
        assert (status, b"headend_vod_cache_bytes 0.0" in body) == (200, True)


async def test_files_over_the_most_go_the_longest_unused_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cache_module, "MOST", 2)
    cache = cache_module.Cache(tmp_path / "kept", lambda: 1000)
    cache.open()
    calls = []

    async def make(path: Path) -> None:
        calls.append(path.name)
        await asyncio.to_thread(path.touch)

    async with cache.held("a", make), cache.held("b", make):
        async with cache.held("c", make):
            assert len(list((tmp_path / "kept").iterdir())) == 3  # all are in use
        assert sorted(path.name for path in (tmp_path / "kept").iterdir()) == ["a", "b"]
    async with cache.held("a", make):
        pass
    async with cache.held("c", make):
        pass
    assert sorted(path.name for path in (tmp_path / "kept").iterdir()) == ["a", "c"]
    assert calls == ["a", "b", "c", "c"]


async def test_one_file_is_made_once_for_all_who_wait(tmp_path: Path, films: Path) -> None:
    async with served(tmp_path, films) as web:
        path = "/vod/film.mp4/0_1/2.mp4"
        answers = await asyncio.gather(*(web.get(path) for _ in range(20)))
        assert {(status, len(body)) for status, body, _ in answers} == {(200, len(answers[0][1]))}
        assert len(made(web)) == 2
        assert len(web.live.services.features[MediaFiles].readers.pids) == 1


# ---------------------------------------------------------------------- processes


async def test_process_that_is_killed_or_hangs_costs_one_answer(
    tmp_path: Path, films: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with served(tmp_path, films) as web:
        await web.text("/vod/film.mp4/index.m3u8")
        (pid,) = web.live.services.features[MediaFiles].readers.pids
        os.kill(pid, signal.SIGSTOP)
        monkeypatch.setattr(readers_module, "SEGMENT_S", 0.05)
        status, body, _ = await web.get("/vod/film.mp4/0_1/0.mp4")
        assert (status, b"took more than" in body) == (503, True)
        monkeypatch.undo()
        assert (await web.get("/vod/film.mp4/0_1/0.mp4"))[0] == 200
        (other,) = web.live.services.features[MediaFiles].readers.pids
        assert other != pid
        os.kill(other, signal.SIGKILL)
        statuses = [(await web.get("/vod/film.mp4/0_1/1.mp4"))[0] for _ in range(2)]
        assert statuses[-1] == 200


def of_process(pid: int, name: str) -> str:
    return Path(f"/proc/{pid}/{name}").read_text()


async def test_process_holds_no_settings_and_has_limits(
    tmp_path: Path, films: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HEADEND_AUTH__CALLBACK_SECRET", "very secret words")
    async with served(tmp_path, films) as web:
        await web.text("/vod/film.mp4/index.m3u8")
        (pid,) = web.live.services.features[MediaFiles].readers.pids
        assert "HEADEND_" not in of_process(pid, "environ")
        limits = of_process(pid, "limits")
        assert re.search(r"Max address space +2147483648", limits)
        assert re.search(r"Max file size +536870912", limits)


async def test_process_without_work_is_ended(
    tmp_path: Path, films: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(readers_module, "IDLE_S", 0.05)
    async with served(tmp_path, films) as web:
        await web.text("/vod/film.mp4/index.m3u8")
        await until(lambda: web.live.services.features[MediaFiles].readers.pids == [])
        assert (await web.get("/vod/film.mp4/0_1/0.mp4"))[0] == 200


# ---------------------------------------------------------------------- RTMP


async def player(web: Served, name: str, *arguments: float) -> Peer:
    """Play a file; the arguments are start and length."""
    peer = await web.live.peer()
    await peer.send(C0_C1 + C2 + command("connect", 1, {"app": "vod"}))
    await peer.send(command("createStream", 2, None))
    await peer.expect("_result 2 None 1.0")
    await peer.send(command("play", 3, None, name, *arguments, on=1))
    return peer


@pytest.mark.parametrize("name", ["mp4:film.mp4", "film", "more.mkv", "sound.m4a"])
async def test_player_gets_metadata_media_and_the_end(
    tmp_path: Path, films: Path, name: str
) -> None:
    async with served(tmp_path, films) as web:
        peer = await player(web, name, 0, 500)
        await peer.expect("NetStream.Play.Stop")
        assert b"\x00\x08duration\x00\x40\x22" in peer.heard  # 9 and a bit
        assert peer.heard.index(b"NetStream.Play.Complete") > peer.heard.index(b"onMetaData")
        assert peer.times[-1] <= 500
        assert sorted(peer.times) == peer.times


async def test_player_starts_at_the_keyframe_before_a_place(tmp_path: Path, films: Path) -> None:
    async with served(tmp_path, films) as web:
        peer = await player(web, "film.mp4", 5000, 100)
        await peer.expect("NetStream.Play.Stop")
        assert b"\x17\x01" in {body[:2] for body in peer.media}
        assert min(peer.times) == 0  # as rtmpdump wants it


async def test_player_of_no_file_is_refused(tmp_path: Path, films: Path) -> None:
    async with served(tmp_path, films) as web:
        for name in ("none.mp4", "list.m3u8", ".hidden.mp4"):
            await (await player(web, name)).expect("NetStream.Play.StreamNotFound")
        await (await player(web, "text.mp4")).expect("NetStream.Play.Failed")


# ---------------------------------------------------------------------- hostile files

WORDS = (bytes(4), b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", b"\x00\x00\x00\x07")


def hostile(whole: bytes, seed: int) -> bytes:
    """Return a film whose boxes say something else in some places."""
    random = Random(seed)
    data, moov = bytearray(whole), whole.index(b"moov")
    for _ in range(8):
        at = moov + 4 + 4 * random.randrange((len(data) - moov) // 4 - 2)
        data[at : at + 4] = random.choice(WORDS) if seed % 2 else random.randbytes(4)
    return bytes(data)


async def test_hostile_files_cost_their_own_viewers_an_answer_and_no_other(
    tmp_path: Path,
    films: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(library_module, "WAIT_S", 60.0)
    folder = tmp_path / "films"
    folder.mkdir()
    film = (films / "film.mp4").read_bytes()
    (folder / "film.mp4").write_bytes(film)
    for seed in range(12):
        (folder / f"{seed}.mp4").write_bytes(hostile(film, seed))
    async with served(tmp_path / "data", folder) as web:
        for seed in range(12):
            status, body, _ = await web.get(f"/vod/{seed}.mp4/index.m3u8")
            assert status in (200, 422), body
            for name in re.findall(r"^(?:0|1|0_1)/\d+\.mp4$", body.decode(), re.MULTILINE):
                assert (await web.get(f"/vod/{seed}.mp4/{name}"))[0] in (200, 503)
            peer = await player(web, f"{seed}.mp4", 0, 100)
            await peer.expect("NetStream.Play.")
        assert await joined(web, "/vod/film.mp4/index.m3u8")
    assert "Traceback" not in caplog.text


@pytest.mark.parametrize(
    ("name", "head", "status"),
    [
        ("a.mp4", b"\x00\x00\x00\x18ftypisom", 422),
        ("a.mkv", b"\x1a\x45\xdf\xa3", 422),
        ("a.flv", b"FLV\x01\x05\x00\x00\x00\x09\x00\x00\x00\x00", 503),
        ("a.ts", b"\x47\x40\x11\x10", 503),
    ],
)
async def test_file_of_100_gb_without_media_is_refused_or_looked_at_in_the_background(
    tmp_path: Path,
    films: Path,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    head: bytes,
    status: int,
) -> None:
    monkeypatch.setattr(library_module, "WAIT_S", 0.5 if status == 503 else 60.0)
    folder = tmp_path / "films"
    folder.mkdir()
    (folder / "film.mp4").write_bytes((films / "film.mp4").read_bytes())
    with (folder / name).open("wb") as file:
        file.write(head)
        file.truncate(100 * 1024**3)
    async with served(tmp_path / "data", folder) as web:
        got, body, headers = await web.get(f"/vod/{name}/index.m3u8")
        assert got == status, body
        assert (headers.get("Retry-After") is not None) == (status == 503)
        monkeypatch.undo()
        assert (await web.get("/vod/film.mp4/0_1/0.mp4"))[0] == 200


async def test_names_are_those_of_the_folder_to_the_letter(
    tmp_path: Path, films: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(library_module, "WAIT_S", 60.0)
    folder = tmp_path / "films"
    folder.mkdir()
    names = ("x" * 251 + ".mp4", "Film.MP4", "Größe — 日本.mp4")
    for name in names:
        (folder / name).symlink_to(folder / "film.mp4")
    (folder / "film.mp4").write_bytes((films / "film.mp4").read_bytes())
    async with served(tmp_path / "data", folder, "live.wait_s=0") as web:
        for name in names:
            assert (await web.get(f"/vod/{quote(name)}/index.m3u8"))[0] == 200, name
        for name in ("x" * 252 + ".mp4", "FILM.mp4", "%ff%fe.mp4", "film.mp4%2f..%2ffilm.mp4"):
            assert (await web.get(f"/vod/{name}/index.m3u8"))[0] == 404, name


ODD_RANGES = {
    "bytes=0-0": (206, 1),
    "bytes=-5": (206, 5),
    "bytes=-0": (416, None),
    "bytes=99999999-": (416, None),
    "bytes=9-3": (200, None),
    "bytes=0-1,5-9": (200, None),
    "bytes=a-b": (200, None),
    "bytes=" + "0-1," * 500: (200, None),
    "items=0-3": (200, None),
}


async def test_odd_range_of_a_segment_is_a_range_the_whole_or_416(
    tmp_path: Path, films: Path
) -> None:
    async with served(tmp_path, films) as web:
        for wanted, (status, size) in ODD_RANGES.items():
            got, body, _ = await web.get("/vod/film.mp4/0_1/0.mp4", {"Range": wanted})
            assert got == status, wanted
            assert size is None or len(body) == size
