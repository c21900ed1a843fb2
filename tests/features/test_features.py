"""Features of a server: told together, found by their class, and no trouble to each other."""

import asyncio
from collections.abc import Coroutine, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, cast

import aiohttp
import pytest
from aiohttp import web
from tests.harness import log_lines, until

import headend
from headend.errors import SettingsError
from headend.fallback.fallbacks import Fallbacks
from headend.features.feature import Feature, Label, Values
from headend.features.features import Features
from headend.features.routes import HttpRoute, Route
from headend.hub.stream import Stream
from headend.live.services import Services
from headend.settings import Settings, StreamRules
from headend.store.recorder import Recorder

if TYPE_CHECKING:
    from prometheus_client.metrics_core import Metric

LISTEN = {"rtmp.listen": "127.0.0.1:0"}
WITH_HTTP = LISTEN | {"http.listen": "127.0.0.1:0"}


class Noted(Feature):
    """A feature that notes what it is told."""

    name = "noted"

    def __init__(self, services: Services) -> None:
        self.services = services
        self.told: list[str] = []

    def start(self) -> None:
        self.told.append("start")

    def check(self, settings: Settings) -> None:
        if settings.live.wait_s == 7:
            raise SettingsError("not 7")

    def configure(self, settings: Settings) -> None:
        self.told.append(f"wait {settings.live.wait_s:g}")

    def reload(self) -> Sequence[str]:
        self.told.append("reload")
        return ("read again",)

    def stream_began(self, stream: Stream, rules: StreamRules) -> None:
        self.told.append(f"{stream.path} {stream.tags_in} {rules.live.wait_s:g}")

    async def stop(self) -> None:
        database = await self.services.access.database()
        async with database.begin():
            self.told.append("stop, and the database is open")

    def routes(self) -> Sequence[HttpRoute]:
        async def get(request: web.Request) -> web.StreamResponse:
            return web.Response(text="noted")

        return (HttpRoute("/noted", get),)

    def api_routes(self) -> Sequence[Route]:
        async def get(request: web.Request) -> None:
            return None

        return (Route("GET", "/api/v1/noted", "What was noted.", get),)

    def metrics(self, label: Label) -> "Sequence[Metric]":
        from prometheus_client.metrics_core import GaugeMetricFamily

        return (GaugeMetricFamily("noted", "What was noted.", len(self.told)),)

    def findings(self, stream: Stream) -> Sequence[str]:
        return (f"{stream.path} is noted",)

    def status(self) -> Values:
        return {"told": len(self.told)}


class Broken(Feature):
    """A feature that fails whatever it is asked."""

    name = "broken"

    def __init__(self, services: Services) -> None:
        pass

    def check(self, settings: Settings) -> None:
        raise RuntimeError

    def configure(self, settings: Settings) -> None:
        raise RuntimeError

    def reload(self) -> Sequence[str]:
        raise RuntimeError

    def files(self) -> Sequence[Path]:
        raise RuntimeError

    def stream_began(self, stream: Stream, rules: StreamRules) -> None:
        raise RuntimeError

    def stop(self) -> Coroutine[None, None, None]:
        raise RuntimeError

    def routes(self) -> Sequence[HttpRoute]:
        raise RuntimeError

    def api_routes(self) -> Sequence[Route]:
        raise RuntimeError

    def metrics(self, label: Label) -> "Sequence[Metric]":
        raise RuntimeError

    def findings(self, stream: Stream) -> Sequence[str]:
        raise RuntimeError

    def status(self) -> Values:
        raise RuntimeError


