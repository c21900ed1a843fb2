"""Tests of who may publish and play, with a whole server and peers of raw bytes."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.harness import (
    C0_C1,
    C2,
    KEYFRAME,
    VIDEO_HEADER,
    Live,
    Peer,
    command,
    live_server,
    log_lines,
    until,
)

from headend.access.grant import Grant
from headend.access.tokens import Token
from headend.decisions import AccessRequest, Allow, Decision, Deny, Redirect
from headend.errors import DatabaseError, Refusal, Rejected
from headend.events import KeyUsed
from headend.store.publish_key import KeyOptions, NewKey

DENIED = "NetStream.Publish.Denied"


@asynccontextmanager
async def keyed(data: Path, *settings: str) -> AsyncIterator[Live]:
    """Run a server where publishing needs a key."""
    async with live_server(data, "auth.publish=key", *settings) as live:
        yield live


async def new_key(live: Live, stream: str = "live/a", options: KeyOptions | None = None) -> NewKey:
    store = await live.key_store()
    while True:
        with suppress(DatabaseError):  # a disk that is busy may answer too late
            return await store.create(stream, options or KeyOptions(), time.time())


async def publish(live: Live, name: str, app: str = "live") -> Peer:
    """Ask for a publish."""
    peer = await live.connected()
    await peer.send(command("publish", 3, None, name, "live", on=1))
    return peer


def token(live: Live, **values: object) -> str:
    made = Token("", "vip/*", "play", time.time() + 60)
    return live.services.access.tokens.sign(replace(made, **values), time.time())  # type: ignore[arg-type]


# ---------------------------------------------------------------------- user and password

WANTED = "publishing to this app needs user and password, or a publish key"


async def ask_to_publish(live: Live, connect: dict[str, Any], name: str) -> Peer:
    """Publish with a connect of one's own making, whatever it is answered."""
    peer = await live.peer()
    await peer.send(C0_C1 + C2 + command("connect", 1, connect))
    await peer.send(command("createStream", 2, None))
    await peer.send(command("publish", 3, None, name, "live", on=1))
    return peer


@pytest.mark.parametrize(
    ("connect", "name"),
    [
        ({"app": "studio"}, "cam"),  # without type, as a player connects
        ({"app": "studio", "type": 1.0}, "cam"),
        ({"app": "studio/"}, "cam"),
        ({"app": "studio/_definst_"}, "cam"),
        ({"app": ""}, "studio/cam"),
        ({"app": "", "tcUrl": "rtmp://h/studio"}, "cam"),
        ({"app": "", "type": "nonprivate"}, "studio/cam"),
        ({"app": "studio?key=x", "type": "nonprivate"}, "cam"),
        ({"app": "studio"}, "cam?key=x"),
        ({"app": "studio?token=x", "type": "nonprivate"}, "cam"),
    ],
)
@pytest.mark.parametrize("mode", ["open", "loopback"])
async def test_nobody_publishes_to_a_password_app_without_having_signed_in(
    connect: dict[str, Any], name: str, mode: str, tmp_path: Path
) -> None:
    settings = (f"auth.publish={mode}", "auth.password_apps=studio")
    async with live_server(tmp_path, *settings) as live:
        await live.key_store()
        peer = await ask_to_publish(live, connect, name)
        await peer.expect(DENIED)
        wrong = "the publish key is not valid", "the token is not valid"
        assert peer.reasons[-1] in (WANTED, *wrong)
        assert live.services.registry.publication("studio/cam") is None
        await live.publisher("cam")  # of another app


async def test_key_of_its_stream_publishes_to_a_password_app(tmp_path: Path) -> None:
    settings = ("auth.publish=open", "auth.password_apps=studio")
    async with live_server(tmp_path, *settings) as live:
        new = await new_key(live, "studio/cam")
        other = await new_key(live, "live/cam")
        peer = await ask_to_publish(live, {"app": "studio"}, f"cam?key={other.secret}")
        await peer.expect(DENIED)
        peer = await ask_to_publish(live, {"app": "studio"}, f"cam?key={new.secret}")
        await peer.expect("NetStream.Publish.Start")


