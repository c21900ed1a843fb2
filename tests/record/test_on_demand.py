"""Tests of headend.record.on_demand and known, headend.http.stored and ranges."""

import gzip
import re
import time
from dataclasses import replace
from pathlib import Path

import aiohttp
import pytest
from tests.harness import KEYFRAME, VIDEO_HEADER, until
from tests.record.made import Elsewhere, begun, file, recording, segment
from tests.record.served import SEGMENTS, Served, serve

from headend.access.tokens import Token
from headend.errors import DatabaseError
from headend.hls.streams import HlsStreams
from headend.hls.viewers import HlsViewer
from headend.http import stored
from headend.record import known as known_module
from headend.record import on_demand as on_demand_module
from headend.record.tables import RecordingTables

INDEX = "/recordings/r1/index.m3u8"
FILE = "/recordings/r1/0.mp4"
RANGES = re.compile(r"#EXT-X-BYTERANGE:(\d+)@(\d+)\n(\S+)")


async def test_playlist_names_ranges_that_are_the_segments(tmp_path: Path) -> None:
    async with serve(tmp_path) as web:
        bodies = await web.add(recording(), files=2)
        text = await web.text(INDEX)
        found = RANGES.findall(text)
        assert len(found) == 2 * SEGMENTS
        got = []
        for size, offset, name in found:
            last = int(offset) + int(size) - 1
            wanted = {"Range": f"bytes={offset}-{last}"}
            status, body, headers = await web.get(f"/recordings/r1/{name}", wanted)
            assert status == 206
            assert headers["Content-Range"] == f"bytes {offset}-{last}/26000"
            assert headers["Content-Length"] == size
            got.append(body)
        assert b"".join(got) == b"".join(body[1000:] for body in bodies)
        assert text.count("#EXT-X-DISCONTINUITY\n") == 1
        assert text.endswith("#EXT-X-ENDLIST\n")


async def test_playlist_is_compressed_for_who_takes_it_and_the_same_for_all(
    tmp_path: Path,
) -> None:
    async with serve(tmp_path) as web:
        await web.add(recording())
        plain = await web.text(INDEX)
        web.client._auto_decompress = False
        for _ in range(2):
            _, body, headers = await web.get(INDEX, {"Accept-Encoding": "gzip"})
            assert headers["Content-Encoding"] == "gzip"
            assert headers["Vary"] == "Accept-Encoding"
            assert headers["Cache-Control"] == "public, max-age=60"
            assert headers["Content-Type"] == "application/vnd.apple.mpegurl"
            assert gzip.decompress(body).decode() == plain


async def test_recording_that_runs_grows_in_its_playlist_and_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(known_module, "FRESH_S", -1.0)
    async with serve(tmp_path) as web:
        await web.add(begun())
        first = await web.text(INDEX)
        assert "#EXT-X-PLAYLIST-TYPE:EVENT" in first
        _, _, headers = await web.get(INDEX)
        assert headers["Cache-Control"] == "public, max-age=1"
        more = [("r1", segment(0, 1))]
        await web.kept.write({begun(): False}, [file(1)], more, [])
        second = await web.text(INDEX)
        assert second.startswith(first)
        assert second.count("#EXTINF") == SEGMENTS + 1
        await web.kept.write({recording(): False}, [], [("r1", segment(1, 1))], [])
        third = await web.text(INDEX)
        assert third.count("#EXTINF") == SEGMENTS + 2
        assert third.endswith("#EXT-X-ENDLIST\n")


@pytest.mark.parametrize(
    ("wanted", "first", "last"),
    [
        ("bytes=0-0", 0, 0),
        ("bytes=100-", 100, 25_999),
        ("bytes=-10", 25_990, 25_999),
        ("bytes=-99999", 0, 25_999),
        ("bytes=25999-99999", 25_999, 25_999),
        ("bytes = 5 - 6", 5, 6),
    ],
)
async def test_range_of_a_file(tmp_path: Path, wanted: str, first: int, last: int) -> None:
    async with serve(tmp_path) as web:
        (body,) = await web.add(recording())
        status, got, headers = await web.get(FILE, {"Range": wanted})
        assert status == 206
        assert got == body[first : last + 1]
        assert headers["Content-Range"] == f"bytes {first}-{last}/26000"


