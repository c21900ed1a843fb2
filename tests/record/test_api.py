"""Tests of headend.record.api."""

import json
from dataclasses import asdict
from pathlib import Path

import pytest
from tests.harness import until
from tests.record.made import begun, file, recording
from tests.record.served import Served, serve

from headend.errors import DatabaseError, Refusal, Rejected
from headend.record import removal as removal_module
from headend.record.tables import RecordingTables
from headend.record.values import Recording

ALL = "/api/v1/recordings"


class FakeRecorder:
    """Records what is called live/a."""

    def __init__(self) -> None:
        self.stopped: list[str] = []

    def record(self, path: str) -> Recording:
        if path != "live/a":
            raise Rejected(Refusal.NOT_FOUND, f"nobody publishes {path}")
        return begun("r9")

    def stop_recording(self, id: str) -> None:
        self.stopped.append(id)


async def ask(
    web: Served, path: str = ALL, method: str = "GET", body: object = None
) -> tuple[int, dict[str, object]]:
    """Ask as an administrator; return the status, and the answer as JSON."""
    async with web.client.request(
        method, web.base + path, headers=web.admin, json=body
    ) as response:
        text = await response.read()
        return response.status, json.loads(text) if text else {}


def ids(answer: dict[str, object]) -> str:
    recordings = answer["recordings"]
    assert isinstance(recordings, list)
    return " ".join(each["id"] for each in recordings)


async def test_one_recording_is_told_with_where_it_is_played(tmp_path: Path) -> None:
    async with serve(tmp_path) as web:
        await web.add(recording(bytes=26_000, files=1, duration_s=10.0))
        status, answer = await ask(web, f"{ALL}/r1")
        assert status == 200
        assert answer == {
            "id": "r1", "stream": "live/a", "state": "ready", "started": 100.0, "ended": 160.0,
            "bytes": 26_000, "files": 1, "duration_s": 10.0,
            "kind": "recording", "origin": None, "stored": 0,
            "url": "/recordings/r1/index.m3u8",
        }  # fmt: skip
        assert (await web.get(str(answer["url"])))[0] == 200
        assert (await ask(web, f"{ALL}/r2"))[0] == 404