async def test_encoder_that_says_it_publishes_is_asked_before(tmp_path: Path) -> None:
    async with live_server(tmp_path, "auth.password_apps=studio") as live:
        peer = await ask_to_publish(live, {"app": "studio", "type": "nonprivate"}, "cam")
        await peer.expect("NetConnection.Connect.Rejected")
        assert "authmod=adobe" in peer.reasons[-1]


# ---------------------------------------------------------------------- keys


@pytest.mark.parametrize("form", ["a?key={}", "{}"])
async def test_right_key_publishes_its_stream(tmp_path: Path, form: str) -> None:
    async with keyed(tmp_path) as live:
        new = await new_key(live)
        peer = await publish(live, form.format(new.secret))
        await peer.expect("NetStream.Publish.Start")
        publication = live.services.registry.publication("live/a")
        assert publication is not None
        assert publication.holder == f"key:{new.key.id}"


async def test_what_is_wrong_with_a_key_is_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    from ipaddress import ip_network

    async with keyed(tmp_path) as live:
        store = await live.key_store()
        good = await new_key(live)
        revoked = await new_key(live)
        await store.revoke(revoked.key.id, time.time())
        now = time.time()
        foreign = await new_key(live, options=KeyOptions(networks=(ip_network("203.0.113.0/24"),)))
        secure = await new_key(live, options=KeyOptions(tls_only=True))
        over = await store.create("live/a", KeyOptions(expires_at=now - 1), now - 2)
        for name, reason in (
            ("a", "publishing needs a valid publish key here"),
            ("a?key=hk_" + 32 * "x", "the publish key is not valid"),
            ("hk_short", "the publish key is not valid"),
            (f"a?key={revoked.secret}", "the publish key was revoked"),
            (f"a?key={over.secret}", "the publish key has expired"),
            (f"a?key={foreign.secret}", "the publish key is not for this address"),
            (f"a?key={secure.secret}", "the publish key is for TLS only"),
            (f"b?key={good.secret}", "the publish key is not for this stream"),
        ):
            peer = await publish(live, name)
            await peer.expect(DENIED)
            assert reason in peer.reasons[-1]
            await peer.expect_close()
        assert live.services.registry.publication("live/a") is None
        for new in (good, revoked, foreign, secure, over):
            assert new.secret not in caplog.text


async def test_bare_key_is_for_its_app_only(tmp_path: Path) -> None:
    async with keyed(tmp_path) as live:
        new = await new_key(live, "studio/a")
        peer = await publish(live, new.secret)  # to the app live
        await peer.expect(DENIED)
        assert "not for this app" in peer.reasons[-1]


async def test_revoking_a_key_in_the_database_ends_what_it_publishes(tmp_path: Path) -> None:
    async with keyed(tmp_path) as live:
        new = await new_key(live)
        peer = await publish(live, new.secret)
        await peer.expect("NetStream.Publish.Start")
        store = await live.key_store()
        await store.revoke(new.key.id, time.time())
        await peer.expect(DENIED)
        assert "the publish key was revoked" in peer.reasons[-1]
        await peer.expect_close()
        assert live.services.registry.publication("live/a") is None
        await until(lambda: not live.services.gate.live())


async def test_key_that_expires_ends_what_it_publishes(tmp_path: Path) -> None:
    async with keyed(tmp_path) as live:
        # Long enough for a busy machine to let the publisher in before.
        new = await new_key(live, options=KeyOptions(expires_at=time.time() + 3))
        peer = await publish(live, new.secret)
        await peer.expect("NetStream.Publish.Start")
        await peer.expect(DENIED)
        assert "the publish key has expired" in peer.reasons[-1]


