"""Tests of headend.rtmp.authmod with the vectors of docs/protocol.md."""

import hashlib

import pytest

from headend.rtmp.authmod import (
    Challenge,
    Scheme,
    SignInAnswer,
    describe,
    failed,
    is_right,
    need_auth,
    parse_answer,
    scheme,
    verifier,
)
from headend.rtmp.url import stream_target

ALICE = verifier("alice", "secret", "SALT")
ADOBE = Challenge("adobe", "alice", "OPAQ")
LLNW = Challenge("llnw", "alice", "NONCE")
RIGHT_ADOBE = SignInAnswer("adobe", "alice", "OPAQ", "0badcafe", "J79qU2ebESHArm1G+Xg29g==")
RIGHT_LLNW = SignInAnswer("llnw", "alice", "NONCE", "0badcafe", "4f35483d550353260250848df2223aa3")


def test_what_is_kept_of_a_password_is_no_password() -> None:
    assert ALICE.adobe == "MseHn3GddLqKdoDNXWqumw=="
    assert ALICE.llnw == "f7b8075832e11e7e68e019541c4b8fc3"
    assert "MseHn" not in repr(ALICE)


def test_right_answers_are_right() -> None:
    assert is_right(RIGHT_ADOBE, ADOBE, ALICE, "live")
    assert is_right(RIGHT_LLNW, LLNW, ALICE, "live")


def test_llnw_names_no_instance_where_the_app_has_one() -> None:
    answer = SignInAnswer("llnw", "alice", "NONCE", "0badcafe", "b2eb5b8ad94a26f7fd06bf5a9e4dbf22")
    assert not is_right(answer, LLNW, ALICE, "live/eu")
    # MD5 of "publish:/live/eu"; the rest as in the vector.
    path = hashlib.md5(b"publish:/live/eu").hexdigest()
    text = f"f7b8075832e11e7e68e019541c4b8fc3:NONCE:00000001:0badcafe:auth:{path}"
    right = hashlib.md5(text.encode()).hexdigest()
    assert is_right(
        SignInAnswer("llnw", "alice", "NONCE", "0badcafe", right), LLNW, ALICE, "live/eu"
    )


@pytest.mark.parametrize(
    ("answer", "challenge"),
    [
        (SignInAnswer("adobe", "alice", "OPAQ", "0badcafe", "QToyoh1CUoR+ZStSVtClzw=="), ADOBE),
        (SignInAnswer("adobe", "alice", "OPAQ", "0badcaff", RIGHT_ADOBE.response), ADOBE),
        (SignInAnswer("adobe", "bob", "OPAQ", "0badcafe", RIGHT_ADOBE.response), ADOBE),
        (RIGHT_ADOBE, Challenge("adobe", "alice", "OTHER")),
        (RIGHT_ADOBE, Challenge("adobe", "bob", "OPAQ")),
        (RIGHT_ADOBE, Challenge("llnw", "alice", "OPAQ")),
        (SignInAnswer("llnw", "alice", "NONCE", "0badcafe", "\udce9"), LLNW),
        (RIGHT_LLNW, Challenge("llnw", "alice", "nonce")),
    ],
)
def test_wrong_answers_are_wrong(answer: SignInAnswer, challenge: Challenge) -> None:
    assert not is_right(answer, challenge, ALICE, "live")


@pytest.mark.parametrize(
    ("query", "named", "answer"),
    [
        ("", None, None),
        ("authmod=other&user=a&response=r", None, None),
        ("authmod=adobe&user=alice", "adobe", None),
        (
            "authmod=adobe&user=alice&challenge=0badcafe&response=J79qU2ebESHArm1G+Xg29g=="
            "&opaque=OPAQ",
            "adobe",
            RIGHT_ADOBE,
        ),
        (
            "authmod=llnw&user=alice&nonce=NONCE&cnonce=0badcafe&nc=00000001"
            "&response=4f35483d550353260250848df2223aa3",
            "llnw",
            RIGHT_LLNW,
        ),
        ("authmod=llnw&response=r", "llnw", SignInAnswer("llnw", "", "", "", "r")),
    ],
)
def test_query_of_connect_says_what_the_client_answers(
    query: str, named: Scheme | None, answer: SignInAnswer | None
) -> None:
    target = stream_target(f"live?{query}", "", "")
    assert scheme(target) == named
    assert parse_answer(target) == answer


def test_descriptions_are_what_encoders_look_for() -> None:
    assert need_auth("adobe") == (
        "[ AccessManager.Reject ] : [ code=403 need auth; authmod=adobe ] : "
    )
    assert describe(ADOBE, "SALT") == (
        "[ AccessManager.Reject ] : [ authmod=adobe ] : "
        "?reason=needauth&user=alice&salt=SALT&challenge=OPAQ&opaque=OPAQ"
    )
    assert describe(LLNW, "SALT") == (
        "[ AccessManager.Reject ] : [ authmod=llnw ] : ?reason=needauth&user=alice&nonce=NONCE"
    )
    assert failed("llnw") == "[ AccessManager.Reject ] : [ authmod=llnw ] : ?reason=authfailed"
