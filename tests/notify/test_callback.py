"""Tests of headend.notify.callback, with a real receiver."""

import asyncio
import json
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from ipaddress import ip_address

import pytest
from aiohttp import web
from tests.harness import log_lines, until
from tests.receiver import Received, Receiver, receiver

from headend.decisions import AccessRequest, Allow, Decision, Deny, Redirect
from headend.net.outgoing import Outgoing, Rules
from headend.notify.callback import Callback, CallbackError
from headend.settings import load_settings
from headend.webhooks import verify

SECRET = "0123456789abcdef"
PUBLISH = AccessRequest(
    "publish",
    "live/a",
    ip_address("10.0.0.7"),
    key="k3y-secret",
    token="t0ken-secret",
    is_secure=True,
    key_id="pk_1",
    subject="Ann",
    protocol="rtmps",
    user_agent="FMLE/3.0",
    session=7,
    query={"sign": "s1gn-secret"},
)
PLAY = AccessRequest("play", "live/a", None, protocol="hls")


class Asked:
    """A callback and its backend."""

    def __init__(self, there: Receiver, outgoing: Outgoing, settings: tuple[str, ...]) -> None:
        self.there = there
        self.settings = settings
        auth = load_settings(None, self._given(), {}).settings.auth
        self.callback = Callback(asyncio.get_running_loop(), auth, outgoing)

    def _given(self) -> tuple[str, ...]:
        return (f"auth.callback_url={self.there.url}ask?x=y", *self.settings)

    def answer(self, document: object = None, status: int = 200) -> None:
        body = b"" if document is None else json.dumps(document).encode()
        self.there.answer = lambda _: web.Response(status=status, body=body)

    async def ask(self, request: AccessRequest = PUBLISH) -> Decision:
        return await self.callback.authorize(request)

    def configure(self, *settings: str) -> None:
        self.settings = settings
        self.callback.configure(load_settings(None, self._given(), {}).settings.auth)


@asynccontextmanager
async def asked(*settings: str) -> AsyncIterator[Asked]:
    async with receiver() as there:
        outgoing = Outgoing(Rules())
        try:
            yield Asked(there, outgoing, settings)
        finally:
            await outgoing.close()


async def test_question_holds_who_wants_what_and_is_signed() -> None:
    async with asked(f"auth.callback_secret={SECRET}") as backend:
        assert await backend.ask() == Allow()
        (got,) = backend.there.received
        assert got.path == "/ask?x=y"
        assert got.headers["content-type"] == "application/json"
        question = got.document
        assert verify(got.body, got.headers, SECRET) == question["id"]
        assert question["type"] == "authorize.publish"
        assert question["data"] == {
            "action": "publish",
            "stream": "live/a",
            "app": "live",
            "name": "a",
            "address": "10.0.0.7",
            "protocol": "rtmps",
            "is_secure": True,
            "session": 7,
            "user_agent": "FMLE/3.0",
            "key_id": "pk_1",
            "subject": "Ann",
            "certificate": None,
        }
        assert b"secret" not in got.body


async def test_credentials_are_sent_where_the_settings_say_so_and_the_rest_is_unsigned() -> None:
    async with asked("auth.callback_credentials=true") as backend:
        await backend.ask()
        (got,) = backend.there.received
        assert got.document["data"]["key"] == "k3y-secret"
        assert got.document["data"]["token"] == "t0ken-secret"
        assert got.document["data"]["query"] == {"sign": "s1gn-secret"}
        assert "webhook-signature" not in got.headers


