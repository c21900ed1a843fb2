"""Tests of headend.relay.api."""

from pathlib import Path
from typing import Any

import pytest
from tests.harness import until, until_so
from tests.relay.servers import place, publish_pictures, server
from tests.web import serve_stored

from headend.redaction import redact
from headend.relay.relays import Relays

OUT = {"direction": "out", "match": "live/*", "url": "rtmp://127.0.0.1:1/app", "key": "hush-key"}


async def test_relay_is_added_while_live_shown_without_its_key_and_removed(tmp_path: Path) -> None:
    async with server(tmp_path, "other") as other, serve_stored(tmp_path / "web") as web:
        await publish_pictures(await web.live.publisher("a"))
        body = OUT | {"url": f"rtmp://{place(other)}/copy", "key": "hush-{name}?q=hush-word"}
        added = await web.api("POST", "/relays", json=body)
        assert added.status == 201
        await until(lambda: other.services.registry.publication("copy/hush-a") is not None)
        answer = await web.get("/relays")
        (relay,) = answer.json["relays"]
        assert b"hush" not in answer.body
        assert (relay["id"], relay["source"]) == (added.json["id"], "api")
        assert (relay["has_key"], relay["direction"]) == (True, "out")
        (target,) = relay["targets"]
        assert (target["stream"], target["state"], target["tries"]) == ("live/a", "live", 1)
        metrics = (await web.ask("GET", "/metrics")).body.decode()
        assert f'headend_relay_tries_total{{direction="out",relay="{relay["id"]}"' in metrics
        assert "hush" not in metrics
        assert (await web.api("DELETE", f"/relays/{relay['id']}")).status == 204
        await until(lambda: other.services.registry.publication("copy/hush-a") is None)
        assert (await web.get("/relays")).json == {"relays": []}


async def test_key_in_the_path_of_a_url_is_not_shown(tmp_path: Path) -> None:
    async with server(tmp_path, "other") as other, serve_stored(tmp_path / "web") as web:
        await publish_pictures(await web.live.publisher("a"))
        body = {
            "direction": "out",
            "match": "live/*",
            "url": f"rtmp://{place(other)}/x/hush-path",
        }
        assert (await web.api("POST", "/relays", json=body)).status == 201
        await until(lambda: other.services.registry.publication("x/hush-path") is not None)
        answer = await web.get("/relays")
        assert answer.json["relays"][0]["url"] == [f"rtmp://{place(other)}/x/***"]
        assert b"hush" not in answer.body
        assert redact("x/hush-path is in use") == "x/*** is in use"


async def test_relays_that_were_added_are_there_after_a_restart(tmp_path: Path) -> None:
    async with serve_stored(tmp_path) as web:
        id = (await web.api("POST", "/relays", json=OUT)).json["id"]
        gone = (await web.api("POST", "/relays", json=OUT)).json["id"]
        assert (await web.api("DELETE", f"/relays/{gone}")).status == 204
    assert b"hush" not in (tmp_path / "headend.db").read_bytes()
    async with serve_stored(tmp_path) as web:
        await until(lambda: web.live.services.features[Relays].described())
        (relay,) = (await web.get("/relays")).json["relays"]
        assert (relay["id"], relay["has_key"]) == (id, True)


@pytest.mark.parametrize(
    ("body", "detail"),
    [
        (OUT | {"url": "ftp://h/a"}, "url must be rtmp://… or rtmps://… or srt://…."),
        (OUT | {"preset": "nowhere"}, "preset must be one of youtube"),
        ({"direction": "in", "match": "a/*", "url": "rtmp://h/a", "on_demand": False}, "wildcards"),
        (OUT | {"direction": "up"}, "direction"),
        (OUT | {"ca": "/etc/passwd"}, "ca"),
    ],
)
async def test_wrong_relay_is_refused_in_words(
    body: dict[str, Any], detail: str, tmp_path: Path
) -> None:
    async with serve_stored(tmp_path) as web:
        answer = await web.api("POST", "/relays", json=body)
        assert answer.status == 422
        assert detail in answer.detail
        assert "hush" not in answer.detail


async def test_relay_of_the_settings_is_changed_there(tmp_path: Path) -> None:
    setting = 'relay.out=[{match="live/*", url="rtmp://127.0.0.1:1/a"}]'
    async with serve_stored(tmp_path, setting) as web:
        (relay,) = (await web.get("/relays")).json["relays"]
        assert relay["source"] == "settings"
        assert (await web.api("DELETE", f"/relays/{relay['id']}")).status == 409
        assert (await web.api("DELETE", "/relays/none")).status == 404


async def test_address_that_may_not_be_called_is_failed(tmp_path: Path) -> None:
    async with serve_stored(tmp_path) as web:
        await publish_pictures(await web.live.publisher("a"))
        body = OUT | {"url": "rtmp://169.254.169.254/latest"}
        assert (await web.api("POST", "/relays", json=body)).status == 201

        async def target() -> Any:
            return (await web.get("/relays")).json["relays"][0]["targets"][0]

        async def has_tried() -> bool:
            return bool((await target())["state"] != "connecting")

        await until_so(has_tried)
        assert (await target())["state"] == "failed"
        assert "auth.outgoing" in (await target())["reason"]
