"""Tokens, signed and checked: what a viewer shows for a private stream, as a JWT.

    {"stream": "vip/*", "act": "play", "exp": 1767225600, "iat": …, "jti": "…",
     "ip": "203.0.113.0/24", "viewers": 3, "sub": "customer 17"}

`stream` and `exp` must be there; `act` is "play" if it is not. Our own are signed with HS256 and a
key derived of the server's secret; a JWKS adds keys of others, for HS256, EdDSA and RS256.

A token is good or it is refused: whatever stands in it, nothing else comes of it. So its header is
checked here before the library sees it, and its claims after the signature was found right.

Source: RFC 7519 (JWT), RFC 7515 (JWS), RFC 7517 (JWK), RFC 8037 (EdDSA).
"""

import hashlib
import json
import uuid
import warnings
from base64 import urlsafe_b64decode
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from ipaddress import ip_address, ip_network
from typing import TYPE_CHECKING, Final, Literal, TypeGuard

from headend.decisions import Action, Address
from headend.errors import HeadendError, SettingsError

if TYPE_CHECKING:
    from joserfc.jwk import Key, KeySet, OctKey

ALGORITHMS: Final = {"oct": "HS256", "OKP": "Ed25519", "RSA": "RS256"}  # by type of key
TOKEN_CHARACTERS: Final = 4096  # a query may hold; more is no token
CACHED: Final = 4096  # tokens found right: HLS players show theirs with every request
OWN_ID: Final = "headend"  # `kid` of our own key
LEEWAY_S: Final = 5.0  # by how much a clock that signs may be ahead of ours (nbf)
LATEST: Final = 253_402_300_799  # Unix seconds: the last of the year 9999
MOST_VIEWERS: Final = 2**31 - 1
ID_CHARACTERS: Final = 200  # of `jti`; the hash of a longer one stands for it
SUBJECT_CHARACTERS: Final = 200  # of `sub`; what is more is cut off

Reason = Literal["missing", "invalid", "expired", "stream", "address"]

_WORDS: Final[dict[Reason, str]] = {
    "missing": "this stream needs a token: ?token=…",
    "invalid": "the token is not valid",
    "expired": "the token has expired",
    "stream": "the token is not for this stream",
    "address": "the token is not for this address",
}


class TokenRefused(HeadendError):
    """A token that grants nothing here.

    Attributes:
        reason: Why.
    """

    def __init__(self, reason: Reason) -> None:
        super().__init__(reason)
        self.reason: Final = reason

    def __str__(self) -> str:
        return _WORDS[self.reason]


@dataclass(frozen=True, slots=True)
class Token:
    """What a token says; signed by somebody we trust.

    Attributes:
        id: Tells tokens apart: `jti`, or a hash of the whole; says nothing of the token.
        stream: Pattern of `APP/NAME`.
        action: What it is for.
        expires_at: Unix seconds.
        not_before: Unix seconds.
        network: From where it may be shown, such as "203.0.113.7/32"; None: from everywhere.
        viewers: How many may use it at once; None: any number.
        subject: Whom it was made for; empty: not said.
    """

    id: str
    stream: str
    action: Action
    expires_at: float
    not_before: float = 0.0
    network: str | None = None
    viewers: int | None = None
    subject: str = ""


