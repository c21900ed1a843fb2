"""Tests of headend.redaction: no secret is seen, whatever stands around it."""

import json
import string
from collections.abc import Callable, Iterator
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headend import logs
from headend.redaction import Secrets, hide, redact

# What encoders, viewers and platforms use for keys and passwords, percent-encoding included.
SECRETS = st.text(string.ascii_letters + string.digits + "-_.~+/$!*", min_size=12, max_size=40)
WORDS = st.text(string.ascii_letters + string.digits + " /.,:()-", max_size=10)
NAMES = st.sampled_from(
    ["key", "token", "stream_key", "KEY", "apiKey", "access-token", "secret", "password", "passwd",
     "X-Amz-Signature", "pwd", "auth", "response", "sig", "client_secret", "headend_session"]
)  # fmt: skip


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("live/cam1?key=s3cr3t&x=1", "live/cam1?key=***&x=1"),
        ("?TOKEN=abc.def-ghi", "?TOKEN=***"),
        ("key=abc", "key=***"),
        ("cam?key=a/b=c live=1", "cam?key=*** live=1"),
        ("'cam?key=abc'", "'cam?key=***'"),
        ("a?streamKey=1&password=2&sign=3&y=4", "a?streamKey=***&password=***&sign=***&y=4"),
        ("hk_abc?x=1", "hk_***?x=1"),
        ("x=1&access_token=abc;def", "x=1&access_token=***"),
        ("key%3Dabc", "key%3D***"),
        ("u=rtmp%3A%2F%2Fh%2Fa%3Fkey%3Dabc", "u=rtmp%3A%2F%2Fh%2Fa%3Fkey%3D***"),
        ("key%253Dabc", "key%253D***"),
        ("?authmod=adobe&user=ann&response=XyZ==", "?authmod=adobe&user=ann&response=***"),
        ("publish hk_AbC-12_3 refused", "publish hk_*** refused"),
        ("/live%2Fhk_AbC", "/live%2Fhk_***"),
        ("hk%5FAbC", "hk_***"),
        ("eyJhbGciOiJI.eyJzdWIi.c2ln is wrong", "eyJ*** is wrong"),
        ("rtmp://ann:pass@host/live", "rtmp://***@host/live"),
        ("rtmp://ann:p@ss@host/live", "rtmp://***@host/live"),
        ("rtmp://ann:p/a?s#s@host/live", "rtmp://***@host/live"),
        ('rtmp://ann:p"w@host/live', "rtmp://***@host/live"),
        ("rtmp%3A%2F%2Fann%3Apass%40host", "rtmp%3A%2F%2F***%40host"),
        ("postgresql://u:pw@/db?host=/run", "postgresql://***@/db?host=/run"),
        ('{"token": "abc", "x": 1}', '{"token": "***", "x": 1}'),
        ("{'key': 'a b', 'x': 1}", "{'key': '***', 'x': 1}"),
        (r"{\"secret\": \"abc\"}", r"{\"secret\": \"***\"}"),
        ('"password":"a\\"b"', '"password":"***"'),
        ("Authorization: Bearer abcdef", "Authorization: ***"),
        ("('Authorization', 'Basic YTpi')", "('Authorization', '***')"),
        ("Cookie: headend_session=abc", "Cookie: ***"),
        ("bearer abcdefghijklmnop", "bearer ***"),
        ('key="two words" next', "key=*** next"),
        ("key='cut of", "key=***"),
        ("?token=…x", "?token=***"),
        ("rtmp://USER:PASSWORDS@HOST/a", "rtmp://***@HOST/a"),
    ],
)
def test_secret_is_hidden(text: str, shown: str) -> None:
    assert redact(text) == shown


@pytest.mark.parametrize(
    "text",
    [
        "rtmp://host/live@2x",
        "rtmp://host:1935/live/a@2x",
        "the key is missing",
        "limits.streams_per_key: 3 is over the limit of 2",
        'set auth.publish = "open"',
        "auth.publish=key",
        "keyframe_interval_s=2.0 keys=4 tokens=5",
        "live.takeover is same-key, always or never",
        "10.0.0.7:51044 publish live/cam1 accepted fps=29.97",
        "http://[::1]:8080/live/a.flv?gop=0",
        "bearer tokens, chk_disk, basic settings",
        "this stream needs a token: ?token=…",
        "it wants a user and a password: rtmp://USER:PASSWORD@HOST/…",
        "rtmp[s]://HOST/APP/NAME?key=KEY of a free name.",
        "--set SECTION.KEY=VALUE",
    ],
)
def test_what_is_no_secret_is_shown(text: str) -> None:
    assert redact(text) == text