async def test_list_is_filtered_and_comes_in_pages(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("headend.record.recordings.DISK_S", -1.0)  # the disk is looked at anew
    async with serve(tmp_path) as web:
        for number in range(5):
            stream = "live/a" if number % 2 else "vip/a"
            await web.add(recording(f"r{number}", started=100.0 + number, stream=stream, bytes=7))
        await web.add(begun("r5", started=1000.0))
        status, answer = await ask(web)
        assert status == 200
        assert ids(answer) == "r5 r4 r3 r2 r1 r0"
        assert answer["next"] is None
        assert answer["total_bytes"] == 35
        assert isinstance(answer["free_bytes"], int)
        assert answer["uploads"] is None
        assert ids((await ask(web, f"{ALL}?stream=live/*"))[1]) == "r5 r3 r1"
        assert ids((await ask(web, f"{ALL}?from=500"))[1]) == "r5"
        assert ids((await ask(web, f"{ALL}?to=1970-01-01T00:01:42Z&stream=vip/a"))[1]) == "r0"
        seen, cursor = "", ""
        while cursor is not None:
            _, answer = await ask(web, f"{ALL}?limit=2{cursor}")
            seen += ids(answer) + " | "
            cursor = None if answer["next"] is None else f"&cursor={answer['next']}"  # type: ignore[assignment]
        assert seen == "r5 r4 | r3 r2 | r1 r0 | "


@pytest.mark.parametrize(
    "query", ["limit=0", "limit=1001", "from=yesterday", "to=x", "cursor=x", "cursor=1;2"]
)
async def test_query_that_makes_no_sense_is_refused(tmp_path: Path, query: str) -> None:
    async with serve(tmp_path) as web:
        assert (await ask(web, f"{ALL}?{query}"))[0] == 422


async def test_only_an_administrator_sees_them(tmp_path: Path) -> None:
    async with serve(tmp_path) as web:
        await web.add(recording())
        for method, path in (("GET", ALL), ("GET", f"{ALL}/r1"), ("DELETE", f"{ALL}/r1")):
            assert (await web.get(path, method=method))[0] == 401
        assert (await web.kept.get("r1")) is not None


async def test_deletion_takes_files_and_rows_and_is_noted(tmp_path: Path) -> None:
    async with serve(tmp_path) as web:
        await web.add(recording())
        path = web.recordings.places.path_of(file())
        assert (await web.get("/recordings/r1/0.mp4"))[0] == 200
        assert (await ask(web, f"{ALL}/r1", "DELETE"))[0] == 204
        assert not path.exists()
        assert (await ask(web, f"{ALL}/r1"))[0] == 404
        assert (await web.get("/recordings/r1/0.mp4"))[0] == 404
        assert (await ask(web, f"{ALL}/r1", "DELETE"))[0] == 404

        async def is_noted() -> bool:
            _, audit = await ask(web, "/api/v1/audit?action=recording.delete&target=r1")
            return bool(audit["entries"])

        while not await is_noted():
            pass


async def test_recording_that_runs_is_not_deleted(tmp_path: Path) -> None:
    async with serve(tmp_path) as web:
        await web.add(begun())
        status, answer = await ask(web, f"{ALL}/r1", "DELETE")
        assert status == 409
        assert answer["detail"] == "this recording goes on: end it first."


async def test_file_that_cannot_be_deleted_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(30, "Read-only file system")

    async with serve(tmp_path) as web:
        await web.add(recording())
        monkeypatch.setattr(removal_module, "delete_files", refuse)
        status, answer = await ask(web, f"{ALL}/r1", "DELETE")
        assert status == 503
        assert "Read-only file system" in str(answer["detail"])


async def test_recording_is_started_and_ended_by_hand(tmp_path: Path) -> None:
    async with serve(tmp_path) as web:
        recorder = web.recordings.recorder = FakeRecorder()
        status, answer = await ask(web, ALL, "POST", {"stream": "live/a"})
        assert (status, answer["id"], answer["state"]) == (201, "r9", "recording")
        status, answer = await ask(web, ALL, "POST", {"stream": "live/b"})
        assert (status, answer["detail"]) == (404, "nobody publishes live/b.")
        assert (await ask(web, ALL, "POST", {"stream": "../etc"}))[0] == 422
        assert (await ask(web, ALL, "POST", {"stream": 5}))[0] == 422
        await web.add(begun())
        assert (await ask(web, f"{ALL}/r1/stop", "POST"))[0] == 204
        assert recorder.stopped == ["r1"]
        await web.add(recording())
        assert (await ask(web, f"{ALL}/r1/stop", "POST"))[0] == 409
        assert (await ask(web, f"{ALL}/r2/stop", "POST"))[0] == 404


async def test_server_that_records_nothing_says_so(tmp_path: Path) -> None:
    async with serve(tmp_path) as web:
        web.recordings.recorder = None
        assert (await ask(web, ALL, "POST", {"stream": "live/a"}))[0] == 503


async def test_database_that_is_away_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refuse(*_: object, **__: object) -> None:
        raise DatabaseError("database: gone")

    async with serve(tmp_path) as web:
        await web.add(recording())
        with monkeypatch.context() as patch:
            for name in ("get", "page", "files"):
                patch.setattr(RecordingTables, name, refuse)
            for method, path in (
                ("GET", ALL), ("GET", f"{ALL}/r1"), ("DELETE", f"{ALL}/r1"),
            ):  # fmt: skip
                status, answer = await ask(web, path, method)
                assert (status, answer["detail"]) == (503, "database: gone.")
        with monkeypatch.context() as patch:
            patch.setattr(RecordingTables, "files", refuse)
            assert (await ask(web, f"{ALL}/r1", "DELETE"))[0] == 503


async def test_recording_ends_up_in_the_list_as_the_index_was_told(tmp_path: Path) -> None:
    async with serve(tmp_path) as web:
        index = web.recordings.index
        index.begin(begun())
        index.add_file(file())
        over = index.finish("r1", 130.0)
        await until(lambda: not index.waiting and not index.running("r1"))
        await index.settled()
        _, answer = await ask(web, f"{ALL}/r1")
        assert answer.items() >= asdict(over).items()
