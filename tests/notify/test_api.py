"""Tests of headend.notify.api."""

from pathlib import Path
from typing import Any

from aiohttp import web as aiohttp_web
from tests.harness import until, until_so
from tests.receiver import Receiver, receiver
from tests.web import Web, serve_stored

SECRET = "0123456789abcdef"


def setting(there: Receiver, *events: str) -> str:
    patterns = ", ".join(f'"{event}"' for event in events)
    url = f"{there.url}?token=s3cret"
    return (
        f'webhooks=[{{ name = "one", url = "{url}", secret = "{SECRET}", events = [{patterns}] }}]'
    )


async def waiting(web: Web, count: int, state: str = "waiting") -> list[Any]:
    """Wait until so many events are in a state; return them."""
    while True:
        found = (await web.get(f"/webhooks/one/deliveries?state={state}")).json
        deliveries: list[Any] = found.get("deliveries", [])
        if len(deliveries) == count:
            return deliveries


async def test_receivers_are_shown_without_secrets(tmp_path: Path) -> None:
    async with (
        receiver() as there,
        serve_stored(tmp_path, setting(there, "stream.created")) as web,
    ):
        await web.publish()
        await until(lambda: there.received)

        async def seen() -> Any:
            (one,) = (await web.get("/webhooks")).json["webhooks"]
            return one

        async def has_arrived() -> bool:
            return not (await seen())["waiting"]

        await until_so(has_arrived)
        one = await seen()
        assert (one["name"], one["url"]) == ("one", f"{there.url}?…")
        assert (one["events"], one["state"]) == (["stream.created"], "ok")
        assert (one["delivered"], one["failures"], one["dead"]) == (1, 0, 0)
        (attempt,) = one["recent"]
        assert (attempt["event"], attempt["stream"]) == ("stream.created", "live/a")
        assert attempt["error"] is None
        text = str((await web.get("/webhooks")).json) + str((await web.get("/settings")).json)
        assert SECRET not in text
        assert "s3cret" not in text


async def test_server_without_webhooks_has_an_empty_list(tmp_path: Path) -> None:
    async with serve_stored(tmp_path) as web:
        empty = {"webhooks": [], "queued": 0, "lost": {}}
        assert (await web.get("/webhooks")).json == empty
        answer = await web.get("/webhooks/one/deliveries")
        assert (answer.status, answer.detail) == (404, "There is no such webhook.")


async def test_events_that_wait_come_in_pages(tmp_path: Path) -> None:
    async with (
        receiver() as there,
        serve_stored(tmp_path, setting(there, "stream.created", "stream.connected")) as web,
    ):
        there.answer = lambda _: aiohttp_web.Response(status=500)
        await web.publish()
        first, second = await waiting(web, 2)
        assert (first["event"], second["event"]) == ("stream.created", "stream.connected")
        assert first["sequence"] < second["sequence"]
        assert first["dead_at"] is None
        page = (await web.get("/webhooks/one/deliveries?limit=1")).json
        assert [each["id"] for each in page["deliveries"]] == [first["id"]]
        rest = (await web.get(f"/webhooks/one/deliveries?after={page['next']}")).json
        assert [each["id"] for each in rest["deliveries"]] == [second["id"]]
        assert rest["next"] is None
        assert (await web.get("/webhooks/one/deliveries?state=lost")).status == 422


async def test_events_that_were_given_up_are_sent_again(tmp_path: Path) -> None:
    async with (
        receiver() as there,
        serve_stored(tmp_path, setting(there, "stream.created", "stream.connected")) as web,
    ):
        there.answer = lambda _: aiohttp_web.Response(status=410)
        await web.publish()
        first, second = await waiting(web, 2, "dead")
        assert first["error"] == "HTTP status 410"
        there.answer = None
        path = f"/webhooks/one/deliveries/{first['id']}/resend"
        assert (await web.api("POST", path)).json == {"resent": 1}
        await until(lambda: len(there.received) == 3)
        assert there.documents()[-1]["id"] == first["id"]
        answer = await web.api("POST", path)
        assert (answer.status, answer.detail) == (404, "No such event was given up.")
        assert (await web.api("POST", "/webhooks/one/resend")).json == {"resent": 1}
        await until(lambda: len(there.received) == 4)
        assert there.documents()[-1]["id"] == second["id"]
        assert (await web.api("POST", "/webhooks/one/resend")).json == {"resent": 0}
        assert (await web.api("POST", "/webhooks/two/resend")).status == 404


async def test_test_event_tells_what_came_of_it(tmp_path: Path) -> None:
    async with receiver() as there, serve_stored(tmp_path, setting(there, "key.used")) as web:
        there.answer = lambda _: aiohttp_web.Response(status=401)
        attempt = (await web.api("POST", "/webhooks/one/test")).json
        assert (attempt["event"], attempt["error"]) == ("webhook.test", "HTTP status 401")
        assert there.documents()[0]["type"] == "webhook.test"


async def test_webhooks_are_in_the_metrics(tmp_path: Path) -> None:
    async with (
        receiver() as there,
        serve_stored(tmp_path, setting(there, "stream.created")) as web,
    ):
        await web.publish()
        await until(lambda: there.received)
        async with web.client.get(f"{web.base}/metrics") as response:
            text = await response.text()
        assert 'headend_webhook_letters_total{outcome="failed",webhook="one"} 0.0' in text
        assert 'headend_webhook_waiting{webhook="one"}' in text
        assert "headend_webhook_queued 0.0" in text