async def test_same_key_takes_over_and_other_priorities_stand_by(tmp_path: Path) -> None:
    async with keyed(tmp_path) as live:
        key, other = await new_key(live), await new_key(live)
        high = await new_key(live, options=KeyOptions(priority=5))
        low = await new_key(live, options=KeyOptions(priority=-5))
        first = await publish(live, key.secret)
        await first.expect("NetStream.Publish.Start")
        second = await publish(live, key.secret)
        await second.expect("NetStream.Publish.Start")
        await first.expect("NetStream.Publish.BadName")
        refused = await publish(live, other.secret)
        await refused.expect("NetStream.Publish.BadName")
        for new in (low, high):
            peer = await publish(live, new.secret)
            await peer.expect("NetStream.Publish.Start")
        registry = live.services.registry
        holder = registry.publication("live/a")
        assert holder is not None
        assert holder.holder == f"key:{key.key.id}"
        keys = [each.holder for each in registry.standbys("live/a")]
        assert keys == [f"key:{high.key.id}", f"key:{low.key.id}"]


async def test_revoking_a_key_ends_what_stands_by_with_it(tmp_path: Path) -> None:
    async with keyed(tmp_path) as live:
        first = await publish(live, (await new_key(live)).secret)
        await first.expect("NetStream.Publish.Start")
        low = await new_key(live, options=KeyOptions(priority=-5))
        peer = await publish(live, low.secret)
        await peer.expect("NetStream.Publish.Start")
        store = await live.key_store()
        await store.revoke(low.key.id, time.time())
        await peer.expect(DENIED)
        assert "the publish key was revoked" in peer.reasons[-1]
        assert live.services.registry.standbys("live/a") == []
        assert live.services.registry.publication("live/a") is not None


async def test_use_of_a_key_is_noted_when_the_server_stops(tmp_path: Path) -> None:
    async with keyed(tmp_path) as live:
        new = await new_key(live)
        peer = await publish(live, new.secret)
        await peer.expect("NetStream.Publish.Start")
    async with keyed(tmp_path) as live:
        store = await live.key_store()
        used = await store.get(new.key.id)
        assert used is not None
        assert used.used_from == "127.0.0.1"


# ---------------------------------------------------------------------- what waits


class Slow:
    """An authorizer that answers when the test says so."""

    def __init__(self, decision: Decision | None = None) -> None:
        self.asked: list[AccessRequest] = []
        self.go = asyncio.Event()
        self.decision: Decision = decision or Allow()
        self.cancelled = 0

    async def authorize(self, request: AccessRequest) -> Decision:
        self.asked.append(request)
        try:
            await self.go.wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        return self.decision


async def test_request_that_waits_holds_up_only_its_own_stream(tmp_path: Path) -> None:
    async with live_server(tmp_path) as live:
        player = await live.player("a")
        peer = await live.publisher("a")
        slow = Slow()
        live.services.gate.authorizers.append(slow)
        await peer.send(command("createStream", 4, None))
        await peer.expect("_result 4 None 2.0")
        await peer.send(command("publish", 5, None, "b", "live", on=2))
        await peer.send_video(VIDEO_HEADER, on=2)
        await peer.send_video(KEYFRAME, on=2)
        await peer.send_video(VIDEO_HEADER)
        await peer.send_video(KEYFRAME)
        await player.expect_media(2)  # the other stream goes on meanwhile
        assert live.services.registry.publication("live/b") is None
        slow.go.set()
        await until(lambda: live.services.registry.publication("live/b"))
        stream = live.services.registry.stream("live/b")
        assert stream is not None
        await until(lambda: stream.bytes_in)  # what came before the answer is not lost
        assert stream.bytes_in == len(VIDEO_HEADER + KEYFRAME)


@pytest.mark.parametrize("how", ["closeStream", "deleteStream", "gone", "reset"])
async def test_request_that_is_cancelled_is_not_granted(tmp_path: Path, how: str) -> None:
    async with live_server(tmp_path) as live:
        slow = Slow()
        live.services.gate.authorizers.append(slow)
        peer = await publish(live, "a")
        await until(lambda: slow.asked)
        if how == "closeStream":
            await peer.send(command("closeStream", 0, None, on=1))
        elif how == "deleteStream":
            await peer.send(command("deleteStream", 0, None, 1.0))
        elif how == "gone":
            peer.close()
        else:
            peer.reset()
        await until(lambda: slow.cancelled)
        assert live.services.registry.publication("live/a") is None
        assert not live.services.gate.live()