@pytest.mark.parametrize("wanted", ["bytes=26000-", "bytes=99999-100000", "bytes=-0"])
async def test_range_outside_of_a_file_is_refused(tmp_path: Path, wanted: str) -> None:
    async with serve(tmp_path) as web:
        await web.add(recording())
        status, _, headers = await web.get(FILE, {"Range": wanted})
        assert status == 416
        assert headers["Content-Range"] == "bytes */26000"


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Range": "bytes=9-2"},
        {"Range": "bytes=-"},
        {"Range": "bytes=0-1,5-6"},
        {"Range": "lines=1-2"},
        {"Range": "bytes=0-1", "If-Range": '"another version"'},
    ],
)
async def test_file_is_given_whole_where_no_range_is_asked_for(
    tmp_path: Path, headers: dict[str, str]
) -> None:
    async with serve(tmp_path) as web:
        (body,) = await web.add(recording())
        status, got, told = await web.get(FILE, headers)
        assert (status, got) == (200, body)
        assert told["Accept-Ranges"] == "bytes"
        assert told["Content-Type"] == "video/mp4"


async def test_head_and_unchanged_files_have_no_body(tmp_path: Path) -> None:
    async with serve(tmp_path) as web:
        await web.add(recording())
        status, body, headers = await web.get(FILE, {"Range": "bytes=0-9"}, method="HEAD")
        assert (status, body, headers["Content-Length"]) == (200, b"", "26000")
        status, body, _ = await web.get(FILE, {"If-None-Match": headers["ETag"]})
        assert (status, body) == (304, b"")
        wanted = {"Range": "bytes=0-9", "If-Range": headers["ETag"]}
        assert (await web.get(FILE, wanted))[0] == 206
        assert "immutable" in headers["Cache-Control"]


async def test_file_that_grows_is_another_version_each_time(tmp_path: Path) -> None:
    async with serve(tmp_path) as web:
        await web.add(begun())
        _, _, before = await web.get(FILE, method="HEAD")
        with web.recordings.places.path_of(file()).open("ab") as growing:
            growing.write(b"more")
        status, body, after = await web.get(FILE, {"Range": "bytes=26000-"})
        assert (status, body) == (206, b"more")
        assert after["ETag"] != before["ETag"]
        assert "max-age=1" in after["Cache-Control"]


async def test_large_file_arrives_whole_and_several_requests_share_a_connection(
    tmp_path: Path,
) -> None:
    async with serve(tmp_path) as web:
        await web.add(recording())
        body = bytes(range(256)) * 40_000
        web.recordings.places.path_of(file()).write_bytes(body)
        for _ in range(3):
            assert (await web.get(FILE))[1] == body


@pytest.mark.parametrize(
    "path",
    [
        "/recordings/r2/index.m3u8",
        "/recordings/r2/0.mp4",
        "/recordings/r1/1.mp4",
        "/recordings/r1/999999.mp4",
    ],
)
async def test_what_is_not_there_is_not_found(tmp_path: Path, path: str) -> None:
    async with serve(tmp_path) as web:
        await web.add(recording())
        status, _, headers = await web.get(path)
        assert status == 404
        assert headers["Cache-Control"] == "public, max-age=1"


async def test_file_that_somebody_deleted_is_not_found(tmp_path: Path) -> None:
    async with serve(tmp_path) as web:
        await web.add(recording())
        assert (await web.get(FILE))[0] == 200
        web.recordings.places.path_of(file()).unlink()
        assert (await web.get(FILE, {"Range": "bytes=0-9"}))[0] == 404


