"""Tests of with real peers what is kept about them, and that no secret is."""

import asyncio
import json
import re
import socket
import time
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from tests.e2e.conftest import StartServer
from tests.e2e.peers import Peers
from tests.e2e.server import Server
from tests.e2e.wait import wait_for
from tests.no_secrets import WATCH

from headend.access.tokens import Token, Tokens
from headend.store.database import Database
from headend.store.history import KILLED
from headend.store.keys import KeyStore
from headend.store.publish_key import KeyOptions
from headend.store.server_secret import ServerSecret

pytestmark = pytest.mark.e2e

WRONG_KEY = "hk_" + "Wr0ngK3y" * 4
PASSWORD = "correct-horse-battery"
HOSTILE_TOKEN = "eyJhbGciOiJIUzI1NiJ9.eyJzdHJlYW0iOiJhIn0.bm90LW91cnMtYXQtYWxs"


def api(server: Server, path: str) -> Any:
    """Ask the API; the database may be opening yet."""

    def look() -> str:
        status, body = server.get(f"/api/v1/{path}", server.token)
        assert status in (200, 503), body
        return body if status == 200 else ""

    return json.loads(wait_for(look, path))


def make_key(server: Server, stream: str) -> str:
    """Make a publish key in the database of a server that runs."""

    async def make() -> str:
        secret = ServerSecret.load_or_create(server.data)
        database = Database("", server.data)
        await database.open()
        new = await KeyStore(database, secret).create(stream, KeyOptions(), time.time())
        await database.close()
        return new.secret

    return asyncio.run(make())


def make_token(server: Server, pattern: str, expires_at: float | None = None) -> str:
    """Sign a playback token of a server."""
    tokens = Tokens(ServerSecret.load_or_create(server.data).derive("tokens"))
    end = time.time() + 3600 if expires_at is None else expires_at
    return tokens.sign(Token("", pattern, "play", end, subject="customer 17"), time.time())


def test_refusal_says_the_same_to_the_encoder_the_log_the_api_and_the_audit_trail(
    start_server: StartServer, peers: Peers, clip: Path
) -> None:
    server = start_server("auth.publish=key")
    encoder = peers.publish(clip, server.url(f"live/a?key={WRONG_KEY}"))
    assert encoder.wait() != 0
    (refused,) = api(server, "sessions?state=refused")["sessions"]
    assert (refused["code"], refused["publishes"]) == ("NetStream.Publish.Denied", ["live/a"])
    assert refused["reason"] in encoder.output()
    assert f"{refused['reason']} ({refused['code']})" in server.wait_log("live/a refused")
    assert api(server, f"sessions/{refused['id']}") == refused
    (entry,) = wait_for(
        lambda: api(server, "audit?outcome=refused&action=publish")["entries"], "an audit entry"
    )
    assert entry["detail"] == f"{refused['code']}: {refused['reason']}"
    assert (entry["target"], entry["address"]) == ("live/a", "127.0.0.1")
    (kept,) = api(server, "history?refused=true")["sessions"]
    assert (kept["code"], kept["reason"]) == (refused["code"], refused["reason"])
    listed = peers.headend("audit", "list", "--data", str(server.data), "--json")
    listed.succeed()
    assert refused["reason"] in listed.output()


def test_history_outlives_a_kill(
    start_server: StartServer, peers: Peers, clip: Path, tmp_path: Path
) -> None:
    server = start_server()
    peers.publish(clip, server.url("live/a"), is_endless=True)
    server.wait_media("live/a")
    peers.play(server.url("live/a"), tmp_path / "played.flv")
    wait_for(lambda: len(api(server, "history?open=true")["sessions"]) == 2, "two open rows")
    server.process.kill()
    server.look_for_secrets()
    again = start_server(arguments=("--data", str(server.data)))
    again.data = server.data
    wait_for(lambda: not api(again, "history?open=true")["sessions"], "no open rows")
    publish, play = sorted(api(again, "history")["sessions"], key=lambda each: str(each["kind"]),
                           reverse=True)  # fmt: skip
    assert (publish["kind"], play["kind"]) == ("publish", "play")
    for record in (publish, play):
        assert record["reason"] == KILLED
        assert record["started_at"] <= record["ended_at"] <= time.time()


def test_sessions_are_kept_with_their_totals(
    start_server: StartServer, peers: Peers, clip: Path, tmp_path: Path
) -> None:
    server = start_server()
    played = peers.play(server.url("live/a"), tmp_path / "played.flv")
    server.wait_log("play live/a waits")
    peers.publish(clip, server.url("live/a"), is_paced=True).succeed()
    played.wait()
    found = wait_for(lambda: api(server, "history?open=false")["sessions"][1:], "two rows")
    assert found
    by_kind = {record["kind"]: record for record in api(server, "history")["sessions"]}
    assert by_kind["publish"]["bytes"] > 1000
    assert by_kind["play"]["bytes"] > 1000
    assert by_kind["play"]["protocol"] == "rtmp"
    assert by_kind["publish"]["address"] == "127.0.0.1"


def test_publisher_over_its_bit_rate_is_told_why(
    start_server: StartServer, peers: Peers, clip: Path
) -> None:
    server = start_server("limits.publisher_bit_rate=1000", "limits.publisher_bit_rate_s=1")
    encoder = peers.publish(clip, server.url("live/a"), is_endless=True)
    assert encoder.wait() != 0
    line = server.wait_log("live/a ended: ")
    assert "over 1 s is more than the 0.001 Mbit/s allowed" in line
    (session,) = api(server, "sessions?state=over")["sessions"]
    assert session["reason"] in line
    assert session["reason"] in encoder.output()


