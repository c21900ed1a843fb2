"""Tests of headend.rtmp.auth_answer with the vectors of docs/protocol.md."""

import pytest

from headend.rtmp import authmod
from headend.rtmp.auth_answer import answer, has_failed, wants_auth
from headend.rtmp.url import stream_target

PREFIX = "[ AccessManager.Reject ] : "
NEEDED = PREFIX + "[ code=403 need auth; authmod=adobe ] : "
ADOBE = PREFIX + "[ authmod=adobe ] : ?reason=needauth&user=alice&salt=SALT&challenge=CHAL"
LLNW = PREFIX + "[ authmod=llnw ] : ?reason=needauth&user=alice&nonce=NONCE"
FAILED = PREFIX + "[ authmod=adobe ] : ?reason=authfailed&opaque=x"


def test_first_refusal_is_answered_with_the_user() -> None:
    assert wants_auth(NEEDED)
    assert answer(NEEDED, "alice", "secret", "live", "0badcafe") == "authmod=adobe&user=alice"
    assert answer(NEEDED, "a&b=ü", "", "live", "0") == "authmod=adobe&user=a%26b%3D%C3%BC"


@pytest.mark.parametrize(
    ("description", "rest"),
    [
        (ADOBE, "challenge=0badcafe&response=QToyoh1CUoR+ZStSVtClzw=="),
        (
            ADOBE + "&opaque=OPAQ",
            "challenge=0badcafe&response=J79qU2ebESHArm1G+Xg29g==&opaque=OPAQ",
        ),
    ],
)
def test_challenge_of_adobe_is_answered(description: str, rest: str) -> None:
    found = answer(description, "alice", "secret", "live", "0badcafe")
    assert found == f"authmod=adobe&user=alice&{rest}"


def test_challenge_of_llnw_is_answered() -> None:
    assert answer(LLNW, "alice", "secret", "live", "0badcafe") == (
        "authmod=llnw&user=alice&nonce=NONCE&cnonce=0badcafe&nc=00000001"
        "&response=4f35483d550353260250848df2223aa3"
    )


@pytest.mark.parametrize("scheme", ["adobe", "llnw"])
@pytest.mark.parametrize("app", ["live", "a/b"])
def test_our_own_server_takes_the_answer(scheme: authmod.Scheme, app: str) -> None:
    challenge = authmod.Challenge(scheme, "alice", "bm9uY2U=")
    asked = authmod.describe(challenge, "c2FsdA==")
    given = answer(asked, "alice", "secret", app, "0badcafe")
    answered = authmod.parse_answer(stream_target(f"{app}?{given}", "", "cam1"))
    known = authmod.verifier("alice", "secret", "c2FsdA==")
    assert answered is not None
    assert authmod.is_right(answered, challenge, known, app)
    wrong = authmod.verifier("alice", "other", "c2FsdA==")
    assert not authmod.is_right(answered, challenge, wrong, app)


@pytest.mark.parametrize("description", ["", "stream is private", FAILED])
def test_other_refusals_ask_for_nothing(description: str) -> None:
    assert answer(description, "alice", "secret", "live", "0badcafe") is None
    assert has_failed(description) == (description == FAILED)
    assert not wants_auth("authmod=digest")