@pytest.mark.parametrize(
    ("status", "document", "decision"),
    [
        (204, None, Allow()),
        (200, {}, Allow()),
        (200, {"decision": "allow", "unknown": 1}, Allow()),
        (
            201,
            {
                "stream": "live/b",
                "max_viewers": 10,
                "max_bit_rate": 5_000_000,
                "max_duration_s": 60,
                "expires_at": 1795622931,
                "subject": "Bob",
                "tags": {"plan": "gold"},
                "record": True,
            },
            Allow("live/b", 10, 5_000_000, 60, 1795622931, "Bob", (("plan", "gold"),), True),
        ),
        (200, {"record": False}, Allow(record=False)),
        (200, {"decision": "deny", "reason": "not on\nSundays"}, Deny("not on Sundays")),
        (200, {"decision": "deny"}, Deny("this is not allowed")),
        (
            403,
            {"reason": "no", "code": "NetStream.Publish.BadName"},
            Deny("no", "NetStream.Publish.BadName"),
        ),
        (401, None, Deny("this is not allowed")),
        (403, "a page for people", Deny("this is not allowed")),
        (
            200,
            {"decision": "redirect", "url": "rtmp://b.example/live/a"},
            Redirect("rtmp://b.example/live/a"),
        ),
    ],
)
async def test_answer_is_a_decision(status: int, document: object, decision: Decision) -> None:
    async with asked() as backend:
        backend.answer(document, status)
        assert await backend.ask() == decision