def test_addresses_are_nowhere_where_pseudonyms_stand_for_them(
    start_server: StartServer, peers: Peers, clip: Path, tmp_path: Path
) -> None:
    server = start_server("privacy.addresses=pseudonymous", "auth.private=vip/*")
    peers.publish(clip, server.url("live/a"), is_endless=True)
    stream = server.wait_media("live/a")
    assert re.match(r"anon-[a-z2-7]{16}:\d+$", stream["publisher"])
    viewer = peers.play(f"http://{server.http[0]}/live/a.flv", tmp_path / "played.flv")
    server.wait_stream("live/a", viewers=1)
    assert server.get("/vip/b.flv")[0] == 403
    assert server.get("/api/v1/server", "wrong")[0] == 401
    host, _, port = server.http[0].rpartition(":")
    with socket.create_connection((host, int(port))) as sock:
        sock.sendall(b"\x16\x03\x01 is no HTTP\r\n\r\n")
        assert sock.recv(100)
    server.wait_log("sent no HTTP")
    viewer.kill()
    wait_for(lambda: api(server, "history?open=false")["sessions"], "rows that ended")
    wait_for(lambda: api(server, "audit")["entries"][1:], "entries")
    told = [json.dumps(api(server, path)) for path in ("sessions", "history", "audit", "streams")]
    assert all("127.0.0.1" not in text for text in told)
    assert all("anon-" in text for text in told)
    # What a person on this machine is to use is said with its address.
    ours = ("listens on", "the new admin token is in")
    lines = [line for line in server.log() if not any(text in line for text in ours)]
    assert not [line for line in lines if "127.0.0.1" in line]
    assert [line for line in lines if re.search(r"rtmp anon-[a-z2-7]{16}:\d+ publish live/a", line)]
    exported = peers.headend(
        *("privacy", "export", "--data", str(server.data), "--address", "127.0.0.1")
    )
    exported.succeed()
    assert len(json.loads(exported.output())["sessions"]) >= 3


def test_no_key_token_or_password_is_seen_whatever_is_done_with_them(
    start_server: StartServer, peers: Peers, clip: Path, tmp_path: Path
) -> None:
    server = start_server(
        "auth.publish=key", "auth.private=vip/*", "auth.password_apps=studio", "live.wait_s=0"
    )
    key, other = make_key(server, "vip/a"), make_key(server, "live/a")
    token, expired = make_token(server, "vip/*"), make_token(server, "vip/*", time.time() - 60)
    WATCH.remember(key, other, token, expired, WRONG_KEY, PASSWORD, HOSTILE_TOKEN)
    publisher = peers.publish(clip, server.url(f"vip/a?key={key}"), is_endless=True)
    server.wait_media("vip/a")
    host, base = server.rtmp[0], f"http://{server.http[0]}"
    refused = [
        peers.publish(clip, url)
        for url in (
            server.url(f"live/a?key={WRONG_KEY}"),
            server.url(f"live/{WRONG_KEY}"),
            server.url(f"live/{key}"),
            f"rtmp://{host}/live?key={WRONG_KEY}/a",
            f"rtmp://ann:{PASSWORD}@{host}/studio/a",
            server.url(f"live/b?token={HOSTILE_TOKEN}"),
        )
    ]
    refused += [
        peers.play(server.url(f"vip/a?token={each}"), tmp_path / f"{number}.flv")
        for number, each in enumerate((HOSTILE_TOKEN, expired))
    ]
    viewer = peers.play(server.url(f"vip/a?token={token}"), tmp_path / "vip.flv")
    server.wait_stream("vip/a", viewers=1)
    for path in (
        f"/vip/a.flv?token={HOSTILE_TOKEN}",
        f"/vip/a/index.m3u8?token={expired}",
        f"/vip/{HOSTILE_TOKEN}/a.flv",
        f"/watch/vip/a?token={HOSTILE_TOKEN}",
        f"/live/{WRONG_KEY}.flv",
        f"/api/v1/streams?after={WRONG_KEY}",
        f"/api/v1/nothing/{key}?token={token}",
        f"/{quote(f'rtmp://ann:{PASSWORD}@h/', safe='')}/a.flv",
    ):
        status, body = server.get(path, HOSTILE_TOKEN)
        assert status >= 400 or "/watch/" in path, path
        assert WRONG_KEY not in body
    curl = peers.run(
        *("curl", "-s", "-o", str(tmp_path / "out"), "-m", "2"),
        *("-e", f"{base}/watch/vip/a?token={token}", "-A", f"x token={token}"),
        *("-H", f"Cookie: headend_session={PASSWORD}", f"{base}/vip/a.flv?token={token}"),
    )
    curl.wait()
    for encoder in refused:
        encoder.wait()
    viewer.kill()
    ask_everything(server)
    publisher.kill()
    server.stop()
    assert [line for line in server.log() if "vip/a" in line]


def ask_everything(server: Server) -> None:
    """Ask for all that the API gives; the helper has each answer looked through."""
    document = json.loads(server.get("/api/openapi.json")[1])
    number = api(server, "sessions?state=refused")["sessions"][0]["id"]
    for path, operations in document["paths"].items():
        if "get" in operations and not path.endswith("/events"):
            filled = path.replace("{path}", "vip/a").replace("{id}", str(number))
            server.get(re.sub(r"\{\w+\}", "pk_none", filled), server.token)
    for state in ("over", "refused"):
        api(server, f"sessions?state={state}")
    for path in ("/metrics", "/api/docs", "/", "/readyz"):
        server.get(path)