@given(name=NAMES, secret=SECRETS, before=WORDS, after=WORDS, rounds=st.integers(0, 2))
def test_value_of_a_secret_parameter_is_never_seen(
    name: str, secret: str, before: str, after: str, rounds: int
) -> None:
    text = f"?x=1&{name}={secret}&y="
    for _ in range(rounds):
        text = quote(text, safe="")
    assert secret not in redact(f"{before} {text}{after}")
    assert secret not in redact(f"{before}{json.dumps({name: secret})}{after}")
    assert secret not in redact(repr({name: secret, "x": after}))


@pytest.mark.parametrize("password", ["00000/000000", "12345?x", "1/2/3", "99999#s", "1935/live"])
def test_password_that_begins_as_a_port_does_is_hidden(password: str) -> None:
    assert password not in redact(f"rtmp://ann:{password}@host/a")
    assert password not in redact(f"rtmps://ann:{password}@[::1]:443/live/a is lost")


def test_name_with_an_at_sign_is_no_user() -> None:
    assert redact("rtmp://host:1935/live/a@b is live") == "rtmp://host:1935/live/a@b is live"


@given(secret=SECRETS, before=WORDS, after=WORDS)
def test_keys_tokens_and_passwords_are_never_seen_anywhere(
    secret: str, before: str, after: str
) -> None:
    word = "".join(character for character in secret if character.isalnum()) + "Z9"
    for text in (f"hk_{word}", f"eyJ{word}.eyJ{word}.{word}", f"rtmp://ann:{secret}@host/a"):
        for around in (text, quote(text, safe="")):
            assert word not in redact(f"{before} {around} {after}")
            assert secret not in redact(f"{before} {around} {after}")


@given(text=st.text())
def test_hidden_once_hidden_for_good(text: str) -> None:
    once = redact(text)
    assert redact(once) == once


@pytest.fixture
def secrets() -> Iterator[Callable[[], Secrets]]:
    """Makes the secrets of servers, which are over with the test."""
    made: list[Secrets] = []

    def make() -> Secrets:
        made.append(Secrets())
        return made[-1]

    yield make
    for each in made:
        each.close()


def test_secret_of_any_shape_is_hidden_once_it_is_told(secrets: Callable[[], Secrets]) -> None:
    server = secrets()
    text = "signed in with correct horse (battery) and short"
    assert redact(text) == text
    server.protect(["correct horse (battery)", "short"])  # too short: it may be any word
    assert redact(text) == "signed in with *** and short"
    server.protect(["correct horse"])
    assert redact(text) == "signed in with *** and short"
    assert logs.shown(text) == "signed in with *** and short"


def test_secret_is_let_go_with_its_server_and_no_other(secrets: Callable[[], Secrets]) -> None:
    one, other = secrets(), secrets()
    one.protect(["shared by both", "of one alone"])
    other.protect(["shared by both", "of the other"])
    text = "shared by both, of one alone, of the other"
    assert redact(text) == "***, ***, ***"
    assert other.hide(text) == "***, of one alone, ***"
    one.close()
    assert redact(text) == "***, of one alone, ***"
    other.close()
    assert redact(text) == text


def test_secrets_that_are_named_are_hidden_however_short() -> None:
    assert hide("cam1 sent k1 to k12", ["k1", None, "k12"]) == "cam1 sent *** to ***"


@pytest.mark.parametrize(
    "text",
    [
        "a" * 65_536, "\\" * 65_536, "://a:b" * 10_000, "key" * 20_000, "%3a%2f%2f" * 7000,
        '"key":"' * 9000, "key=\\" * 10_000, "Cookie" + " " * 60_000, "hk_" * 20_000,
        "eyJ" * 20_000, "cookie," * 9000, "'" * 65_536, "key='\\" * 9000, "@:" * 30_000,
    ],
    ids=range(14),
)  # fmt: skip
def test_hostile_text_costs_time_in_proportion(text: str) -> None:
    redact(text[:65_536])  # a quadratic pattern would take longer than a test may
