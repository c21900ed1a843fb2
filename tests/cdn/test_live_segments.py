"""Tests of headend.cdn: live segments in object storage, and playlists that name them there."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from tests.harness import until, until_so
from tests.shows import SEGMENTS, SHOWN, addresses, show
from tests.web import Web, serve

from headend.cdn import live_segments as live_module
from headend.cdn import stored_stream
from headend.cdn.live_segments import LiveSegments
from headend.errors import SettingsError, StoreError
from headend.hls.streams import HlsStreams
from headend.objects.object_store import ObjectStore
from headend.settings import Settings

PUBLIC = "https://cdn.example/live"


@asynccontextmanager
async def stored(data: Path, *settings: str) -> AsyncIterator[tuple[Web, LiveSegments, Path]]:
    store = data / "store"
    given = (f"hls.store=file://{store}", f"hls.public_url={PUBLIC}/", *SHOWN, *settings)
    async with serve(data / "server", *given) as web:
        yield web, web.live.services.features[LiveSegments], store


async def listed(web: Web) -> list[str]:
    answer = await web.ask("GET", "/live/a/main.m3u8")
    assert answer.status == 200
    return addresses(answer.body)


def files(store: Path) -> list[str]:
    return sorted(path.name for path in store.rglob("*") if path.is_file())


async def test_playlist_names_segments_by_the_url_of_the_cdn_once_they_are_there(
    tmp_path: Path,
) -> None:
    async with stored(tmp_path) as (web, segments, store):
        await show(web)

        async def is_named() -> bool:
            return sum(each.startswith(PUBLIC) for each in await listed(web)) >= 3

        await until_so(is_named)
        found = [each for each in await listed(web) if each.startswith(PUBLIC)]
        for url in found:
            body = (store / url.removeprefix(f"{PUBLIC}/")).read_bytes()
            own = await web.ask("GET", f"/live/a/{url.rpartition('/')[2]}")
            assert own.body == body  # who took it from us before gets the same
        parts = [each for each in await listed(web) if each.count(".") > 1 and "://" not in each]
        assert parts, "parts are fetched through us"
        assert segments.fault == ""
        metrics = (await web.ask("GET", "/metrics", headers=bearer(web))).body.decode()
        assert "headend_hls_store_up 1.0" in metrics


def bearer(web: Web) -> dict[str, str]:
    return {"Authorization": f"Bearer {web.token}"}


async def test_store_that_fails_delays_nothing_and_is_a_finding(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refuse(*_: object) -> None:
        raise StoreError("the store cannot write: it answers 403")

    monkeypatch.setattr(ObjectStore, "put_bytes", refuse)
    async with stored(tmp_path) as (web, segments, _):
        await show(web)
        await until(lambda: segments.failures)
        assert not any(each.startswith(PUBLIC) for each in await listed(web))
        stream = web.stream()
        assert list(segments.findings(stream)) == [
            "segments are given by this server, not by hls.public_url: the store cannot write: "
            "it answers 403"
        ]


async def test_store_that_hangs_is_given_up_and_works_again_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put = ObjectStore.put_bytes
    monkeypatch.setattr(live_module, "LEAST_S", 0.05)
    monkeypatch.setattr(live_module, "TARGETS", 0.0)
    monkeypatch.setattr(live_module, "REST_S", (0.0, 0.0))

    async def hang(*_: object) -> None:
        await until(lambda: False)

    monkeypatch.setattr(ObjectStore, "put_bytes", hang)
    async with stored(tmp_path) as (web, segments, _):
        await show(web)
        await until(lambda: segments.failures)
        assert segments.fault.startswith("the store took more than ")
        assert len(await listed(web)) >= SEGMENTS
        monkeypatch.setattr(ObjectStore, "put_bytes", put)
        packaged = web.live.services.features[HlsStreams].find("live/a")
        assert packaged is not None
        stream = segments._streams[packaged]
        await until(lambda: not stream.is_uploading)
        stream.deleted(stream.names())
        segments.changed(packaged)
        stream._seen = -1
        segments.changed(packaged)
        await until(lambda: segments.segments and not segments.fault)


async def test_what_only_some_may_watch_does_not_go_to_the_store(tmp_path: Path) -> None:
    async with stored(tmp_path, "auth.private=live/*") as (web, segments, store):
        await show(web)
        packaged = web.live.services.features[HlsStreams].find("live/a")
        assert packaged is not None
        await until(lambda: segments._streams[packaged].names())
        await until(lambda: not segments._streams[packaged].is_uploading)
        assert files(store) == []
        assert segments.segments == 0


async def test_objects_are_deleted_after_the_stream_and_at_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live_module, "SWEEP_S", 0.02)
    monkeypatch.setattr(stored_stream, "LATER_S", 0.0)
    async with stored(tmp_path) as (web, segments, store):
        await show(web)
        await until(lambda: segments.segments >= 2 and files(store))
        packaged = web.live.services.features[HlsStreams].find("live/a")
        assert packaged is not None
        packaged.close()
        await until(lambda: files(store) == [])
        await until(lambda: packaged not in segments._streams)
    async with stored(tmp_path) as (web, segments, store):
        await show(web)
        await until(lambda: segments.segments >= 2 and files(store))
    assert files(store) == []


async def test_what_a_killed_server_left_is_deleted_a_day_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with stored(tmp_path) as (_, segments, store):
        old = store / segments._node / "live/b/abc123-1.m4s"
    old.parent.mkdir(parents=True, exist_ok=True)
    old.write_bytes(b"old")
    other = store / "another" / "live/b/abc123-1.m4s"
    other.parent.mkdir(parents=True)
    other.write_bytes(b"of another server")
    monkeypatch.setattr(live_module, "LEFT_S", -60.0)
    async with stored(tmp_path):
        await until(lambda: not old.exists())
        assert other.exists()


def test_store_without_a_public_url_is_refused(tmp_path: Path) -> None:
    given = {"store": "s3://b"}
    feature = LiveSegments.__new__(LiveSegments)
    with pytest.raises(SettingsError, match=r"^hls.store needs hls.public_url"):
        feature.check(Settings(data=tmp_path, hls=given))  # type: ignore[arg-type]


async def test_origin_is_for_who_knows_its_secret(tmp_path: Path) -> None:
    secret = "between-the-cdn-and-us"
    async with serve(tmp_path, f"hls.origin_secret={secret}", *SHOWN) as web:
        await show(web)
        right = {"X-Origin-Secret": secret}
        playlist = await web.ask("GET", "/live/a/main.m3u8", headers=right)
        assert playlist.status == 200
        segment = "/live/a/" + addresses(playlist.body)[1]
        for path in ("/live/a/index.m3u8", "/live/a/main.m3u8", segment):
            assert (await web.ask("GET", path, headers=right)).status == 200
            for shown in ({}, {"X-Origin-Secret": "another"}, {"X-Origin-Secret": "é"}):
                refused = await web.ask("GET", path, headers=shown)
                assert refused.status == 403
                assert b"hls.origin_secret" in refused.body
                assert secret.encode() not in refused.body
