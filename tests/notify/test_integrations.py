"""Tests of headend.notify.integrations, in a server that runs."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web
from tests.harness import command, live_server, log_lines, until
from tests.receiver import receiver

from headend.app import Server
from headend.errors import SettingsError
from headend.events import Event, SessionEnded
from headend.notify.integrations import Integrations
from headend.settings import load_settings

SECRET = "0123456789abcdef"


@pytest.fixture
def these_hooks(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Name of a module that is forgotten when the test is over."""
    monkeypatch.setattr(sys, "path", list(sys.path))
    yield "these_hooks"
    sys.modules.pop("these_hooks", None)


async def test_server_without_integrations_loads_none(tmp_path: Path) -> None:
    async with live_server(tmp_path) as live:
        integrations = live.services.features[Integrations]
        assert integrations.webhooks is None
        assert integrations.callback is None
        assert integrations.hooks is None
        assert live.services.gate.authorizers == []


async def test_webhooks_and_callback_come_and_go_with_a_reload(tmp_path: Path) -> None:
    file = tmp_path / "headend.toml"
    file.write_text("")
    async with (
        receiver() as hook,
        receiver() as backend,
        live_server(tmp_path, path=file) as live,
    ):
        await live.publisher("a")
        webhook = {"name": "one", "url": hook.url, "secret": SECRET}
        pairs = ", ".join(f"{name} = {json.dumps(value)}" for name, value in webhook.items())
        file.write_text(f'webhooks = [{{ {pairs} }}]\n[auth]\ncallback_url = "{backend.url}"')
        live.server.reload()
        await live.publisher("b")
        await until(lambda: hook.received and backend.received)
        assert backend.documents()[0]["data"]["stream"] == "live/b"
        file.write_text("")
        live.server.reload()
        count = len(backend.received)
        await live.publisher("c")
        assert len(backend.received) == count
        assert "live/c" not in json.dumps(hook.documents())


async def test_calls_go_where_a_reload_allows(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = tmp_path / "headend.toml"
    async with receiver() as backend:
        text = f'[auth]\ncallback_url = "{backend.url}"\n'
        file.write_text(f'{text}outgoing = ["other.example"]')
        async with live_server(tmp_path, path=file) as live:
            peer = await live.connected()
            await peer.send(command("publish", 3, None, "a", "live", on=1))
            await peer.expect("NetStream.Publish.Denied")
            assert log_lines(caplog, "127.0.0.1 is not allowed")
            file.write_text(f'{text}outgoing = ["127.0.0.0/8"]')
            live.server.reload()
            await live.publisher("a")
            assert len(backend.received) == 1


async def test_python_hooks_are_asked_before_the_callback(tmp_path: Path, these_hooks: str) -> None:
    (tmp_path / f"{these_hooks}.py").write_text(
        "from headend.hooks import Allow, Deny, Hooks\n"
        "hooks = Hooks()\n"
        "@hooks.on_publish\n"
        "async def check(request):\n"
        '    return Deny("no") if request.name == "a" else Allow("live/c")\n'
    )

    file = tmp_path / "headend.toml"
    async with receiver() as backend:
        file.write_text(f'hooks = "{these_hooks}:hooks"\n[auth]\ncallback_url = "{backend.url}"\n')
        async with live_server(tmp_path, path=file) as live:
            peer = await live.connected()
            await peer.send(command("publish", 3, None, "a", "live", on=1))
            await peer.expect("NetStream.Publish.Denied")
            assert backend.received == []
            await live.publisher("b")
            assert backend.documents()[0]["data"]["stream"] == "live/c"
            assert live.services.registry.stream("live/c") is not None
            assert live.services.registry.stream("live/b") is None


async def test_hooks_that_cannot_be_loaded_leave_nothing_open(tmp_path: Path) -> None:
    given = ("rtmp.listen=127.0.0.1:0", "tls.listen=off", "http.listen=off", "srt.listen=off")
    server = Server(
        load_settings(None, (*given, f"data={tmp_path}", "hooks=no_such_module:hooks"), {})
    )
    with pytest.raises(SettingsError, match="no_such_module"):
        await server.start()


async def test_server_that_stops_has_kept_its_last_events(tmp_path: Path) -> None:
    async with receiver() as hook:
        url = hook.url
    pairs = f'name = "one", url = "{url}", secret = "{SECRET}"'
    async with live_server(tmp_path, f"webhooks=[{{ {pairs} }}]") as live:
        await live.publisher("a")
    async with live_server(tmp_path, f"webhooks=[{{ {pairs} }}]") as live:
        integrations = live.services.features[Integrations]
        webhooks = integrations.webhooks
        assert webhooks is not None
        await until(lambda: webhooks.outbox)
        assert webhooks.outbox is not None
        events = [each.event for each in await webhooks.outbox.page("one", is_dead=False)]
        expected = ["server.started", "stream.created", "server.stopping", "session.ended"]
        assert [event for event in events if event in expected][:4] == expected


async def test_limits_that_a_callback_sets_hold(tmp_path: Path) -> None:
    async with receiver() as backend:
        backend.answer = lambda request: web.json_response(
            {
                "max_duration_s": 0.3,
                "max_viewers": 1,
                "subject": "Ann",
                "tags": {"plan": "gold"},
            }
            if request.document["type"] == "authorize.publish"
            else {}
        )
        async with live_server(tmp_path, f"auth.callback_url={backend.url}") as live:
            heard: list[Event] = []
            live.services.events.subscribe(heard.append)
            publisher = await live.publisher("a")
            await live.player("a")
            second = await live.connected()
            await second.send(command("play", 3, None, "a", on=1))
            await second.expect("NetStream.Play.Failed")
            await publisher.expect_close()
            over = [each for each in heard if isinstance(each, SessionEnded)]
            published = next(each for each in over if each.action == "publish")
            assert (published.subject, published.tags) == ("Ann", (("plan", "gold"),))
            assert any("the longest time allowed is over" in each.reason for each in over)


async def test_viewer_is_sent_elsewhere_by_a_callback(tmp_path: Path) -> None:
    elsewhere = "http://b.example/live/a.flv"
    async with receiver() as backend:
        backend.answer = lambda _: web.json_response({"decision": "redirect", "url": elsewhere})
        settings = (f"auth.callback_url={backend.url}", "auth.callback_actions=play")
        async with (
            live_server(tmp_path, "http.listen=127.0.0.1:0", *settings) as live,
            aiohttp.ClientSession() as client,
        ):
            url = f"http://{live.server.addresses['http'][0]}/live/a.flv"
            async with client.get(url, allow_redirects=False) as response:
                assert response.status == 307
                assert response.headers["Location"] == elsewhere
            player = await live.connected()
            await player.send(command("play", 3, None, "a", on=1))
            await player.expect("NetStream.Play.Failed")
