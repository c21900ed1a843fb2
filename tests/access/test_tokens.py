"""Tests of headend.access.tokens."""

import hmac
import json
from base64 import urlsafe_b64encode
from dataclasses import replace
from ipaddress import ip_address
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from joserfc import jwt
from joserfc.jwk import KeySet, OctKey, OKPKey, RSAKey
from tests.odd_tokens import raw_token

from headend.access.jwks import load_keys
from headend.access.tokens import CACHED, ID_CHARACTERS, Reason, Token, TokenRefused, Tokens
from headend.errors import SettingsError

NOW = 1_800_000_000.0
TOKENS = Tokens(bytes(range(32)))
VIP = Token("", "vip/*", "play", NOW + 60)
HOME = ip_address("203.0.113.7")


def refused(tokens: Tokens, text: str | None, **changes: object) -> Reason:
    wanted = {"action": "play", "path": "vip/a", "address": HOME, "now": NOW} | changes
    with pytest.raises(TokenRefused) as raised:
        tokens.check(text, **wanted)  # type: ignore[arg-type]
    return raised.value.reason


def signed(claims: dict[str, object], key: OctKey | OKPKey | RSAKey, algorithm: str) -> str:
    return jwt.encode({"alg": algorithm}, claims, key, algorithms=[algorithm])


def test_own_token_grants_what_it_says_until_it_expires() -> None:
    text = TOKENS.sign(VIP, NOW)
    token = TOKENS.check(text, "play", "vip/a", HOME, NOW)
    assert (token.stream, token.action, token.expires_at) == ("vip/*", "play", NOW + 60)
    assert token.id
    assert TOKENS.check(text, "play", "vip/a", HOME, NOW + 59).id == token.id
    assert refused(TOKENS, text, now=NOW + 60) == "expired"
    assert refused(TOKENS, text, path="live/a") == "stream"
    assert refused(TOKENS, text, action="publish") == "stream"


