"""This module tests headend.access.policy."""

from ipaddress import ip_address
from typing import Literal

import pytest

from headend.access.decisions import AccessRequest, Action
from headend.access.policy import Policy
from headend.errors import Rejected
from headend.settings import Auth, Rtmp

Mode = Literal["loopback", "key", "open"]


def request(address: str | None, action: Action = "publish") -> AccessRequest:
    return AccessRequest(action, "live/cam1", ip_address(address) if address else None)


LOCAL = ["127.0.0.1", "127.8.8.8", "::1", "::ffff:127.0.0.1", None]
REMOTE = ["10.0.0.7", "203.0.113.7", "2001:db8::7", "::ffff:10.0.0.7", "0.0.0.0", "::"]


@pytest.mark.parametrize("address", LOCAL)
def test_loopback_and_unix_sockets_are_local(address: str | None) -> None:
    assert request(address).is_local


@pytest.mark.parametrize("address", REMOTE)
def test_everything_else_is_not(address: str) -> None:
    assert not request(address).is_local


@pytest.mark.parametrize("mode", ["loopback", "key", "open"])
@pytest.mark.parametrize("address", ["127.0.0.1", "203.0.113.7", None])
def test_everybody_may_play(mode: Mode, address: str | None) -> None:
    Policy(Auth(publish=mode)).decide(request(address, "play"))


@pytest.mark.parametrize("address", LOCAL)
def test_by_default_who_is_local_may_publish(address: str | None) -> None:
    Policy(Auth()).decide(request(address))


@pytest.mark.parametrize("address", REMOTE)
def test_by_default_nobody_else_may_and_is_told_why(address: str) -> None:
    with pytest.raises(Rejected) as refusal:
        Policy(Auth()).decide(request(address))
    assert refusal.value.code == "NetStream.Publish.Denied"
    assert refusal.value.description == "publishing from another machine needs a publish key"


@pytest.mark.parametrize("address", ["127.0.0.1", "203.0.113.7"])
def test_where_a_key_is_wanted_being_local_does_not_help(address: str) -> None:
    with pytest.raises(Rejected) as refusal:
        Policy(Auth(publish="key")).decide(request(address))
    assert refusal.value.description == "publishing needs a valid publish key here"


@pytest.mark.parametrize("address", ["127.0.0.1", "203.0.113.7"])
def test_where_publishing_is_open_everybody_may(address: str) -> None:
    Policy(Auth(publish="open")).decide(request(address))


def test_request_never_shows_what_is_secret() -> None:
    text = repr(AccessRequest("publish", "live/cam1", None, key="hk_1", token="t_1"))
    assert "hk_1" not in text
    assert "t_1" not in text


# ---------------------------------------------------------------------- TLS


def over(action: Action, *, tls: bool, path: str = "live/cam1") -> AccessRequest:
    return AccessRequest(action, path, ip_address("127.0.0.1"), is_secure=tls)


@pytest.mark.parametrize(
    ("required", "refused"),
    [("never", set()), ("publish", {"publish"}), ("always", {"publish", "play"})],
)
def test_who_must_come_over_tls_is_told_where(
    required: Literal["never", "publish", "always"], refused: set[str]
) -> None:
    policy = Policy(Auth(), Rtmp(require_tls=required), "rtmps://HOST:1936")
    actions: tuple[Action, ...] = ("publish", "play")
    for action in actions:
        policy.decide(over(action, tls=True))
        if action not in refused:
            policy.decide(over(action, tls=False))
            continue
        with pytest.raises(Rejected, match="use rtmps://HOST:1936") as refusal:
            policy.decide(over(action, tls=False))
        assert (
            refusal.value.code
            == {
                "publish": "NetStream.Publish.Denied",
                "play": "NetStream.Play.Failed",
            }[action]
        )


def test_some_streams_may_be_for_tls_only() -> None:
    policy = Policy(Auth(), Rtmp(tls_only=("vip/*",)))
    policy.decide(over("play", tls=False))
    policy.decide(over("play", tls=True, path="vip/cam1"))
    with pytest.raises(Rejected, match="plain RTMP is not taken here"):
        policy.decide(over("play", tls=False, path="vip/cam1"))


def test_a_verified_client_certificate_may_stand_for_a_key() -> None:
    request = AccessRequest(
        "publish", "live/cam1", ip_address("10.0.0.7"), is_secure=True, certificate="cam1"
    )
    Policy(Auth(publish="key", certificates=True)).decide(request)
    with pytest.raises(Rejected, match="needs a valid publish key"):
        Policy(Auth(publish="key")).decide(request)
