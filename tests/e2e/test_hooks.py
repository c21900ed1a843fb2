"""Tests of webhooks, callback and Python hooks with a real server and real encoders."""

import json
import shutil
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from tests.e2e.backend import Backend, free_port
from tests.e2e.conftest import StartServer
from tests.e2e.examples import EXAMPLES
from tests.e2e.peers import Peers
from tests.e2e.server import Server, environ
from tests.e2e.wait import wait_for
from tests.receiver import Received

pytestmark = pytest.mark.e2e

SECRET = "0123456789abcdef"


@pytest.fixture
def backend() -> Iterator[Backend]:
    """A server that does not listen yet."""
    made = Backend()
    yield made
    made.stop()


def webhook(url: str, *events: str) -> str:
    patterns = f", events = {json.dumps(events)}" if events else ""
    return f'webhooks=[{{ name = "one", url = "{url}", secret = "{SECRET}"{patterns} }}]'


def attempts(server: Server) -> list[Any]:
    """Attempts to deliver so far; none while the database is busy."""
    status, body = server.get("/api/v1/webhooks", server.token)
    return list(json.loads(body)["webhooks"][0]["recent"]) if status == 200 else []


def recorded(server: Server) -> list[Any]:
    """Events that wait in the database; none while it is not open yet."""
    path = "/api/v1/webhooks/one/deliveries?limit=1000"
    status, body = server.get(path, server.token)
    return list(json.loads(body)["deliveries"]) if status == 200 else []


def test_life_of_a_stream_is_told_in_order(
    start_server: StartServer, backend: Backend, peers: Peers, clip: Path
) -> None:
    backend.start()
    server = start_server(webhook(backend.url, "stream.*", "session.*"))
    publisher = peers.publish(clip, server.url("live/a"), is_endless=True)
    backend.wait_types(
        "live/a", "stream.created", "stream.connected", "session.started", "stream.active"
    )
    server.wait_media("live/a", 10_000)
    publisher.send(signal.SIGINT)
    publisher.wait()
    backend.wait_types(
        "live/a",
        *("stream.created", "stream.connected", "session.started", "stream.active"),
        *("stream.disconnected", "stream.ended", "session.ended"),
    )
    by_type = {each["type"]: each["data"] for each in backend.received}
    assert by_type["stream.disconnected"]["reason"] == "ended"
    session, stream = by_type["session.ended"], by_type["stream.ended"]
    assert session["bytes"] == stream["bytes"] >= 10_000
    assert session["protocol"] == "rtmp"
    assert session["address"] == "127.0.0.1"
    assert session["user_agent"]
    assert 0 < session["duration_s"] <= stream["duration_s"] + 0.5


def test_every_event_arrives_in_order_though_the_receiver_is_away_and_the_server_killed(
    database_url: str, tmp_path: Path, backend: Backend, peers: Peers, clip: Path
) -> None:
    folder = tmp_path / "server"
    folder.mkdir()
    settings = (
        webhook(backend.url),
        f"auth.database={database_url}",
        "live.reconnect_window_s=0.5",
    )
    first = Server(folder, *settings)
    try:
        for name in ("a", "b"):  # one stream that ends, and two that are killed with the server
            peers.publish(clip, first.url(f"live/{name}"), is_endless=True)
        peers.publish(clip, first.url("live/c")).succeed()
        wait_for(
            lambda: (
                {"stream.active live/a", "stream.active live/b", "stream.ended live/c"}
                <= {f"{each['event']} {each['stream']}" for each in recorded(first)}
            ),
            "events in the database",
        )
        wait_for(lambda: attempts(first), "an attempt")
        before = recorded(first)
        first.process.kill()  # SIGKILL
    finally:
        first.stop()
    (folder / "ready.json").unlink()
    second = Server(folder, *settings)
    try:
        peers.publish(clip, second.url("live/a")).succeed()
        wait_for(
            lambda: len([e for e in recorded(second) if e["event"] == "stream.ended"]) >= 2,
            "new events in the database",
        )
        after = recorded(second)
        assert [each["id"] for each in after][: len(before)] == [each["id"] for each in before]
        backend.start()
        expected = {each["id"] for each in after}
        wait_for(lambda: expected <= {each["id"] for each in backend.received}, "all events")
    finally:
        assert second.stop() == 0
    for stream in ("live/a", "live/b", "live/c", None):
        sequences: dict[str, int] = {}
        for each in backend.received:
            if each["data"].get("stream") == stream:
                sequences.setdefault(each["id"], each["sequence"])
        assert list(sequences.values()) == sorted(sequences.values()), stream
    assert backend.types("live/a")[:4] == [
        *("stream.created", "stream.connected", "session.started", "stream.active")
    ]
    assert backend.types("live/a")[-3:] == ["stream.disconnected", "stream.ended", "session.ended"]
    assert backend.types("live/a").count("stream.created") == 2