def test_token_may_be_bound_to_addresses_and_name_whom_it_is_for() -> None:
    bound = Token("", "vip/a", "play", NOW + 60, 0, "203.0.113.0/24", 3, "customer 17")
    text = TOKENS.sign(bound, NOW)
    token = TOKENS.check(text, "play", "vip/a", HOME, NOW)
    assert (token.viewers, token.subject, token.network) == (3, "customer 17", "203.0.113.0/24")
    assert refused(TOKENS, text, address=ip_address("203.0.114.7")) == "address"
    assert refused(TOKENS, text, address=ip_address("::1")) == "address"
    assert refused(TOKENS, text, address=None) == "address"
    local = TOKENS.sign(Token("", "vip/a", "play", NOW + 60, 0, "127.0.0.1"), NOW)
    assert TOKENS.check(local, "play", "vip/a", None, NOW).network == "127.0.0.1"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"stream": "vip/\x1b"}, "pattern: it holds a character"),
        ({"stream": "vip/\ud800"}, "pattern: it holds a character"),
        ({"stream": "v" * 4000}, "pattern: the token is longer"),
        ({"subject": "Ann\nB"}, "subject: it holds a character"),
        ({"viewers": 2**31}, "max viewers: must be 1 to"),
    ],
)
def test_what_would_be_refused_is_not_signed(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(SettingsError, match=words):
        TOKENS.sign(replace(VIP, **changes), NOW)


def test_refusals_say_why() -> None:
    assert refused(TOKENS, None) == refused(TOKENS, "") == "missing"
    assert str(TokenRefused("missing")) == "this stream needs a token: ?token=…"
    assert str(TokenRefused("expired")) == "the token has expired"


def test_token_of_another_server_or_changed_is_not_valid() -> None:
    text = TOKENS.sign(VIP, NOW)
    assert refused(Tokens(bytes(32)), text) == "invalid"
    head, body, proof = text.split(".")
    for wrong in (f"{head}.{body}.", f"{head}.{body[:-1]}A.{proof}", "a.b.c", "a" * 5000, "é.é.é"):
        assert refused(TOKENS, wrong) == "invalid"
    unsigned = "eyJhbGciOiJub25lIn0."  # {"alg":"none"}
    assert refused(TOKENS, f"{unsigned}{body}.") == "invalid"


def test_keys_of_others_are_taken_from_a_jwks() -> None:
    edwards, rsa = OKPKey.generate_key("Ed25519"), RSAKey.generate_key(2048)
    shared = OctKey.import_key(b"a shared secret of 32 bytes long")
    public = {
        "keys": [
            edwards.as_dict(private=False),
            rsa.as_dict(private=False),
            shared.as_dict(private=True),
            {"kty": "EC", "crv": "P-256", "x": EC_X, "y": EC_Y},  # of no algorithm here
        ]
    }
    tokens = Tokens(bytes(32), load_keys(json.dumps(public)).keys)
    claims: dict[str, object] = {"stream": "vip/a", "exp": NOW + 60}
    for key, algorithm in ((edwards, "EdDSA"), (rsa, "RS256"), (shared, "HS256")):
        text = signed(claims, key, algorithm)
        assert tokens.check(text, "play", "vip/a", HOME, NOW).stream == "vip/a"
        assert refused(TOKENS, text) == "invalid"


def test_public_key_is_no_shared_secret() -> None:
    rsa = RSAKey.generate_key(2048)
    tokens = Tokens(bytes(32), KeySet([rsa]))
    # The old trick: HS256 with the public key's text as the secret.
    head = urlsafe_b64encode(b'{"alg":"HS256"}').rstrip(b"=")
    body = urlsafe_b64encode(b'{"stream":"*","exp":1800000060}').rstrip(b"=")
    proof = hmac.digest(rsa.as_pem(private=False), head + b"." + body, "sha256")
    forged = b".".join((head, body, urlsafe_b64encode(proof).rstrip(b"=")))
    assert refused(tokens, forged.decode()) == "invalid"


EC_X = "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU"  # RFC 7517, appendix A.1 has its like
EC_Y = "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"


@pytest.mark.parametrize(
    "claims",
    [
        {"exp": NOW},
        {"stream": "vip/a"},
        {"stream": 7, "exp": NOW + 60},
        {"stream": "vip/a", "exp": "soon"},
        {"stream": "vip/a", "exp": True},
        {"stream": "vip/a", "exp": NOW + 60, "act": "admin"},
        {"stream": "vip/a", "exp": NOW + 60, "nbf": []},
        {"stream": "vip/a", "exp": NOW + 60, "nbf": NOW + 30},
        {"stream": "vip/a", "exp": NOW + 60, "ip": "home"},
        {"stream": "vip/a", "exp": NOW + 60, "ip": 7},
        {"stream": "vip/a", "exp": NOW + 60, "viewers": 0},
        {"stream": "vip/a", "exp": NOW + 60, "viewers": "3"},
        {"stream": "vip/a", "exp": NOW + 60, "viewers": True},
        {"stream": "vip/a", "exp": NOW + 60, "viewers": 10**300},
        {"stream": "vip/a", "exp": 10**400},
        {"stream": "vip/a", "exp": 1e300},
        {"stream": "vip/a", "exp": float("nan")},
        {"stream": "vip/a", "exp": float("inf")},
        {"stream": "vip/a", "exp": NOW + 60, "nbf": float("nan")},
        {"stream": "vip/a", "exp": NOW + 60, "nbf": -(10**400)},
        {"stream": "vip/\ud800", "exp": NOW + 60},
        {"stream": "vip/a\x1b[2J", "exp": NOW + 60},
        {"stream": "vip/a", "exp": NOW + 60, "act": ["play"]},
    ],
)
def test_claims_that_make_no_sense_grant_nothing(claims: dict[str, object]) -> None:
    assert refused(TOKENS, own_token(json.dumps(claims))) == "invalid"


def own_token(claims: str, header: str = '{"alg":"HS256"}') -> str:
    return raw_token(bytes(range(32)), claims, header)


@pytest.mark.parametrize(
    "claims",
    [
        "[]",
        "7",
        "null",
        '"vip/a"',
        "{",
        "[" * 1200,
        '{"stream":"vip/a","exp":1800000060,"more":' + "[" * 1200 + "]" * 1200 + "}",
        '{"stream":"vip/a","exp":' + "9" * 1000 + "}",
        '{"stream":"vip/a","exp":1e400}',
    ],
)
def test_signed_claims_that_are_no_object_or_too_deep_are_refused(claims: str) -> None:
    assert refused(TOKENS, own_token(claims)) == "invalid"


RIGHT = '{"stream":"vip/a","exp":1800000060}'


@pytest.mark.parametrize(
    "more",
    [
        '"crit":7',
        '"crit":[[]]',
        '"crit":[{}]',
        '"crit":{"exp":1}',
        '"crit":["exp"],"exp":1',
        '"crit":["b64"],"b64":false',
        '"b64":false',
        '"kid":[]',
        '"kid":' + "[" * 100 + "]" * 100,
        '"jwk":7',
        '"alg":["HS256"]',
        '"alg":{}',
        '"alg":null',
        '"alg":"none"',
        '"alg":"HS384"',
        '"x5c":[[1]]',
    ],
)
def test_header_that_is_odd_or_asks_for_an_extension_is_refused(more: str) -> None:
    assert TOKENS.check(own_token(RIGHT), "play", "vip/a", HOME, NOW).stream == "vip/a"
    assert refused(TOKENS, own_token(RIGHT, f'{{"alg":"HS256",{more}}}')) == "invalid"


@pytest.mark.parametrize("header", ["[]", "7", "null", "{}", "{", "[" * 2000, "", "é"])
def test_header_that_is_no_object_is_refused(header: str) -> None:
    assert refused(TOKENS, own_token(RIGHT, header)) == "invalid"


def test_what_is_told_of_a_token_can_be_shown() -> None:
    odd = {"stream": "vip/a", "exp": NOW + 60, "jti": "a\ud800", "sub": "Ann\n[31m"}
    token = TOKENS.verify(own_token(json.dumps(odd)))
    assert (len(token.id), token.subject) == (32, "")
    long = {"stream": "vip/a", "exp": NOW + 60, "jti": "j" * (ID_CHARACTERS + 1), "sub": "s" * 900}
    first = TOKENS.verify(own_token(json.dumps(long)))
    again = TOKENS.verify(own_token(json.dumps(long | {"exp": NOW + 90})))
    assert (len(first.id), len(first.subject)) == (32, 200)
    assert first.id == again.id  # one holder with two tokens
    empty = TOKENS.verify(own_token(json.dumps({"stream": "vip/a", "exp": NOW + 60, "jti": ""})))
    assert len(empty.id) == 32


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=8,
)
CLAIMS = ("stream", "act", "exp", "nbf", "ip", "viewers", "jti", "sub")
HEADERS = ("alg", "crit", "b64", "kid", "jwk", "typ", "x5c", "zip", "enc")


