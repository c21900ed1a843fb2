"""Checks of user and password the way RTMP encoders know: authmod `adobe` and `llnw`.

    1  connect live                                     refused: need auth; authmod=adobe
    2  connect live?authmod=adobe&user=U                refused: salt=S challenge=C opaque=O
    3  connect live?authmod=adobe&user=U&challenge=D&response=R        granted, or authfailed

Each step is a connection of its own. Neither scheme sends the password, and the server keeps none:
what it keeps of one, a `Verifier`, checks responses and is worth as much to a thief, so it is
stored encrypted. Both are MD5: made for compatibility, RTMPS is what protects.

Source: docs/protocol.md, authentication.
"""

import hashlib
import hmac
from base64 import b64encode
from dataclasses import dataclass
from typing import Final, Literal

from headend.rtmp.url import StreamTarget

Scheme = Literal["adobe", "llnw"]

# FFmpeg keeps a description in 300 bytes and librtmp is not safe with long values: short ones.
SALT_BYTES: Final = 6
NONCE_BYTES: Final = 8

REALM: Final = "live"  # of llnw; all clients know this one
PREFIX: Final = "[ AccessManager.Reject ] :"


@dataclass(frozen=True, slots=True, repr=False)
class Verifier:
    """What is kept of a user's password.

    Attributes:
        user: Without `&`, `=` and blanks.
        salt: Of the password, for adobe; part of the challenge, as long as the password lives.
        adobe: Base64 of MD5 of user, salt and password.
        llnw: MD5 of `user:live:password`, in hexadecimal.
    """

    user: str
    salt: str
    adobe: str
    llnw: str


@dataclass(frozen=True, slots=True, repr=False)
class Challenge:
    """What one client was asked.

    Attributes:
        scheme: How it is to answer.
        user: Who it said it is; perhaps nobody we know.
        nonce: Random; good for one answer.
    """

    scheme: Scheme
    user: str
    nonce: str


@dataclass(frozen=True, slots=True, repr=False)
class SignInAnswer:
    """What a client answered in its third connect.

    Attributes:
        scheme: How it answers.
        user: Who it says it is.
        nonce: Which challenge it answers; empty if it does not repeat it.
        client_nonce: Random text of the client.
        response: The proof.
    """

    scheme: Scheme
    user: str
    nonce: str
    client_nonce: str
    response: str


def verifier(user: str, password: str, salt: str) -> Verifier:
    """Return what to keep of a password.

    Args:
        user: Name the client will send.
        password: Never stored.
        salt: Random, in characters that a query takes.
    """
    return Verifier(
        user,
        salt,
        _base64_md5(f"{user}{salt}{password}"),
        _hex_md5(f"{user}:{REALM}:{password}"),
    )


def scheme(target: StreamTarget) -> Scheme | None:
    """Say which scheme the query of a connect names, if any."""
    named = target.query.get("authmod")
    return "adobe" if named == "adobe" else "llnw" if named == "llnw" else None


def parse_answer(target: StreamTarget) -> SignInAnswer | None:
    """Return what a connect answers to a challenge; None: it only names the user, or nothing."""
    query = target.query
    named = scheme(target)
    response = query.get("response", "")
    if named is None or not response:
        return None
    user = query.get("user", "")
    if named == "adobe":
        return SignInAnswer(
            named, user, query.get("opaque", ""), query.get("challenge", ""), response
        )
    return SignInAnswer(named, user, query.get("nonce", ""), query.get("cnonce", ""), response)


def need_auth(offered: Scheme) -> str:
    """Return the description that makes an encoder start: its user and password are wanted."""
    return f"{PREFIX} [ code=403 need auth; authmod={offered} ] : "


def describe(challenge: Challenge, salt: str) -> str:
    """Return the description that carries a challenge."""
    asked = f"{PREFIX} [ authmod={challenge.scheme} ] : ?reason=needauth&user={challenge.user}"
    nonce = challenge.nonce
    if challenge.scheme == "adobe":
        return f"{asked}&salt={salt}&challenge={nonce}&opaque={nonce}"
    return f"{asked}&nonce={nonce}"


def failed(refused: Scheme) -> str:
    """Return the description for a wrong answer; the same for a wrong user, so nobody learns."""
    return f"{PREFIX} [ authmod={refused} ] : ?reason=authfailed"


def is_right(answer: SignInAnswer, challenge: Challenge, known: Verifier, app: str) -> bool:
    """Say whether an answer proves the password, in the same time whatever is wrong with it.

    Args:
        answer: What the client sent.
        challenge: What it was asked; the caller takes care that it is used once.
        known: What is kept of the user's password.
        app: Of connect, without query.
    """
    if answer.scheme == "adobe":
        # Challenge and opaque are the same here, so which of them a client takes does not matter.
        expected = _base64_md5(f"{known.adobe}{challenge.nonce}{answer.client_nonce}")
    else:
        instance = "" if "/" in app else "/_definst_"
        path = _hex_md5(f"publish:/{app}{instance}")
        expected = _hex_md5(
            f"{known.llnw}:{challenge.nonce}:00000001:{answer.client_nonce}:auth:{path}"
        )
    is_same = hmac.compare_digest(expected.encode(), answer.response.encode(errors="replace"))
    return is_same and (answer.scheme, answer.user) == (challenge.scheme, challenge.user)


def _base64_md5(text: str) -> str:
    return b64encode(_md5(text).digest()).decode()


def _hex_md5(text: str) -> str:
    return _md5(text).hexdigest()


def _md5(text: str) -> "hashlib._Hash":
    # What the protocol wants, and no protection: allowed where MD5 is not allowed as such.
    return hashlib.md5(text.encode(errors="surrogateescape"), usedforsecurity=False)