async def test_recording_that_another_process_deleted_is_gone_soon(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with serve(tmp_path) as web:
        await web.add(recording())
        await web.text(INDEX)
        await web.kept.delete("r1")
        await web.text(INDEX)
        monkeypatch.setattr(known_module, "OVER_FRESH_S", -1.0)
        assert (await web.get(INDEX))[0] == 404


async def test_recordings_that_are_not_asked_for_are_forgotten_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with serve(tmp_path) as web:
        for number in range(4):
            await web.add(recording(f"r{number}"))
            await web.text(f"/recordings/r{number}/index.m3u8")
        known = web.recordings.known
        size = len(known)
        assert size == 4
        monkeypatch.setattr(known_module, "MOST", 2)
        await web.add(recording("r4"))
        await web.text("/recordings/r4/index.m3u8")
        assert len(known) == 2
        monkeypatch.setattr(known_module, "MOST_CHARACTERS", 1)
        await web.text("/recordings/r0/index.m3u8")
        assert len(known) == 1
        assert await web.text("/recordings/r4/index.m3u8") != ""


async def test_recording_of_flv_has_files_and_no_playlist(tmp_path: Path) -> None:
    async with serve(tmp_path) as web:
        flv = replace(file(), path="live/a/r1.flv", init_size=0)
        path = web.recordings.places.path_of(flv)
        path.parent.mkdir(parents=True)
        path.write_bytes(b"FLV")
        await web.kept.write({recording(): False}, [flv], [("r1", segment(0))], [])
        for wanted in (INDEX, "/recordings/r1.mp4"):
            status, body, _ = await web.get(wanted)
            assert status == 409
            assert b"/recordings/r1/NUMBER.flv" in body
        status, body, headers = await web.get("/recordings/r1/0.flv")
        assert (status, body, headers["Content-Type"]) == (200, b"FLV", "video/x-flv")
        assert (await web.get(FILE))[0] == 404
        assert (await web.get("/live/a/archive.m3u8?from=1"))[0] == 404


# ---------------------------------------------------------------------- archive


def archive(since: object, until: object = None, path: str = "live/a") -> str:
    rest = "" if until is None else f"&to={until}"
    return f"/{path}/archive.m3u8?from={since}{rest}"


async def test_archive_has_the_segments_between_two_times_of_several_recordings(
    tmp_path: Path,
) -> None:
    async with serve(tmp_path) as web:
        await web.add(recording("r1"))
        await web.add(recording("r2", started=100.5))
        await web.add(recording("r3", stream="live/b"))
        text = await web.text(archive(101, 103))
        uris = [line for line in text.splitlines() if not line.startswith("#")]
        assert uris == [
            "../../recordings/r1/0.mp4", "../../recordings/r1/0.mp4",
            "../../recordings/r2/0.mp4", "../../recordings/r2/0.mp4",
        ]  # fmt: skip
        assert text.count("#EXT-X-DISCONTINUITY\n") == 1
        assert "#EXT-X-PLAYLIST-TYPE:VOD" in text
        assert text.endswith("#EXT-X-ENDLIST\n")
        assert (await web.get("/live/a/../../recordings/r1/0.mp4"))[0] == 200


@pytest.mark.parametrize(
    ("since", "until"),
    [
        ("1970-01-01T00:01:41Z", "1970-01-01T00:01:43Z"),
        ("1970-01-01T00:01:41", "1970-01-01T00:01:43.000"),
        ("1970-01-01T01:01:41%2B01:00", "1970-01-01T01:01:43+01:00"),
        ("101.0", "103"),
    ],
)
async def test_times_are_iso_8601_or_unix_seconds(tmp_path: Path, since: str, until: str) -> None:
    async with serve(tmp_path) as web:
        await web.add(recording())
        assert (await web.text(archive(since, until))).count("#EXTINF") == 2


@pytest.mark.parametrize(
    ("query", "told"),
    [
        ("", "from:"),
        ("?to=5", "from:"),
        ("?from=5&to=5", "from must be before to"),
        ("?from=6&to=5", "from must be before to"),
        ("?from=yesterday", "from: a time is expected"),
        ("?from=1&to=nan", "to: a time is expected"),
        ("?from=-1", "from: a time is expected"),
        ("?from=1e99", "from: a time is expected"),
        ("?from=9999999999999999-01-01", "from: a time is expected"),
    ],
)
async def test_times_that_make_no_sense_are_told(tmp_path: Path, query: str, told: str) -> None:
    async with serve(tmp_path) as web:
        status, body, _ = await web.get(f"/live/a/archive.m3u8{query}")
        assert status == 422
        assert told in body.decode()


async def test_archive_of_nothing_is_not_found_and_one_of_too_much_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with serve(tmp_path) as web:
        assert (await web.get(archive(1)))[0] == 404
        await web.add(recording("r1"))
        await web.add(recording("r2"))
        assert (await web.get(archive(500)))[0] == 404
        assert (await web.get(archive(time.time() - 9)))[0] == 404
        monkeypatch.setattr(on_demand_module, "ARCHIVED", 1)
        status, body, _ = await web.get(archive(1))
        assert status == 422
        assert "more than 1 recordings" in body.decode()


# ---------------------------------------------------------------------- who may


@pytest.mark.parametrize("path", [INDEX, FILE, archive(1)])
async def test_recording_of_a_private_stream_needs_a_token_for_its_name(
    tmp_path: Path, path: str
) -> None:
    async with serve(tmp_path, 'auth.private=["live/a"]') as web:
        await web.add(recording())
        status, _, headers = await web.get(path)
        assert status == 403
        assert headers["Cache-Control"] == "no-store"
        wrong = web.signed("live/b")
        mark = "&" if "?" in path else "?"
        assert (await web.get(f"{path}{mark}token={wrong}"))[0] == 403
        right = web.signed("live/a")
        status, body, headers = await web.get(f"{path}{mark}token={right}")
        assert status == 200
        assert headers["Cache-Control"].startswith("private")
        if path != FILE:
            assert body.decode().count(f"0.mp4?token={right}") == SEGMENTS + 1
        status, _, _ = await web.get(path, {"Authorization": f"Bearer {right}"})
        assert status == 200


async def test_pages_of_other_origins_may_play_as_live_streams(tmp_path: Path) -> None:
    async with serve(tmp_path, 'http.origins=["https://a.example"]') as web:
        await web.add(recording())
        for path in (INDEX, FILE, archive(1), "/recordings/r2/index.m3u8"):
            _, _, headers = await web.get(path, {"Origin": "https://a.example"})
            assert headers["Access-Control-Allow-Origin"] == "https://a.example"
            status, _, headers = await web.get(
                path, {"Origin": "https://a.example"}, method="OPTIONS"
            )
            assert status == 204
            assert "Range" in headers["Access-Control-Allow-Headers"]


async def test_viewer_is_told_when_the_database_is_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refuse(*_: object, **__: object) -> None:
        raise DatabaseError("database: gone")

    async with serve(tmp_path) as web:
        await web.add(recording())
        with monkeypatch.context() as patch:
            patch.setattr(RecordingTables, "get", refuse)
            patch.setattr(RecordingTables, "page", refuse)
            for path in (INDEX, FILE, archive(1)):
                status, body, headers = await web.get(path)
                assert (status, headers["Retry-After"]) == (503, "5")
                assert "database: gone." in body.decode()
        with monkeypatch.context() as patch:
            patch.setattr(RecordingTables, "segments", refuse)
            assert (await web.get(INDEX))[0] == 503
        assert (await web.get(INDEX))[0] == 200


async def test_recording_counts_as_watched_while_it_is_sent(tmp_path: Path) -> None:
    async with serve(tmp_path) as web:
        await web.add(recording())
        web.recordings.places.path_of(file()).write_bytes(bytes(64 * 1024 * 1024))
        known = web.recordings.known
        assert not known.is_watched("r1")
        async with web.client.get(web.base + FILE) as response:
            assert response.status == 200
            await until(lambda: known.is_watched("r1"))
            (held,) = known._known.values()
            assert held.users == 1
        await until(lambda: held.users == 0)


# ------------------------------------------------------------------ viewers


def sessions(web: Served) -> list[tuple[str, list[str], str | None, int]]:
    return [
        (each.protocol, each.playing, each.user_agent, each.bytes_out)
        for each in web.live.services.sessions.all()
    ]


async def test_viewer_of_recordings_is_a_session_of_their_stream(tmp_path: Path) -> None:
    async with serve(tmp_path) as web:
        await web.add(recording())
        await web.add(recording("r2"))
        agent = {"User-Agent": "player"}
        for path in (INDEX, FILE, "/recordings/r2/index.m3u8"):
            assert (await web.get(path, agent))[0] == 200
        assert (await web.get(FILE, {**agent, "Range": "bytes=0-9"}))[0] == 206
        assert (await web.get(FILE, agent, method="HEAD"))[0] == 200
        assert sessions(web) == [("hls", ["live/a"], "player", 26_010)]
        assert (await web.get("/live/a/archive.m3u8?from=100&to=200", agent))[0] == 200
        assert len(sessions(web)) == 1


async def test_viewers_of_recordings_are_bounded_by_the_limits_of_the_stream(
    tmp_path: Path,
) -> None:
    async with serve(tmp_path, "limits.viewers_per_stream=1") as web:
        await web.add(recording())
        one, other = {"User-Agent": "one"}, {"User-Agent": "other"}
        assert (await web.get(INDEX, one))[0] == 200
        for path in (INDEX, FILE, "/live/a/archive.m3u8?from=100&to=200"):
            status, body, _ = await web.get(path, other)
            assert (status, b"limit of viewers" in body) == (403, True)
        assert (await web.get(FILE, one))[0] == 200
        (viewer,) = web.live.services.sessions.viewers
        assert isinstance(viewer, HlsViewer)
        assert (viewer.deadline() or 0.0) >= viewer.started + stored.VIEWER_S
        viewer.deadline_passed(0.0)
        assert (await web.get(INDEX, other))[0] == 200


async def test_token_of_one_viewer_shows_recordings_to_one_viewer(tmp_path: Path) -> None:
    async with serve(tmp_path, 'auth.private=["live/*"]') as web:
        await web.add(recording())
        now = time.time()
        granted = Token("", "live/*", "play", now + 60, viewers=1)
        token = web.live.services.access.tokens.sign(granted, now)
        assert (await web.get(f"{INDEX}?token={token}", {"User-Agent": "one"}))[0] == 200
        status, body, _ = await web.get(f"{FILE}?token={token}", {"User-Agent": "other"})
        assert (status, b"limit of viewers" in body) == (403, True)
        assert (await web.get(f"{FILE}?token={token}", {"User-Agent": "one"}))[0] == 200


async def test_viewer_that_is_kicked_gets_no_more_of_a_file(tmp_path: Path) -> None:
    async with serve(tmp_path) as web:
        await web.add(recording())
        with web.recordings.places.path_of(file()).open("ab") as growing:
            growing.truncate(64 * 1024 * 1024)
        async with web.client.get(web.base + FILE) as response:
            await until(lambda: web.live.services.sessions.viewers)
            (viewer,) = web.live.services.sessions.viewers
            assert isinstance(viewer, HlsViewer)
            assert viewer.deadline() is None, "it counts as long as the file takes"
            viewer.kick()
            with pytest.raises(aiohttp.ClientPayloadError):
                await response.read()
        assert (await web.get(FILE))[0] == 403


async def test_viewer_of_a_live_stream_is_the_same_one_in_its_past(tmp_path: Path) -> None:
    async with serve(tmp_path, "limits.viewers_per_stream=1") as web:
        await web.add(recording())
        publisher = await web.live.publisher("a")
        await publisher.send_video(VIDEO_HEADER)
        await publisher.send_video(KEYFRAME)
        await web.live.received("live/a", 2)
        stream = web.live.services.registry.stream("live/a")
        assert stream is not None
        web.live.services.features[HlsStreams].begin(stream)
        part = "/live/a/abc123-1.m4s"  # which is never there: 404 to a viewer that may ask
        assert (await web.get(part))[0] == 404
        assert (await web.get(FILE))[0] == 200
        assert len(web.live.services.sessions.viewers) == 1


async def test_viewer_who_is_given_another_stream_gets_the_recordings_of_that_one(
    tmp_path: Path,
) -> None:
    async with serve(tmp_path) as web:
        await web.add(recording())
        await web.add(recording("r2", stream="live/b"))
        web.live.services.gate.authorizers.append(Elsewhere())
        for path in (INDEX, FILE, "/recordings/r1.mp4"):
            status, body, _ = await web.get(path)
            assert (status, b"another stream" in body) == (403, True)
        _, page, _ = await web.get("/watch/recordings/r1")
        assert b"another stream" in page
        assert b"live/a" not in page
        assert "/recordings/r2/0.mp4" in await web.text("/live/a/archive.m3u8?from=100&to=200")
        assert (await web.get("/recordings/r2/0.mp4"))[0] == 200
