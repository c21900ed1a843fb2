"""Tests of recordings in object storage: record.uploads, record.stored_tables, record.places."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from tests.harness import until, until_so
from tests.objects.s3 import KEY_ID, S3, SECRET, gate_to, s3_server
from tests.record.made import begun, file, recording, segment
from tests.record.served import Served, serve

from headend.events import Event, RecordingUploaded
from headend.http import ranges
from headend.objects.object_store import MIB
from headend.record import uploads as uploads_module
from headend.record.recordings import Recordings
from headend.record.values import RecordedFile, Recording

KEY = "live/a/r1-{}.r1.mp4"


@pytest.fixture(scope="module")
def s3() -> Iterator[S3]:
    with s3_server() as server:
        yield server


@pytest.fixture(autouse=True)
def _often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uploads_module, "LOOK_S", 0.02)
    monkeypatch.setattr(uploads_module, "RETRY_S", (0.02, 0.1))


def settings(s3: S3, bucket: str, *more: str, endpoint: str = "") -> list[str]:
    s3.bucket(bucket)
    return [
        f"record.store=s3://{bucket}/p", f"storage.endpoint={endpoint or s3.endpoint}",
        f"storage.key_id={KEY_ID}", f"storage.secret={SECRET}", *more,
    ]  # fmt: skip


@asynccontextmanager
async def storing(data: Path, *given: str) -> AsyncIterator[Served]:
    async with serve(data, *given) as web:
        web.told = []
        web.live.services.events.subscribe(web.told.append)
        yield web


def uploaded(told: Sequence[Event]) -> list[str]:
    return [each.recording for each in told if isinstance(each, RecordingUploaded)]


async def files(web: Served, id: str = "r1") -> list[RecordedFile]:
    return await web.kept.files(id)


async def big(web: Served, made: Recording, size: int) -> bytes:
    """Add a recording whose only file has so many bytes; return these."""
    await web.add(made)
    body = bytes(range(251)) * (size // 251)
    web.recordings.places.path_of(file(0, made.id)).write_bytes(body)
    return body


async def gone(web: Served, id: str) -> bool:
    return all(not each.is_local for each in await files(web, id))


async def test_finished_recording_is_uploaded_told_and_kept_here(s3: S3, tmp_path: Path) -> None:
    async with storing(tmp_path, *settings(s3, "kept")) as web:
        bodies = await web.add(recording(files=2, bytes=9), files=2)
        await until(lambda: uploaded(web.told))
        (event,) = [each for each in web.told if isinstance(each, RecordingUploaded)]
        assert (event.store, event.files, event.bytes) == ("s3://kept/p", 2, 9)
        for number, body in enumerate(bodies):
            assert s3.read(f"kept/p/{KEY.format(number)}") == body
        found = await files(web)
        assert [each.store for each in found] == 2 * ["s3://kept/p"]
        assert all(each.is_local and each.size == len(bodies[0]) for each in found)
        told = (await web.get("/api/v1/recordings/r1", web.admin))[1].decode()
        assert '"stored": 2' in told or '"stored":2' in told
        metrics = (await web.get("/metrics", web.admin))[1].decode()
        assert "headend_recording_uploads_total 2.0" in metrics
        assert "headend_recording_store_up 1.0" in metrics


async def test_only_what_is_finished_is_uploaded(s3: S3, tmp_path: Path) -> None:
    async with storing(tmp_path, *settings(s3, "running")) as web:
        await web.add(begun(files=2), files=2)
        await web.add(recording("r2", files=1))
        await web.add(begun("r3", files=1))
        await until(lambda: uploaded(web.told) == ["r2"])

        async def is_stored() -> bool:
            return bool((await files(web))[0].store)  # another file follows it

        await until_so(is_stored)
        stored = [each.store for each in await files(web) + await files(web, "r3")]
        assert stored == ["s3://running/p", "", ""]


async def test_torn_recording_waits_until_it_is_mended(s3: S3, tmp_path: Path) -> None:
    async with storing(tmp_path, *settings(s3, "torn")) as web:
        torn = recording("r1", files=1)
        await web.add(torn)
        await web.kept.write({torn: True}, [], [], [])
        await web.add(recording("r2", files=1))
        await until(lambda: "r2" in uploaded(web.told))
        queue = await web.recordings.index.stored()
        assert await queue.count() == 0


async def test_what_is_uploaded_is_deleted_here_and_played_from_the_store(
    s3: S3, tmp_path: Path
) -> None:
    given = settings(s3, "far", "record.keep_local=false")
    async with storing(tmp_path, *given) as web:
        (body,) = await web.add(recording(files=1))

        await until_so(lambda: gone(web, "r1"))
        path = web.recordings.places.path_of(file())
        await until(lambda: not path.exists())
        assert not path.parent.exists()
        assert (await web.get("/recordings/r1/0.mp4"))[:2] == (200, body)
        status, some, headers = await web.get("/recordings/r1/0.mp4", {"Range": "bytes=10-1999"})
        assert (status, some) == (206, body[10:2000])
        assert headers["Content-Range"] == f"bytes 10-1999/{len(body)}"
        assert (await web.get("/recordings/r1/0.mp4", method="HEAD"))[0] == 200
        assert "0.mp4" in await web.text("/recordings/r1/index.m3u8")


async def test_object_that_is_gone_and_a_store_that_is_away_are_told(
    s3: S3, tmp_path: Path
) -> None:
    given = settings(s3, "lost", "record.keep_local=false")
    async with storing(tmp_path, *given) as web:
        await web.add(recording(files=1))
        await until_so(lambda: gone(web, "r1"))
        store = web.recordings.stores.get("s3://lost/p")
        await store.delete([KEY.format(0)])
        status, body, headers = await web.get("/recordings/r1/0.mp4")
        assert (status, headers["Retry-After"]) == (503, "5")
        assert b"The store cannot read: no such object or bucket." in body
        assert (await web.get("/recordings/r1.mp4"))[0] == 503


async def test_store_that_stops_in_the_middle_of_an_answer_ends_it(
    s3: S3, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = settings(s3, "stops", "record.keep_local=false")
    async with storing(tmp_path, *given) as web:
        body = await big(web, recording(files=1), 3 * MIB)
        await until_so(lambda: gone(web, "r1"))
        places, asked = web.recordings.places, asyncio.Event()
        whole = await places.whole((await files(web))[0])
        assert isinstance(whole, ranges.RemoteRange)
        read = whole.read

        async def hang(offset: int, size: int) -> AsyncIterator[bytes]:
            async for piece in read(offset, size):
                yield piece[:100]  # a piece may be all there is
                await asked.wait()

        known = await web.recordings.known.get("r1")
        assert known is not None
        known.whole[0] = replace(whole, read=hang)
        monkeypatch.setattr(ranges, "REMOTE_S", 0.2)
        with pytest.raises(Exception, match=r"(?i)payload|closed|disconnected"):
            await web.get("/recordings/r1/0.mp4")
        asked.set()
        known.whole[0] = whole
        assert (await web.get("/recordings/r1/0.mp4"))[1] == body


async def test_store_that_is_away_is_a_finding_and_loses_nothing(s3: S3, tmp_path: Path) -> None:
    async with gate_to(s3.port) as gate:
        gate.limit, gate.is_cut = 0, True
        given = settings(s3, "away", endpoint=gate.endpoint)
        async with storing(tmp_path, *given) as web:
            for number in range(3):
                await web.add(recording(f"r{number}", files=1))
            uploads = web.recordings.uploads
            await until(lambda: uploads.failures > 1)
            assert uploads.fault == "the store cannot write: it does not answer"
            told = web.recordings.status()
            assert told == {"uploads_waiting": 3, "store_fault": uploads.fault}
            _, body, _ = await web.get("/api/v1/recordings", web.admin)
            assert json.loads(body)["uploads"] == {"waiting": 3, "fault": uploads.fault}
            metrics = (await web.get("/metrics", web.admin))[1].decode()
            assert "headend_recording_store_up 0.0" in metrics
            gate.open()
            await until(lambda: sorted(uploaded(web.told)) == ["r0", "r1", "r2"])
            await until(lambda: not uploads.fault)


async def test_uploads_go_on_after_a_restart_of_server_and_store_in_the_middle(
    s3: S3, tmp_path: Path
) -> None:
    store = S3()  # one of its own, which is killed
    try:
        await asyncio.to_thread(store.start, "half")
        async with gate_to(store.port) as gate:
            given = settings(store, "half", "record.keep_local=false", endpoint=gate.endpoint)
            gate.limit = 3 * MIB
            async with storing(tmp_path, *given) as web:
                body = await big(web, recording(files=1), 20 * MIB)
                await until(lambda: gate.is_full)
                store.kill()
            assert web.recordings.uploads.files == 0
            await asyncio.to_thread(store.start, "half")
            gate.open()
            async with storing(tmp_path, *given) as web:
                await until_so(lambda: gone(web, "r1"))
                assert store.read(f"half/p/{KEY.format(0)}") == body
    finally:
        store.kill()


async def test_refusal_half_way_is_tried_again(s3: S3, tmp_path: Path) -> None:
    async with gate_to(s3.port) as gate:
        gate.limit, gate.is_cut = 9 * MIB, True
        given = settings(s3, "refused", endpoint=gate.endpoint)
        async with storing(tmp_path, *given) as web:
            body = await big(web, recording(files=1), 20 * MIB)
            await until(lambda: web.recordings.uploads.failures)
            assert s3.read(f"refused/p/{KEY.format(0)}") is None
            assert uploaded(web.told) == []
            gate.open()
            await until(lambda: uploaded(web.told) == ["r1"])
            assert s3.read(f"refused/p/{KEY.format(0)}") == body


async def test_file_that_fails_does_not_hold_up_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(uploads_module, "AT_ONCE", 1)
    store = tmp_path / "store"
    (store / KEY.format(0)).mkdir(parents=True)  # where a file should be
    async with storing(tmp_path / "data", f"record.store=file://{store}") as web:
        await web.add(recording("r1", files=1))
        await web.add(recording("r2", files=1, started=200.0))
        await until(lambda: uploaded(web.told) == ["r2"])
        (store / KEY.format(0)).rmdir()
        await until(lambda: uploaded(web.told) == ["r2", "r1"])


async def test_file_that_is_gone_is_told_and_not_waited_for(tmp_path: Path) -> None:
    async with storing(tmp_path / "data", f"record.store=file://{tmp_path}/store") as web:
        queue = await web.recordings.index.stored()
        lost = replace(file(0), path="live/a/nowhere.mp4")
        await web.kept.write({recording(files=1): False}, [lost], [("r1", segment(0))], [])

        async def is_noted() -> bool:
            return await queue.count() == 0

        await until_so(is_noted)
        assert uploaded(web.told) == []
        assert (await web.get("/recordings/r1/0.mp4"))[0] == 404


async def test_deletion_deletes_in_the_store_too_once_it_is_there(s3: S3, tmp_path: Path) -> None:
    async with gate_to(s3.port) as gate:
        given = settings(s3, "delete", endpoint=gate.endpoint)
        async with storing(tmp_path, *given) as web:
            await web.add(recording(files=2), files=2)
            await until(lambda: uploaded(web.told))
            gate.limit, gate.is_cut = gate.passed, True
            status, _, _ = await web.get("/api/v1/recordings/r1", web.admin, "DELETE")
            assert status == 204
            await until(lambda: web.recordings.uploads.fault)
            assert s3.read(f"delete/p/{KEY.format(1)}") is not None
            gate.open()
            await until(lambda: s3.read(f"delete/p/{KEY.format(1)}") is None)
            await until(lambda: s3.read(f"delete/p/{KEY.format(0)}") is None)
            await until(lambda: web.recordings.uploads.deleted == 2)


async def test_recording_that_is_deleted_while_it_is_uploaded_leaves_nothing_there(
    s3: S3, tmp_path: Path
) -> None:
    async with gate_to(s3.port) as gate:
        gate.limit = MIB
        async with storing(tmp_path, *settings(s3, "mean", endpoint=gate.endpoint)) as web:
            await big(web, recording(files=1), 4 * MIB)
            await until(lambda: gate.is_full)
            await web.get("/api/v1/recordings/r1", web.admin, "DELETE")
            gate.open()
            await until(lambda: web.recordings.uploads.deleted)
            assert s3.read(f"mean/p/{KEY.format(0)}") is None
            assert uploaded(web.told) == []


async def test_players_fetch_what_is_in_the_store_from_the_public_url(tmp_path: Path) -> None:
    public = "https://cdn.example/r"
    given = (f"record.store=file://{tmp_path}/s", f"record.public_url={public}/")
    async with storing(tmp_path / "data", *given, "auth.private=vip/*") as web:
        await web.add(recording(files=1))
        await web.add(recording("r2", stream="vip/a", files=1))
        await until(lambda: len(uploaded(web.told)) == 2)
        url = f"{public}/{KEY.format(0)}"
        lines = (await web.text("/recordings/r1/index.m3u8")).splitlines()
        assert url in lines
        assert f'#EXT-X-MAP:URI="{url}",BYTERANGE="1000@0"' in lines
        assert url in await web.text("/live/a/archive.m3u8?from=1&to=1000")
        async with web.client.get(
            f"{web.base}/recordings/r1/0.mp4", allow_redirects=False
        ) as response:
            assert (response.status, response.headers["Location"]) == (302, url)
        # What only some may watch is not given to all.
        token = web.signed("vip/a")
        assert public not in await web.text(f"/recordings/r2/index.m3u8?token={token}")


async def test_players_are_sent_to_presigned_urls(s3: S3, tmp_path: Path) -> None:
    given = settings(s3, "signed", "record.presigned_s=60", "auth.private=vip/*")
    async with storing(tmp_path, *given) as web:
        await web.add(recording(files=1))
        (body,) = await web.add(recording("r2", stream="vip/a", files=1))
        await until(lambda: len(uploaded(web.told)) == 2)
        ask = web.client.get(f"{web.base}/recordings/r1/0.mp4", allow_redirects=False)
        async with ask as response:
            assert response.status == 302
            assert response.headers["Location"].startswith(f"{s3.endpoint}/signed/p/live/a/")
            assert "no-store" in response.headers["Cache-Control"]
        assert (await web.get("/recordings/r1/0.mp4"))[0] == 200
        assert (await web.get("/recordings/r2/0.mp4"))[0] == 403
        token = web.signed("vip/a")
        assert (await web.get(f"/recordings/r2/0.mp4?token={token}"))[:2] == (200, body)


async def test_without_a_store_all_stays_here(tmp_path: Path) -> None:
    async with storing(tmp_path) as web:
        await web.add(recording(files=1))
        assert web.recordings.status() == {"uploads_waiting": 0, "store_fault": ""}
        assert (
            "headend_recording_store_up" not in (await web.get("/metrics", web.admin))[1].decode()
        )
        assert (await files(web))[0].store == ""


async def test_one_of_several_workers_uploads_for_all(tmp_path: Path) -> None:
    async with storing(tmp_path / "data", f"record.store=file://{tmp_path}/store") as web:
        other = Recordings(web.live.services, "alone", keeps_house=False)
        other.start()
        await web.add(recording(files=1))
        await until(lambda: uploaded(web.told) == ["r1"])
        assert (web.recordings.uploads.files, other.uploads.files) == (1, 0)
        await other.stop()
