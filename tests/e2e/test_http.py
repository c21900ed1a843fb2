"""Tests of what the server tells over HTTP while a stream is live."""

import json
from pathlib import Path

import pytest
from tests.e2e.conftest import StartServer
from tests.e2e.metrics import samples
from tests.e2e.peers import Peers
from tests.e2e.server import Server

pytestmark = pytest.mark.e2e


def test_server_says_that_it_is_well(server: Server) -> None:
    assert server.get("/healthz") == (200, '{"status": "ok"}')
    assert server.get("/readyz") == (200, '{"status": "ready"}')


@pytest.mark.parametrize("token", [None, "", "wrong", "é"])
def test_api_is_closed_to_all_without_the_token(token: str | None, server: Server) -> None:
    status, body = server.get("/api/v1/streams", token)
    assert status == 401
    assert json.loads(body)["title"] == "Unauthorized"


def test_unknown_page_is_not_found(server: Server) -> None:
    assert server.get("/nowhere")[0] == 404
    assert server.get("/api/v1/nowhere", server.token)[0] == 404


def test_stream_is_shown_with_its_codecs_and_viewers(
    server: Server, peers: Peers, clip: Path, tmp_path: Path
) -> None:
    peers.publish(clip, server.url("live/a"), is_endless=True)
    server.wait_media("live/a")
    peers.play(server.url("live/a"), tmp_path / "first.flv")
    peers.rtmpdump(server.url("live/a"), tmp_path / "second.flv")
    stream = server.wait_stream("live/a", viewers=2)
    assert stream["state"] == "live"
    assert (stream["app"], stream["name"]) == ("live", "a")
    assert stream["publisher"].startswith("127.0.0.1:")
    video, audio = stream["tracks"]
    assert (video["kind"], video["codec"], video["width"]) == ("video", "h264", 160)
    assert (audio["kind"], audio["codec"], audio["sample_rate"]) == ("audio", "aac", 44100)
    assert 0 < stream["uptime_s"] < 60
    assert stream["late"] == stream["skips"] == 0
    values = samples(server.get("/metrics")[1])
    assert values["headend_connections"] == 3
    assert values["headend_publishes_total"] == 1
    assert values["headend_plays_total"] == 2
    assert values["headend_stream_viewers{live/a}"] == 2
    assert values["headend_stream_live{live/a}"] == 1
    assert values["headend_stream_received_bytes_total{live/a}"] >= stream["bytes_in"]


def test_metrics_count_what_was_refused(
    start_server: StartServer, peers: Peers, clip: Path
) -> None:
    server = start_server("auth.publish=key")
    peers.publish(clip, server.url("live/a")).wait()
    values = samples(server.get("/metrics")[1])
    assert values["headend_requests_refused_total"] == 1
    assert values["headend_publishes_total"] == 0
    assert "headend_stream_viewers{live/a}" not in values