@pytest.mark.parametrize(
    ("status", "body", "words"),
    [
        (200, b"yes", "its answer makes no sense: it is no JSON object"),
        (200, b"false", "its answer makes no sense"),
        (200, b"\xff\xfe", "its answer makes no sense"),
        (200, b"[1]", "its answer makes no sense"),
        (200, b"[" * 60_000, "its answer makes no sense"),
        (200, b'{"allow": false}', "its answer has no decision, but allow"),
        (200, b'{"allowed": false, "stream": "live/b"}', "its answer has no decision, but allowed"),
        (200, b'{"decison": "deny"}', "its answer has no decision, but decison"),
        (200, b'{"Decision": "deny"}', "its answer has no decision, but Decision"),
        (200, b'{"reason": "no"}', "its answer has no decision, but reason"),
        (200, b'{"\\n\\u0000": 1}', "its answer has no decision, but \\n"),
        (200, b'{"decision": "denied"}', "its answer makes no sense: decision"),
        (200, b'{"decision": null}', "its answer makes no sense: decision"),
        (200, b'{"decision": "Allow"}', "its answer makes no sense: decision"),
        (200, b'{"max_viewers": "ten"}', "its answer makes no sense: max_viewers"),
        (200, b'{"stream": "../etc"}', "stream: must be APP/NAME"),
        (200, b'{"decision": "redirect"}', "url: must be an rtmp"),
        (200, b'{"decision": "deny", "code": "x"}', "code: must be such as"),
        (200, b'{"max_viewers": -1}', "max_viewers: must be a number, 0 or more"),
        (200, bytes(100_000), "its answer is longer than 64 KiB"),
        (302, b"", "HTTP status 302"),
        (400, b"{}", "HTTP status 400"),
        (404, b'{"decision": "allow"}', "HTTP status 404"),
        (404, bytes(100_000), "HTTP status 404"),
        (429, b"", "HTTP status 429"),
    ],
)
async def test_answer_that_is_not_understood_lets_nobody_in_and_the_log_says_why(
    status: int, body: bytes, words: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with asked("auth.callback_fail=open") as backend:
        headers = {"Location": backend.there.url} if status == 302 else {}
        backend.there.answer = lambda _: web.Response(status=status, body=body, headers=headers)
        for _ in range(7):
            assert await backend.ask() == Deny("this is not allowed")
        assert len(backend.there.received) == 7  # it is no outage
        outcome = "not_understood" if status == 200 else "deny"
        assert backend.callback.outcomes == {outcome: 7}
    (line,) = log_lines(caplog, "callback")
    assert words in line
    assert line.endswith("; that counts as no")


@pytest.mark.parametrize(
    ("status", "body", "words"),
    [
        (500, b"{}", "HTTP status 500"),
        (503, b'{"decision": "deny"}', "HTTP status 503"),
        (500, bytes(100_000), "HTTP status 500"),
    ],
)
async def test_fault_of_the_backend_lets_nobody_in_or_everybody(
    status: int, body: bytes, words: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with asked() as backend:
        backend.there.answer = lambda _: web.Response(status=status, body=body)
        with pytest.raises(CallbackError, match="the callback could not be asked"):
            await backend.ask()
        backend.configure("auth.callback_fail=open")
        assert await backend.ask() == Allow()
        assert backend.callback.outcomes == {"failed": 2}
    (line,) = log_lines(caplog, "callback failed")
    assert words in line


async def test_what_is_no_text_is_escaped_before_it_is_sent() -> None:
    odd = "a\0b\x1b[0m\ud800\u202e\n"
    plain = r"a\x00b\x1b[0m\ud800\u202e\n"

    async with asked("auth.callback_credentials=true") as backend:
        request = replace(
            PUBLISH, user_agent=odd, certificate=odd, key=odd, token=odd, query={odd: odd}
        )
        assert await backend.ask(request) == Allow()
        (got,) = backend.there.received
        got.body.decode("ascii")
        assert b"\\u" not in got.body.replace(b"\\\\u", b"")
        data = got.document["data"]
        for name in ("user_agent", "certificate", "key", "token"):
            assert data[name] == plain
        assert data["query"] == {plain: plain}


async def test_slow_answer_is_a_failure() -> None:
    async with asked("auth.callback_timeout_s=0.1") as backend:

        async def never(_: Received) -> web.Response:
            await asyncio.sleep(60)
            return web.Response()

        backend.there.answer = never
        with pytest.raises(CallbackError):
            await backend.ask()


async def test_no_more_are_asked_at_once_than_the_settings_say() -> None:
    async with asked("auth.callback_calls=2", "auth.callback_timeout_s=10") as backend:
        now, most, allowed = 0, 0, 2
        is_full = asyncio.Event()

        async def slow(_: Received) -> web.Response:
            nonlocal now, most
            now += 1
            most = max(most, now)
            if now == allowed:
                is_full.set()
            await is_full.wait()
            await asyncio.sleep(0.02)  # for one too many to come
            now -= 1
            return web.Response()

        backend.there.answer = slow
        await asyncio.gather(*(backend.ask() for _ in range(8)))
        assert most == 2
        backend.configure("auth.callback_calls=4", "auth.callback_timeout_s=10")
        allowed = 4
        is_full.clear()
        await asyncio.gather(*(backend.ask() for _ in range(8)))
        assert most == 4


async def test_those_that_wait_for_their_turn_too_long_fail() -> None:
    async with asked("auth.callback_calls=1", "auth.callback_timeout_s=0.2") as backend:

        async def never(_: Received) -> web.Response:
            await asyncio.sleep(60)
            return web.Response()

        backend.there.answer = never
        results = await asyncio.gather(*(backend.ask() for _ in range(4)), return_exceptions=True)
        assert all(isinstance(each, CallbackError) for each in results)


def pause_is_over(backend: Asked) -> None:
    for breaker in backend.callback._breakers.values():
        breaker._again_at = 0.0


async def test_backend_that_fails_is_left_alone_and_then_asked_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)

    async with asked("auth.callback_fail=open") as backend:
        backend.answer(status=503)
        for _ in range(20):
            assert await backend.ask() == Allow()
        assert len(backend.there.received) == 5
        assert backend.callback.is_paused
        assert backend.callback.outcomes == {"failed": 5, "paused": 15}
        pause_is_over(backend)
        assert await backend.ask() == Allow()
        assert len(backend.there.received) == 6
        assert backend.callback.is_paused
        pause_is_over(backend)
        backend.answer({"decision": "deny", "reason": "no"})
        # One finds out; nobody waits for it.
        decisions = await asyncio.gather(*(backend.ask() for _ in range(3)))
        assert sorted(map(repr, decisions)) == sorted(map(repr, (Deny("no"), Allow(), Allow())))
        assert await backend.ask() == Deny("no")
    assert len(log_lines(caplog, "callback is not asked for 10 s: it failed 5 times")) == 1
    assert len(log_lines(caplog, "callback answers again")) == 1


async def test_publishers_and_viewers_are_apart() -> None:
    def only_viewers_fail(received: Received) -> web.Response:
        is_play = received.document["data"]["action"] == "play"
        return web.Response(status=503 if is_play else 403)

    async with asked("auth.callback_fail=open") as backend:
        backend.there.answer = only_viewers_fail
        for number in range(10):
            viewer = replace(PLAY, address=ip_address(f"10.0.0.{number}"))
            assert await backend.ask(viewer) == Allow()
            assert await backend.ask(PUBLISH) == Deny("this is not allowed")
        assert backend.callback.outcomes == {"failed": 5, "paused": 5, "deny": 10}


async def test_viewers_that_wait_for_an_answer_leave_calls_for_publishers() -> None:
    async with asked("auth.callback_calls=1", "auth.callback_timeout_s=10") as backend:
        hung = asyncio.Event()

        async def only_viewers_hang(received: Received) -> web.Response:
            if received.document["data"]["action"] == "play":
                await hung.wait()
            return web.Response()

        backend.there.answer = only_viewers_hang
        viewers = [asyncio.create_task(backend.ask(PLAY)) for _ in range(3)]
        await until(lambda: backend.there.received)
        assert await backend.ask(PUBLISH) == Allow()
        assert not any(each.done() for each in viewers)
        hung.set()
        assert await asyncio.gather(*viewers) == 3 * [Allow()]


async def test_what_one_address_makes_the_backend_fail_on_is_off_for_that_address_only() -> None:
    def fails_on_odd_names(received: Received) -> web.Response:
        is_odd = received.document["data"]["name"] == "odd"
        return web.Response(status=500 if is_odd else 403)

    async with asked("auth.callback_fail=open") as backend:
        backend.there.answer = fails_on_odd_names
        odd = replace(PUBLISH, path="live/odd")
        for _ in range(7):
            assert await backend.ask(odd) == Allow()
        assert backend.callback.outcomes == {"failed": 5, "paused": 2}
        neighbour = replace(PUBLISH, address=ip_address("10.0.0.8"))
        assert await backend.ask(neighbour) == Deny("this is not allowed")


async def test_calls_that_are_not_free_tell_nothing_of_the_backend() -> None:
    async with asked("auth.callback_calls=1", "auth.callback_timeout_s=0.3") as backend:
        hung = asyncio.Event()

        async def hangs(_: Received) -> web.Response:
            await hung.wait()
            return web.Response()

        backend.there.answer = hangs
        asking = [asyncio.create_task(backend.ask()) for _ in range(20)]
        results = await asyncio.gather(*asking, return_exceptions=True)
        assert all(isinstance(each, CallbackError) for each in results)
        assert not backend.callback.is_paused  # one call was silent
        hung.set()
        assert await backend.ask() == Allow()


async def test_another_url_is_asked_at_once() -> None:
    async with asked("auth.callback_fail=open") as backend, receiver() as other:
        backend.answer(status=503)
        for _ in range(6):
            await backend.ask()
        backend.there = other
        backend.configure("auth.callback_fail=open")
        await backend.ask()
        assert len(other.received) == 1


async def test_only_what_the_settings_name_is_asked_about() -> None:
    async with asked("auth.callback_actions=play") as backend:
        backend.answer({"decision": "deny", "reason": "no"})
        assert await backend.ask(PUBLISH) == Allow()
        assert await backend.ask(PLAY) == Deny("no")
        (got,) = backend.there.documents()
        assert (got["type"], got["data"]["address"]) == ("authorize.play", None)


async def test_place_that_is_not_allowed_is_not_asked(caplog: pytest.LogCaptureFixture) -> None:
    async with receiver() as there:
        outgoing = Outgoing(Rules.of(["b.example"]))
        loaded = load_settings(None, [f"auth.callback_url={there.url}?t=s3cret"], {})
        callback = Callback(asyncio.get_running_loop(), loaded.settings.auth, outgoing)
        with pytest.raises(CallbackError):
            await callback.authorize(PUBLISH)
        assert there.received == []
        await outgoing.close()
    (line,) = log_lines(caplog, "callback failed")
    assert "127.0.0.1 is not allowed; name it in auth.outgoing" in line
    assert "s3cret" not in caplog.text
