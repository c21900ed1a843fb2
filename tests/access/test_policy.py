"""Tests of headend.access.policy."""

from dataclasses import replace
from ipaddress import ip_address
from typing import Literal

import pytest

from headend.access.policy import Policy
from headend.decisions import AccessRequest, Action
from headend.errors import Refusal, Rejected
from headend.settings import Auth, Rtmp, RuleBook, Settings
from headend.settings.rules import StreamRule

Mode = Literal["loopback", "key", "open"]


def policy_of(auth: Auth, rtmp: Rtmp | None = None, rtmps: str = "rtmps://") -> Policy:
    return Policy(RuleBook(Settings(auth=auth, rtmp=rtmp or Rtmp())), rtmps)


def request(address: str | None, action: Action = "publish") -> AccessRequest:
    return AccessRequest(action, "live/cam1", ip_address(address) if address else None)


def decide(policy: Policy, request: AccessRequest) -> None:
    """Ask all that settings decide."""
    policy.check_tls(request)
    if request.action == "publish":
        policy.check_publish(request)


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
    decide(policy_of(Auth(publish=mode)), request(address, "play"))


@pytest.mark.parametrize("address", LOCAL)
def test_by_default_who_is_local_may_publish(address: str | None) -> None:
    decide(policy_of(Auth()), request(address))


@pytest.mark.parametrize("address", REMOTE)
def test_by_default_nobody_else_may_and_is_told_why(address: str) -> None:
    with pytest.raises(Rejected) as refusal:
        decide(policy_of(Auth()), request(address))
    assert refusal.value.refusal is Refusal.DENIED
    assert refusal.value.description == "publishing from another machine needs a publish key"


@pytest.mark.parametrize("address", ["127.0.0.1", "203.0.113.7"])
def test_where_a_key_is_wanted_being_local_does_not_help(address: str) -> None:
    with pytest.raises(Rejected) as refusal:
        decide(policy_of(Auth(publish="key")), request(address))
    assert refusal.value.description == "publishing needs a valid publish key here"


@pytest.mark.parametrize("address", ["127.0.0.1", "203.0.113.7"])
def test_where_publishing_is_open_everybody_may(address: str) -> None:
    decide(policy_of(Auth(publish="open")), request(address))


def test_request_never_shows_what_is_secret() -> None:
    text = repr(AccessRequest("publish", "live/cam1", None, key="hk_1", token="t_1"))
    assert "hk_1" not in text
    assert "t_1" not in text


@pytest.mark.parametrize("mode", ["loopback", "key", "open"])
@pytest.mark.parametrize("address", ["127.0.0.1", "203.0.113.7"])
@pytest.mark.parametrize("path", ["studio/cam", "studio", "studio/a/cam"])
def test_app_of_the_name_decides_whether_publishers_sign_in(
    mode: Mode, address: str, path: str
) -> None:
    policy = policy_of(Auth(publish=mode, password_apps=("studio", "studio/*")))
    asked = AccessRequest("publish", path, ip_address(address))
    with pytest.raises(Rejected, match="needs user and password, or a publish key") as refusal:
        policy.check_publish(asked)
    assert refusal.value.hint is not None
    assert policy.shows_key(replace(asked, key="anything"))
    trusting = policy_of(Auth(publish=mode, password_apps=("studio*",), certificates=True))
    trusting.check_publish(replace(asked, certificate="encoder"))


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
    policy = policy_of(Auth(), Rtmp(require_tls=required), "rtmps://HOST:1936")
    actions: tuple[Action, ...] = ("publish", "play")
    for action in actions:
        decide(policy, over(action, tls=True))
        if action not in refused:
            decide(policy, over(action, tls=False))
            continue
        with pytest.raises(Rejected, match="use rtmps://HOST:1936") as refusal:
            decide(policy, over(action, tls=False))
        assert refusal.value.refusal is Refusal.DENIED


def test_some_streams_may_be_for_tls_only() -> None:
    policy = policy_of(Auth(), Rtmp(tls_only=("vip/*",)))
    decide(policy, over("play", tls=False))
    decide(policy, over("play", tls=True, path="vip/cam1"))
    with pytest.raises(Rejected, match="plain RTMP is not taken here"):
        decide(policy, over("play", tls=False, path="vip/cam1"))


def test_a_verified_client_certificate_may_stand_for_a_key() -> None:
    request = AccessRequest(
        "publish", "live/cam1", ip_address("10.0.0.7"), is_secure=True, certificate="cam1"
    )
    decide(policy_of(Auth(publish="key", certificates=True)), request)
    with pytest.raises(Rejected, match="needs a valid publish key"):
        decide(policy_of(Auth(publish="key")), request)


def test_key_of_ours_is_looked_up_even_where_none_is_needed() -> None:
    policy = policy_of(Auth(publish="open"))
    assert policy.shows_key(AccessRequest("publish", "live/a", None, key="hk_1"))
    assert policy.shows_key(AccessRequest("publish", "live/a", None, key_id="pk_1"))
    assert not policy.shows_key(AccessRequest("publish", "live/a", None, key="any text"))
    assert not policy.shows_key(AccessRequest("publish", "live/a", None))
    strict = policy_of(Auth(publish="key"))
    assert strict.shows_key(AccessRequest("publish", "live/a", None, key="any text"))


def test_streams_are_private_by_pattern() -> None:
    policy = policy_of(Auth(private=("vip/*", "live/secret")))
    assert [policy.is_private(path) for path in ("vip/a", "live/secret", "live/a")] == [
        True,
        True,
        False,
    ]


@pytest.mark.parametrize(
    ("auth", "key", "certificate", "holder"),
    [
        (Auth(publish="open", certificates=True), None, "cam1", "certificate:cam1"),
        (Auth(publish="key", certificates=True), "any text", "cam1", "certificate:cam1"),
        (Auth(publish="open", certificates=True), "any text", None, "text:any text"),
        (Auth(publish="open"), "any text", "cam1", "text:any text"),
        (Auth(publish="open"), "certificate:cam1", None, "text:certificate:cam1"),
        (Auth(publish="open"), None, "cam1", None),
    ],
)
def test_holder_of_a_name_is_named_by_what_nobody_else_can_show(
    auth: Auth, key: str | None, certificate: str | None, holder: str | None
) -> None:
    asked = AccessRequest(
        "publish", "live/cam1", ip_address("10.0.0.7"), key, certificate=certificate
    )
    assert policy_of(auth).holder_of(asked) == holder


def test_rules_say_of_a_stream_what_the_sections_say_of_all() -> None:
    rules = StreamRule(
        ("vip/*",), (("auth.private", True), ("rtmp.tls_only", True), ("auth.publish", "open"))
    )
    policy = Policy(RuleBook(Settings(stream=(rules,))))
    far = ip_address("10.0.0.7")
    assert policy.is_private("vip/a")
    assert not policy.is_private("live/a")
    assert policy.wants_tls("play", "vip/a")
    assert not policy.wants_tls("play", "live/a")
    assert policy.is_free(AccessRequest("publish", "vip/a", far))
    assert not policy.is_free(AccessRequest("publish", "live/a", far))