async def test_flood_behind_a_request_that_waits_is_not_read(tmp_path: Path) -> None:
    async with live_server(tmp_path) as live:
        slow = Slow()
        live.services.gate.authorizers.append(slow)
        peer = await publish(live, "a")
        await until(lambda: slow.asked)
        (connection,) = live.services.sessions.connections
        flood = asyncio.create_task(send_many(peer, 80))
        await until(lambda: connection.transport.is_paused)
        assert connection.bytes_in < 2_000_000
        slow.go.set()
        await peer.expect("NetStream.Publish.Start")
        await flood
        stream = live.services.registry.stream("live/a")
        assert stream is not None
        await until(lambda: stream.bytes_in == 80 * 100_000)


async def send_many(peer: Peer, count: int) -> None:
    for _ in range(count):
        await peer.send_video(KEYFRAME.ljust(100_000, b"\0"))


async def test_authorizers_rename_refuse_and_redirect(tmp_path: Path) -> None:
    async with live_server(tmp_path) as live:
        gate = live.services.gate
        slow = Slow(Allow(stream="other/b"))
        slow.go.set()
        gate.authorizers.append(slow)
        peer = await publish(live, "a")
        await peer.expect("NetStream.Publish.Start")
        assert live.services.registry.publication("other/b") is not None
        slow.decision = Deny("not today")
        peer = await publish(live, "a")
        await peer.expect(DENIED)
        assert "not today" in peer.reasons[-1]
        slow.decision = Redirect("rtmp://elsewhere/live/a")
        peer = await publish(live, "a")
        await peer.expect(DENIED)
        assert "rtmp://elsewhere/live/a" in peer.reasons[-1]
        slow.decision = Allow(max_duration_s=0.2)
        peer = await publish(live, "c")
        await peer.expect("NetStream.Publish.Start")
        await peer.expect(DENIED)
        assert "longest time allowed" in peer.reasons[-1]


# ---------------------------------------------------------------------- tokens


async def test_private_stream_is_played_with_a_token_only(tmp_path: Path) -> None:
    async with live_server(tmp_path, "auth.private=live/vip*") as live:
        good = token(live, stream="live/vip*")
        for name, reason in (
            ("vip", "this stream needs a token"),
            ("vip?token=nonsense", "the token is not valid"),
            (f"vip?token={token(live)}", "the token is not for this stream"),
            (f"vip?token={token(live, expires_at=time.time() - 1)}", "the token has expired"),
            (f"vip?token={token(live, network='203.0.113.0/24')}", "not for this stream"),
        ):
            peer = await live.connected()
            await peer.send(command("play", 3, None, name, on=1))
            await peer.expect("NetStream.Play.Failed")
            assert reason in peer.reasons[-1]
            await peer.expect_close()
        assert live.services.registry.stream("live/vip") is None
        await live.player(f"vip?token={good}")
        await live.player("open")


async def test_play_ends_when_its_token_expires(tmp_path: Path) -> None:
    async with live_server(tmp_path, "auth.private=live/vip") as live:
        soon = token(live, stream="live/vip", expires_at=time.time() + 1.2)
        player = await live.player(f"vip?token={soon}")
        await player.expect("NetStream.Play.Failed")
        assert "the token has expired" in player.reasons[-1]
        await player.expect_close()