def test_callback_refuses_with_words_that_the_encoder_shows_renames_and_sees_viewers(
    start_server: StartServer, backend: Backend, peers: Peers, clip: Path, tmp_path: Path
) -> None:
    def answer(request: Received) -> web.Response:
        asked = request.document["data"]
        if asked["action"] == "play":
            return web.json_response(
                {"decision": "deny", "reason": "viewers pay first"}, status=403
            )
        if asked["name"] == "sunday":
            return web.json_response({"decision": "deny", "reason": "we are closed on Sundays"})
        return web.json_response({"stream": f"shop/{asked['name']}-42"})

    backend.answer = answer
    backend.start()
    server = start_server(f"auth.callback_url={backend.url}", f"auth.callback_secret={SECRET}")
    refused = peers.publish(clip, server.url("live/sunday"))
    assert refused.wait() != 0
    assert "we are closed on Sundays" in refused.output()
    server.wait_log("refused: we are closed on Sundays (NetStream.Publish.Denied)")
    peers.publish(clip, server.url("live/a"), is_endless=True)
    server.wait_media("shop/a-42")
    assert "live/a" not in server.streams()
    viewer = peers.play(server.url("shop/a-42"), tmp_path / "played.flv")
    assert viewer.wait() != 0
    assert "viewers pay first" in viewer.output()
    status, body = server.get("/shop/a-42.flv")
    assert (status, json.loads(body)["detail"]) == (403, "viewers pay first")
    addresses = {each["data"]["address"] for each in backend.received}
    assert addresses == {"127.0.0.1"}


def test_publishers_wait_for_no_callback_that_is_down_where_the_settings_say_so(
    start_server: StartServer, peers: Peers, clip: Path
) -> None:
    url = f"http://127.0.0.1:{free_port()}/"
    server = start_server(f"auth.callback_url={url}", "auth.callback_fail=open")
    peers.publish(clip, server.url("live/a")).succeed()
    server.wait_log("callback failed: 127.0.0.1: Connection refused; auth.callback_fail = open")
    closed = start_server(f"auth.callback_url={url}")
    publisher = peers.publish(clip, closed.url("live/a"))
    assert publisher.wait() != 0
    assert "it could not be asked whether this is allowed" in publisher.output()


def test_example_of_python_hooks_decides_and_is_told(
    start_server: StartServer, peers: Peers, clip: Path, tmp_path: Path
) -> None:
    shutil.copy(EXAMPLES / "my_hooks.py", tmp_path)
    file = tmp_path / "headend.toml"
    file.write_text('hooks = "my_hooks"\n[log]\nlevel = "debug"\n')
    server = start_server(arguments=("-c", str(file)))
    stranger = peers.publish(clip, server.url("live/zoe"))
    assert stranger.wait() != 0
    assert "nobody called zoe has a show here" in stranger.output()
    peers.publish(clip, server.url("live/test-1"), is_endless=True)
    server.wait_media("rehearsal/test-1")
    peers.publish(clip, server.url("live/ann")).succeed()
    assert "bytes in" in server.wait_log("publish of live/ann by 127.0.0.1: ")
    status, body = server.get("/archive/old.flv")
    assert status in (302, 307, 403), body


def test_hooks_that_cannot_be_loaded_keep_the_server_from_starting(
    start_server: StartServer,
) -> None:
    server = start_server("hooks=no_such_module:hooks", is_ready=False)
    assert server.process.wait() == 2
    last = server.process.output().splitlines()[-1]
    assert 'hooks = "no_such_module:hooks": ModuleNotFoundError' in last


def test_example_of_a_receiver_prints_what_is_signed(
    start_server: StartServer, peers: Peers, clip: Path
) -> None:
    port = free_port()
    program = (sys.executable, str(EXAMPLES / "webhook_receiver.py"), str(port), SECRET)
    there = peers.run(*program, environ=environ())
    server = start_server(webhook(f"http://127.0.0.1:{port}/", "stream.*"))
    peers.publish(clip, server.url("live/a")).succeed()
    there.wait_output('"type":"stream.ended"')
    types = [json.loads(line)["type"] for line in there.output().splitlines()]
    assert types == [
        f"stream.{change}" for change in ("created", "connected", "active", "disconnected", "ended")
    ]