class Tokens:
    """Signs with our own key, and checks with all keys.

    The library is loaded for the first token, or by `load`: it takes a tenth of a second, which a
    server without private streams does not pay at its start.
    """

    def __init__(self, own_key: bytes, others: "KeySet | None" = None) -> None:
        """Take the keys.

        Args:
            own_key: 32 bytes, derived of the server's secret.
            others: Public keys, or shared ones, of others that sign tokens.
        """
        self._own_key: Final = own_key
        self._own: OctKey | None = None
        self._others: Sequence[Key] = ()
        self._right: OrderedDict[str, Token] = OrderedDict()
        self.take_others(others)

    def take_others(self, others: "KeySet | None") -> None:
        """Believe these keys besides our own, and no others any more."""
        self._others = () if others is None else tuple(others.keys)
        self._right.clear()

    def load(self) -> "OctKey":
        """Load the library, if it is not there yet; return our own key."""
        if self._own is None:
            from joserfc.errors import SecurityWarning
            from joserfc.jwk import OctKey

            # EdDSA gave way to Ed25519 (RFC 9864); signers still write it.
            warnings.filterwarnings(
                "ignore", category=SecurityWarning, message="EdDSA is deprecated"
            )
            self._own = OctKey.import_key(self._own_key, {"kid": OWN_ID})
        return self._own

    def sign(self, token: Token, now: float) -> str:
        """Return a token as text; its `id` is not used, each gets its own.

        Raises:
            SettingsError: It says what would be refused when it is shown.
        """
        if not _is_text(token.stream):
            raise SettingsError("pattern: it holds a character that cannot be printed")
        if not _is_text(token.subject):
            raise SettingsError("subject: it holds a character that cannot be printed")
        if token.viewers is not None and not _is_count(token.viewers):
            raise SettingsError(f"max viewers: must be 1 to {MOST_VIEWERS}")
        claims: dict[str, object] = {
            "stream": token.stream,
            "act": token.action,
            "iat": int(now),
            "exp": int(token.expires_at),
            "jti": str(uuid.uuid4()),
        }
        if token.network is not None:
            claims["ip"] = token.network
        if token.viewers is not None:
            claims["viewers"] = token.viewers
        if token.subject:
            claims["sub"] = token.subject
        own = self.load()
        from joserfc import jwt

        text = jwt.encode({"alg": "HS256", "kid": OWN_ID}, claims, own)
        if len(text) > TOKEN_CHARACTERS:
            raise SettingsError(f"pattern: the token is longer than {TOKEN_CHARACTERS} characters")
        return text

    def verify(self, text: str) -> Token:
        """Return what a token says whose signature is right; nothing else is checked yet.

        Raises:
            TokenRefused: It is no token, or nobody we trust has signed it.
        """
        known = self._right.get(text)
        if known is not None:
            self._right.move_to_end(text)
            return known
        token = self._read(text)
        self._right[text] = token
        if len(self._right) > CACHED:
            self._right.popitem(last=False)
        return token

    def check(
        self, text: str | None, action: Action, path: str, address: Address | None, now: float
    ) -> Token:
        """Return what a token says that grants an action.

        Args:
            text: What the peer showed.
            action: What it wants to do …
            path: … with which stream.
            address: From where; None: this machine.
            now: Unix seconds.

        Raises:
            TokenRefused: It does not grant it; the text says why.
        """
        if not text:
            raise TokenRefused("missing")
        token = self.verify(text)
        if now >= token.expires_at:
            raise TokenRefused("expired")
        if now + LEEWAY_S < token.not_before:
            raise TokenRefused("invalid")
        if token.action != action or not fnmatchcase(path, token.stream):
            raise TokenRefused("stream")
        if token.network is not None and not _is_in(address, token.network):
            raise TokenRefused("address")
        return token

    def _read(self, text: str) -> Token:
        if len(text) > TOKEN_CHARACTERS:
            raise TokenRefused("invalid")
        _check_header(text)
        own = self.load()
        from joserfc import jwt
        from joserfc.errors import JoseError

        for key in (own, *self._others):
            if key.key_type not in ALGORITHMS:
                continue
            try:
                claims = jwt.decode(text, key, algorithms=_algorithms(key.key_type)).claims
            except (JoseError, ValueError, RecursionError):
                continue  # another key's, perhaps
            return _token(text, claims)
        raise TokenRefused("invalid")


def _check_header(text: str) -> None:
    """Refuse a header that is no object of JSON, names no algorithm, or asks for an extension.

    None is known here, and a server that does not know a critical one must refuse (RFC 7515,
    4.1.11).
    """
    head, _, _ = text.partition(".")
    try:
        header = json.loads(urlsafe_b64decode(head + "=" * (-len(head) % 4)))
    except (ValueError, RecursionError):
        raise TokenRefused("invalid") from None
    if not isinstance(header, dict) or not isinstance(header.get("alg"), str):
        raise TokenRefused("invalid")
    if "crit" in header or "b64" in header:
        raise TokenRefused("invalid")


def _algorithms(key_type: str) -> list[str]:
    """Name what a key of a type may have signed: a public RSA key is never taken for a secret."""
    return ["EdDSA", "Ed25519"] if key_type == "OKP" else [ALGORITHMS[key_type]]


def _token(text: str, claims: object) -> Token:
    """Read claims; their signer may have got them wrong."""
    if not isinstance(claims, dict):
        raise TokenRefused("invalid")
    stream, action = claims.get("stream"), claims.get("act", "play")
    end, start = claims.get("exp"), claims.get("nbf", 0)
    network, viewers = claims.get("ip"), claims.get("viewers")
    if (
        not _is_text(stream)
        or action not in ("play", "publish")
        or not _is_time(end)
        or not _is_time(start)
        or not (network is None or _is_network(network))
        or not (viewers is None or _is_count(viewers))
    ):
        raise TokenRefused("invalid")
    return Token(
        _id(text, claims.get("jti")),
        stream,
        action,
        float(end),
        float(start),
        network,
        viewers,
        _subject(claims.get("sub")),
    )


def _id(text: str, id: object) -> str:
    """Return what tells a token apart: its id if that can be shown, else a hash."""
    if not isinstance(id, str) or not id:
        return _hash(text)
    return id if _is_text(id) and len(id) <= ID_CHARACTERS else _hash(id)


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()[:32]


def _subject(subject: object) -> str:
    return subject[:SUBJECT_CHARACTERS] if _is_text(subject) else ""


def _is_text(value: object) -> TypeGuard[str]:
    """Say whether a value is text that can be shown: no control characters, no half characters."""
    return isinstance(value, str) and value.isprintable()


def _is_time(value: object) -> TypeGuard[float]:
    """Say whether a value is a time of which a date can be made; NaN and infinity are none."""
    return _is_number(value) and -LATEST <= value <= LATEST


def _is_number(value: object) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_count(value: object) -> TypeGuard[int]:
    return _is_number(value) and isinstance(value, int) and 1 <= value <= MOST_VIEWERS


def _is_network(value: object) -> TypeGuard[str]:
    try:
        ip_network(value if isinstance(value, str) else "", strict=False)
    except ValueError:
        return False
    return True


def _is_in(address: Address | None, network: str) -> bool:
    return (address or ip_address("127.0.0.1")) in ip_network(network, strict=False)
