"""Tests of headend.access.gate, without a server."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import replace
from ipaddress import ip_address
from unittest.mock import Mock

import pytest
from tests.access.gates import TOKENS, gate
from tests.harness import run

from headend.access.address_lists import AddressCheck
from headend.access.gate import Gate, Grant
from headend.access.known_keys import KnownKeys
from headend.access.tokens import Token
from headend.decisions import AccessRequest, Action, Allow, Decision
from headend.errors import DatabaseError, HeadendError, Refusal, Rejected
from headend.settings import Settings, load_settings
from headend.store.publish_key import PublishKey

HERE = ip_address("192.0.2.1")


def settings(*given: str) -> Settings:
    return load_settings(None, given, environ={}).settings


def keys(*, fails: bool = False) -> KnownKeys:
    """Keys of which all are for live/a, or none can be looked up."""
    made = Mock(spec=KnownKeys)

    async def look(text: str) -> PublishKey | None:
        if fails:
            raise DatabaseError("database: gone")
        return PublishKey("pk_1", "live/a", "Ann", priority=3, expires_at=time.time() + 60)

    made.find = made.get = look
    assert isinstance(made, KnownKeys)
    return made


def with_gate(test: Callable[[Gate], object], *given: str, fails: bool = False) -> None:
    async def main() -> None:
        made = gate(settings(*given), asyncio.get_running_loop(), keys(fails=fails))
        result = test(made)
        if asyncio.iscoroutine(result):
            await result

    run(main())


def publish(**values: object) -> AccessRequest:
    return AccessRequest("publish", "live/a", HERE, **values)  # type: ignore[arg-type]


def test_grant_of_a_key_says_what_it_rests_on_and_shows_no_secret() -> None:
    async def test(made: Gate) -> None:
        request = publish(key="hk_secret")
        assert made.decide_now(request) is None
        grant = await made.decide(request)
        assert (grant.path, grant.key_id, grant.priority) == ("live/a", "pk_1", 3)
        assert (grant.subject, grant.holder) == ("Ann", "key:pk_1")
        assert "hk_secret" not in repr(grant)

    with_gate(test)


@pytest.mark.parametrize(
    ("values", "holder"),
    [({"key": "hk_a"}, "text:hk_a"), ({"key_id": "pk_1"}, "key:pk_1")],
)
def test_where_no_key_is_needed_a_database_that_is_gone_keeps_nobody_out(
    values: dict[str, object], holder: str
) -> None:
    async def test(made: Gate) -> None:
        grant = await made.decide(publish(**values))
        assert (grant.key_id, grant.holder) == (None, holder)
        with pytest.raises(Rejected, match="cannot be checked just now"):
            await made.decide(publish(key="hk_a", is_bare=True))

    with_gate(test, "auth.publish=open", fails=True)


class Narrow:
    """An authorizer that answers with a decision, or fails."""

    def __init__(self, decision: Decision | None) -> None:
        self.decision = decision

    async def authorize(self, request: AccessRequest) -> Decision:
        if self.decision is None:
            raise HeadendError("no answer")
        return self.decision


def test_authorizers_narrow_what_was_granted_and_never_widen_it() -> None:
    async def test(made: Gate) -> None:
        made.authorizers = [
            Narrow(Allow(max_viewers=5, max_bit_rate=100, subject="Bob", tags=(("a", "1"),))),
            Narrow(Allow(max_viewers=9, expires_at=time.time() + 900, tags=(("b", "2"),))),
        ]
        grant = await made.decide(publish(key="hk_a"))
        assert (grant.max_viewers, grant.max_bit_rate, grant.subject) == (5, 100, "Bob")
        assert grant.tags == (("a", "1"), ("b", "2"))
        assert grant.expires_at is not None
        assert grant.expires_at < time.time() + 61

    with_gate(test)


def test_authorizer_that_fails_lets_nobody_in() -> None:
    async def test(made: Gate) -> None:
        made.authorizers = [Narrow(None)]
        with pytest.raises(Rejected, match="could not be asked"):
            await made.decide(publish(key="hk_a"))

    with_gate(test)


class Count:
    """A limiter."""

    def __init__(self, most: int) -> None:
        self.most = most
        self.inside: list[Grant] = []

    def enter(self, request: AccessRequest, grant: Grant) -> None:
        if len(self.inside) >= self.most:
            raise Rejected(Refusal.TOO_MANY, "too many")
        self.inside.append(grant)

    def leave(self, grant: Grant) -> None:
        self.inside.remove(grant)


def test_limiters_count_each_grant_once_and_none_that_another_refused() -> None:
    def test(made: Gate) -> None:
        wide, narrow = Count(10), Count(1)
        made.limiters = [wide, narrow]
        request = AccessRequest("play", "live/a", HERE)
        grant = made.decide_now(request)
        assert grant is not None
        with pytest.raises(Rejected, match="too many"):
            made.decide_now(request)
        assert len(wide.inside) == 1
        made.leave(grant)
        made.leave(grant)
        assert (wide.inside, narrow.inside) == ([], [])

    with_gate(test)


def test_grant_that_was_left_is_not_in_use() -> None:
    async def test(made: Gate) -> None:
        grant = await made.decide(publish(key="hk_a"))
        ended: list[str] = []
        made.began(grant, ended.append)
        assert made.live() == (grant,)
        made.revoke({"pk_1"})
        assert ended == ["the publish key was revoked"]
        made.leave(grant)
        made.began(grant, ended.append)
        assert made.live() == ()
        made.end(grant, "whatever")
        assert len(ended) == 1

    with_gate(test)


# ---------------------------------------------------------------------- renames


def play(**values: object) -> AccessRequest:
    return AccessRequest("play", "live/a", HERE, **values)  # type: ignore[arg-type]


def signed(stream: str, action: Action, viewers: int | None = None) -> str:
    made = Token("", stream, action, time.time() + 60, viewers=viewers)
    return TOKENS.sign(made, time.time())


@pytest.mark.parametrize(
    ("setting", "ask", "words"),
    [
        ("auth.private=vip/*", play, "this stream needs a token"),
        ("auth.private=vip/*", lambda: play(token="x"), "the token is not valid"),
        (
            "auth.private=vip/*",
            lambda: play(token=signed("live/*", "play")),
            "the token is not for this stream",
        ),
        ("rtmp.tls_only=vip/*", play, "plain RTMP is not taken here"),
        ("rtmp.tls_only=vip/*", lambda: publish(key="hk_a"), "plain RTMP is not taken here"),
        ("auth.password_apps=vip", publish, "needs user and password"),
    ],
)
def test_settings_decide_about_the_name_that_an_authorizer_gives(
    setting: str, ask: Callable[[], AccessRequest], words: str
) -> None:
    async def test(made: Gate) -> None:
        asked = ask()  # a token is signed now: it does not last long
        made.authorizers = [Narrow(Allow(stream="vip/a"))]
        for request in (asked, replace(asked, protocol="hls")):
            with pytest.raises(Rejected, match=words):
                await made.decide(request)
            with pytest.raises(Rejected, match=words):  # remembered or not
                await made.decide(request)
        made.authorizers = []
        assert (await made.decide(asked)).path == "live/a"

    with_gate(test, setting, "auth.publish=open")


def test_checks_are_asked_about_the_name_that_an_authorizer_gives() -> None:
    class Closed:
        def check(self, request: AccessRequest) -> None:
            if request.path == "vip/a":
                raise Rejected(Refusal.DENIED, "closed")

    async def test(made: Gate) -> None:
        made.checks.append(Closed())
        made.authorizers = [Narrow(Allow(stream="vip/a"))]
        with pytest.raises(Rejected, match="closed"):
            await made.decide(play())

    with_gate(test)


def test_token_of_the_other_name_lets_in_and_narrows() -> None:
    async def test(made: Gate) -> None:
        made.authorizers = [Narrow(Allow(stream="vip/a", max_viewers=9))]
        grant = await made.decide(play(token=signed("vip/*", "play", viewers=3)))
        assert (grant.path, grant.max_viewers) == ("vip/a", 3)
        assert grant.token_id is not None
        assert grant.ends_at < asyncio.get_running_loop().time() + 61

    with_gate(test, "auth.private=vip/*")


def test_key_and_token_publish_under_the_name_that_an_authorizer_gives() -> None:
    async def test(made: Gate) -> None:
        made.authorizers = [Narrow(Allow(stream="vip/a"))]
        for request in (publish(key="hk_a"), publish(token=signed("live/a", "publish"))):
            assert (await made.decide(request)).path == "vip/a"

    with_gate(test, "auth.publish=key", "auth.password_apps=vip")


# ---------------------------------------------------------------------- open to all


@pytest.mark.parametrize(
    ("settings_", "path", "is_open"),
    [
        ((), "live/a", True),
        (("auth.publish=key", "rtmp.require_tls=publish"), "live/a", True),
        (("auth.private=vip/*",), "live/a", True),
        (("auth.private=vip/*",), "vip/a", False),
        (("rtmp.tls_only=vip/*",), "vip/a", False),
        (("rtmp.require_tls=always",), "live/a", False),
        (("auth.play_from=192.0.2.0/24",), "live/a", False),
        (("auth.play_not_from=192.0.2.0/24",), "live/a", False),
        (("auth.publish_from=192.0.2.0/24",), "live/a", True),
    ],
)
def test_stream_is_open_when_nothing_decides_who_watches_it(
    settings_: tuple[str, ...], path: str, is_open: bool
) -> None:
    def test(made: Gate) -> None:
        made.checks.append(AddressCheck(settings(*settings_).auth))
        assert made.is_open(path) is is_open
        made.authorizers = [Narrow(None)]
        assert not made.is_open(path)
        made.authorizers = [OfPublishers(None)]
        assert made.is_open(path) is is_open

    with_gate(test, *settings_)


class OfPublishers(Narrow):
    """One that is asked about publishers only."""

    actions = ("publish",)


def test_authorizer_is_asked_about_its_actions_only() -> None:
    async def test(made: Gate) -> None:
        made.authorizers = [OfPublishers(None)]
        assert made.decide_now(play()) is not None
        assert (await made.decide(play(protocol="hls"))).viewer is None
        with pytest.raises(Rejected, match="could not be asked"):
            await made.decide(publish())

    with_gate(test, "auth.publish=open")