async def test_token_lets_only_so_many_watch(tmp_path: Path) -> None:
    async with live_server(tmp_path, "auth.private=live/vip") as live:
        two = token(live, stream="live/vip", viewers=2)
        first = await live.player(f"vip?token={two}")
        await live.player(f"vip?token={two}")
        third = await live.connected()
        await third.send(command("play", 3, None, f"vip?token={two}", on=1))
        await third.expect("NetStream.Play.Failed")
        assert "reached the limit of viewers" in third.reasons[-1]
        first.close()
        await until(lambda: len(live.services.gate.live()) == 1)
        await live.player(f"vip?token={two}")


async def test_token_may_let_somebody_publish(tmp_path: Path) -> None:
    async with keyed(tmp_path) as live:
        may = token(live, stream="live/*", action="publish")
        await live.publisher(f"a?token={may}")
        peer = await publish(live, f"a?token={token(live, stream='live/*')}")
        await peer.expect(DENIED)
        assert "not for this stream" in peer.reasons[-1]


# ---------------------------------------------------------------------- without database


async def test_streams_go_on_without_a_database_and_known_keys_are_believed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async with keyed(tmp_path, "auth.on_database_error=allow-known") as live:
        known, unknown = await new_key(live), await new_key(live, "live/b")
        running = await publish(live, known.secret)
        await running.expect("NetStream.Publish.Start")
        await break_database(live, monkeypatch)
        again = await publish(live, known.secret)
        await again.expect("NetStream.Publish.Start")
        refused = await publish(live, unknown.secret)
        await refused.expect(DENIED)
        assert "cannot be checked just now" in refused.reasons[-1]
        await until(lambda: log_lines(caplog, "running streams go on"))
        assert live.services.registry.publication("live/a") is not None
        monkeypatch.undo()
        await until(lambda: live.services.access.is_open)
        late = await publish(live, unknown.secret)
        await late.expect("NetStream.Publish.Start")


async def test_without_a_database_no_key_is_valid_by_default(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with keyed(tmp_path) as live:
        known = await new_key(live)
        running = await publish(live, known.secret)
        await running.expect("NetStream.Publish.Start")
        await break_database(live, monkeypatch)
        refused = await publish(live, known.secret)
        await refused.expect(DENIED)
        assert "cannot be checked just now" in refused.reasons[-1]
        assert live.services.registry.publication("live/a") is not None


async def break_database(live: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have every question to the database fail."""
    database = await live.services.access.database()

    @asynccontextmanager
    async def begin(timeout_s: float = 0) -> AsyncIterator[None]:
        raise DatabaseError("database: gone")
        yield

    monkeypatch.setattr(database, "begin", begin)


class Refusing:
    """An authorizer and a limiter that let nobody in."""

    async def authorize(self, request: AccessRequest) -> Decision:
        return Deny("not today")

    def enter(self, request: AccessRequest, grant: Grant) -> None:
        raise Rejected(Refusal.TOO_MANY, "there are too many")

    def leave(self, grant: Grant) -> None:
        """Nothing was counted."""


@pytest.mark.parametrize("refuser", ["callback", "limit", "hub"])
async def test_key_is_used_by_who_is_let_in_only(refuser: str, tmp_path: Path) -> None:
    async with keyed(tmp_path) as live:
        used: list[KeyUsed] = []
        live.services.events.subscribe(
            lambda event: used.append(event) if isinstance(event, KeyUsed) else None
        )
        first, second = await new_key(live), await new_key(live)
        gate = live.services.gate
        if refuser == "hub":  # which has given the name to another key
            await live.publisher(first.secret)
            assert [event.key_id for event in used] == [first.key.id]
            assert (used[0].stream, used[0].address) == ("live/a", "127.0.0.1")
        elif refuser == "callback":
            gate.authorizers.append(Refusing())
        else:
            gate.limiters.append(Refusing())
        before = len(used)
        refused = await live.connected()
        await refused.send(command("publish", 3, None, second.secret, "live", on=1))
        await refused.expect("NetStream.Publish.")
        assert "Publish.Start" not in "".join(refused.said)
        assert len(used) == before
        await live.services.access.keys.write_uses()
        found = await (await live.key_store()).get(second.key.id)
        assert found is not None
        assert found.used_at is None
