"""Tests of headend.webhooks."""

from datetime import UTC, datetime

import pytest
import standardwebhooks

from headend.webhooks import SignatureError, sign, verify

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
BODY = b'{"test": 2432232314}'
ID = "msg_p5jXN8AQM9LWM0D4loKWxJek"
TIME = 1614265330
# The example of the specification (Standard Webhooks, "Signature scheme").
SIGNATURE = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
HEADERS = {"Webhook-Id": ID, "Webhook-Timestamp": str(TIME), "Webhook-Signature": SIGNATURE}


def test_signature_is_that_of_the_specification() -> None:
    assert sign(BODY, SECRET, id=ID, timestamp=TIME) == {
        "webhook-id": ID,
        "webhook-timestamp": "1614265330",
        "webhook-signature": SIGNATURE,
    }


def test_right_signature_gives_the_id() -> None:
    assert verify(BODY, HEADERS, SECRET, now=TIME + 299) == ID


def test_one_of_several_signatures_is_enough() -> None:
    headers = HEADERS | {"Webhook-Signature": f"v1,AAAA v2,x {SIGNATURE}"}
    assert verify(BODY, headers, SECRET, now=TIME) == ID


@pytest.mark.parametrize("secret", ["any text at all, ünicode too", "whsec_%%%"])
def test_secret_may_be_any_text(secret: str) -> None:
    headers = sign(BODY, secret, id="1", timestamp=TIME)
    assert verify(BODY, headers, secret, now=TIME) == "1"
    with pytest.raises(SignatureError):
        verify(BODY, headers, secret + "x", now=TIME)


@pytest.mark.parametrize(
    ("body", "change", "words"),
    [
        (BODY + b" ", {}, "not right"),
        (BODY, {"Webhook-Id": "other"}, "not right"),
        (BODY, {"Webhook-Timestamp": str(TIME + 1)}, "not right"),
        (BODY, {"Webhook-Signature": ""}, "not right"),
        (BODY, {"Webhook-Signature": "v1,ä"}, "not right"),
        (BODY, {"Webhook-Timestamp": "soon"}, "webhook-timestamp is no time"),
        (BODY, {"Webhook-Timestamp": "²"}, "webhook-timestamp is no time"),
    ],
)
def test_what_was_changed_is_refused(body: bytes, change: dict[str, str], words: str) -> None:
    with pytest.raises(SignatureError, match=words):
        verify(body, HEADERS | change, SECRET, now=TIME)


@pytest.mark.parametrize("header", list(HEADERS))
def test_missing_header_is_named(header: str) -> None:
    headers = {name: value for name, value in HEADERS.items() if name != header}
    with pytest.raises(SignatureError, match=f"{header.lower()} is missing"):
        verify(BODY, headers, SECRET, now=TIME)


@pytest.mark.parametrize("seconds", [301, -301])
def test_request_of_another_time_is_refused(seconds: float) -> None:
    with pytest.raises(SignatureError, match="more than 300 s ago"):
        verify(BODY, HEADERS, SECRET, now=TIME + seconds)
    assert verify(BODY, HEADERS, SECRET, now=TIME + seconds, tolerance_s=302)


def test_time_is_now_unless_it_is_given() -> None:
    with pytest.raises(SignatureError, match="ago"):
        verify(BODY, HEADERS, SECRET)


@pytest.mark.parametrize(
    "secret", [SECRET, "whsec_c2l4dGVlbiBjaGFyYWN0ZXJz", "whsec_c2l4dGVlbiBjaGFycw"]
)
def test_library_of_the_specification_agrees(secret: str) -> None:
    now = datetime.now(UTC).replace(microsecond=0)
    theirs = standardwebhooks.Webhook(secret)
    headers = sign(BODY, secret, id=ID, timestamp=int(now.timestamp()))
    assert theirs.verify(BODY, headers) == {"test": 2432232314}
    signature = theirs.sign(msg_id=ID, timestamp=now, data=BODY.decode())
    assert verify(BODY, headers | {"webhook-signature": signature}, secret) == ID