@given(
    st.dictionaries(st.sampled_from(CLAIMS), VALUES),
    st.dictionaries(st.sampled_from(HEADERS), VALUES),
)
def test_signed_token_grants_or_is_refused_whatever_is_in_it(
    claims: dict[str, object], header: dict[str, object]
) -> None:
    right: dict[str, object] = {"stream": "vip/*", "exp": NOW + 60}
    for said, head in ((claims, {}), (right | claims, {}), (right, header), (claims, header)):
        text = own_token(json.dumps(said), json.dumps({"alg": "HS256"} | head))
        try:
            token = TOKENS.check(text, "play", "vip/a", HOME, NOW)
        except TokenRefused:
            continue
        assert NOW < token.expires_at < 1e12
        assert (token.id + token.subject + token.stream).isprintable()


@given(st.text("[]!-^*?\\ab/.|&~", max_size=30))
def test_any_pattern_fits_a_stream_or_does_not(pattern: str) -> None:
    text = own_token(json.dumps({"stream": pattern, "exp": NOW + 60}))
    reason = None
    try:
        TOKENS.check(text, "play", "a/b", HOME, NOW)
    except TokenRefused as error:
        reason = error.reason
    assert reason in (None, "stream")


def test_token_without_an_id_gets_one_that_does_not_show_it() -> None:
    key = OctKey.import_key(bytes(range(32)))
    text = signed({"stream": "vip/a", "exp": NOW + 60, "nbf": NOW + 4, "sub": 7}, key, "HS256")
    token = TOKENS.check(text, "play", "vip/a", HOME, NOW)
    assert len(token.id) == 32
    assert token.id not in text
    assert token.subject == ""


def test_right_tokens_are_remembered_within_a_bound() -> None:
    tokens = Tokens(bytes(32))
    first = tokens.sign(VIP, NOW)
    known = tokens.verify(first)
    assert tokens.verify(first) is known
    for number in range(CACHED):
        tokens.verify(tokens.sign(Token("", f"vip/{number}", "play", NOW), NOW))
    assert tokens.verify(first) is not known


@given(st.text(max_size=300))
def test_any_text_is_refused_and_nothing_else(text: str) -> None:
    with pytest.raises(TokenRefused):
        TOKENS.check(text, "play", "vip/a", HOME, NOW)