class Lazy(Feature):
    """A feature whose answers fail when somebody goes through them."""

    name = "lazy"

    def __init__(self, services: Services) -> None:
        pass

    def findings(self, stream: Stream) -> Sequence[str]:
        return cast(Sequence[str], (f"{stream.path}" for _ in range(1 // 0)))

    def metrics(self, label: Label) -> "Sequence[Metric]":
        def give() -> "Iterator[Metric]":
            raise RuntimeError
            yield

        return cast("Sequence[Metric]", give())


async def test_feature_is_told_of_streams_with_their_rules_of_reloads_and_of_the_end() -> None:
    rules = [{"match": "live/*", "live": {"wait_s": 3}}]
    async with headend.Server(LISTEN | {"stream": rules}, features=[Noted]) as server:
        noted = server.services.features[Noted]
        async with server.publish("live/a"):
            await asyncio.sleep(0)
        server.reload(live={"wait_s": 1})
        server.reload()
        await server.services.access.database()
    assert noted.told == [
        "start",
        "live/a 0 3",
        "wait 1",
        "reload",
        "stop, and the database is open",
    ]


async def test_settings_that_a_feature_refuses_change_nothing() -> None:
    async with headend.Server(LISTEN, features=[Noted]) as server:
        noted = server.services.features[Noted]
        with pytest.raises(SettingsError, match="not 7"):
            server.reload(live={"wait_s": 7})
        assert server.settings.live.wait_s != 7
        assert noted.told == ["start"]
        await server.services.access.database()


async def test_feature_that_is_made_late_is_told_of_the_streams_that_are_there() -> None:
    async with headend.Server(LISTEN) as server, server.publish("live/a"):
        services = server.services
        noted = Noted(services)
        services.features.add(noted, list(services.registry.streams()))
        assert [each.partition(" ")[0] for each in noted.told] == ["start", "live/a"]
        await services.access.database()


async def test_what_a_feature_gives_is_served_over_http_by_the_api_and_in_metrics() -> None:
    async with (
        headend.Server(WITH_HTTP, features=[Broken, Lazy, Noted]) as server,
        server.publish("live/a"),
        aiohttp.ClientSession(f"http://{server.addresses['http'][0]}") as client,
    ):
        headers = {"Authorization": f"Bearer {server.admin_token}"}
        async with client.get("/noted") as answer:
            assert await answer.text() == "noted"
        async with client.head("/noted") as answer:
            assert answer.status == 200
        async with client.get("/api/v1/noted") as answer:
            assert answer.status == 401
        async with client.get("/api/v1/noted", headers=headers) as answer:
            assert answer.status == 204
        async with client.get("/api/openapi.json") as answer:
            assert "/api/v1/noted" in (await answer.json())["paths"]
        async with client.get("/metrics") as answer:
            assert "noted 2.0" in (await answer.text()).splitlines()
        async with client.get("/api/v1/server", headers=headers) as answer:
            features = (await answer.json())["features"]
            assert features["noted"] == {"told": 2}
            assert "broken" not in features
        (stream,) = server.streams()
        assert "live/a is noted" in [each["text"] for each in stream["health"]]
        await server.services.access.database()


async def test_what_a_feature_gives_that_is_made_late_is_served_too() -> None:
    async with (
        headend.Server(WITH_HTTP) as server,
        aiohttp.ClientSession(f"http://{server.addresses['http'][0]}") as client,
    ):
        headers = {"Authorization": f"Bearer {server.admin_token}"}
        for path in ("/noted", "/api/v1/noted"):
            async with client.get(path, headers=headers) as answer:
                assert answer.status == 404
        async with client.get("/api/openapi.json") as answer:
            before = (await answer.json())["paths"]
        services = server.services
        services.features.add(Noted(services), ())
        async with client.get("/noted") as answer:
            assert await answer.text() == "noted"
        async with client.head("/noted") as answer:
            assert answer.status == 200
        async with client.post("/noted") as answer:
            assert (answer.status, answer.headers["Allow"]) == (405, "GET,HEAD")
        async with client.get("/api/v1/noted") as answer:
            assert answer.status == 401
        async with client.get("/api/v1/noted", headers=headers) as answer:
            assert answer.status == 204
        async with client.get("/api/openapi.json") as answer:
            assert (await answer.json())["paths"].keys() - before.keys() == {"/api/v1/noted"}
        async with client.get("/api/docs") as answer:
            assert "What was noted." in await answer.text()
        await services.access.database()


async def test_media_files_are_served_from_the_reload_on_that_names_their_folder(
    tmp_path: Path,
) -> None:
    (tmp_path / "film.mp4").write_bytes(b"no film")
    async with (
        headend.Server(WITH_HTTP | {"live.wait_s": 0}) as server,
        aiohttp.ClientSession(f"http://{server.addresses['http'][0]}") as client,
    ):

        async def problem() -> str:
            async with client.get("/vod/film.mp4/index.m3u8") as answer:
                return str((await answer.json())["detail"])

        nobody = await problem()
        assert server.reload(vod={"folder": str(tmp_path)}) == ["settings reloaded: vod.folder"]
        assert await problem() != nobody
        server.reload(vod={"folder": ""})
        assert "no such file" in await problem()


async def test_reload_with_what_needs_a_restart_makes_no_feature() -> None:
    async with headend.Server(WITH_HTTP) as server:
        before = list(server.services.features)
        lines = server.reload(srt={"listen": "127.0.0.1:0"})
        assert lines == ["settings that need a restart: srt.listen"]
        assert list(server.services.features) == before
        await server.services.access.database()


async def test_feature_that_fails_is_named_and_disturbs_neither_streams_nor_other_features(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with headend.Server(LISTEN, features=[Broken, Noted]) as server:
        server.reload(live={"wait_s": 1})
        assert "read again" in server.reload()
        assert server.services.features.files() == []
        async with server.publish("live/a"):
            await until(lambda: len(server.services.features[Noted].told) == 4)
            assert server.streams()[0]["path"] == "live/a"
        await server.services.access.database()
        noted = server.services.features[Noted]
    assert noted.told[-1] == "stop, and the database is open"
    assert len(log_lines(caplog, "ERROR feature broken failed: a bug")) >= 5
    assert log_lines(caplog, "ERROR broken: closing it failed: a bug")


async def test_feature_that_cannot_start_at_a_reload_is_told_in_the_log_and_all_else_applies(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(self: Fallbacks) -> None:
        raise RuntimeError

    monkeypatch.setattr(Fallbacks, "start", fail)
    fallback = [{"match": "live/*", "sources": ["slate"]}]
    async with headend.Server(WITH_HTTP) as server:
        server.reload(live={"fallback": fallback, "wait_s": 1, "flush_ms": 7})
        assert log_lines(caplog, "ERROR a feature that the settings want now has failed: a bug")
        assert server.settings.live.wait_s == 1
        server.reload(live={"wait_s": 2})
        assert server.settings.live.wait_s == 2
        await server.services.access.database()


async def test_feature_that_cannot_start_with_the_server_stops_it_and_leaves_nothing_open() -> None:
    class Unable(Noted):
        def start(self) -> None:
            raise RuntimeError("no")

    server = headend.Server(LISTEN, features=[Unable])
    with pytest.raises(RuntimeError, match="no"):
        await server.start()


async def test_feature_is_found_by_its_class_and_one_that_is_not_there_is_named() -> None:
    async with headend.Server(LISTEN) as server:
        features: Features = server.services.features
        assert isinstance(features.find(Feature), Recorder)
        assert features.find(Noted) is None
        with pytest.raises(LookupError, match="Noted"):
            features[Noted]


async def test_server_without_http_has_only_the_features_that_it_has_a_use_for() -> None:
    async with headend.Server(LISTEN) as server:
        first = ["recorder", "notify", "drain"]
        assert [each.name for each in server.services.features] == first
        server.reload(live={"fallback": [{"match": "live/*", "sources": ["slate"]}]})
        assert [each.name for each in server.services.features][3:] == ["fallback"]


async def test_each_feature_has_a_name_of_its_own_and_lives_in_its_room() -> None:
    async with headend.Server(WITH_HTTP) as server:
        features = list(server.services.features)
        assert len({each.name for each in features}) == len(features) >= 7
        rooms = {type(each).__module__.split(".")[1] for each in features}
        assert not rooms & {"app", "features", "live"}
        await server.services.access.database()
