"""The keys of others who sign tokens: a JWKS in a file or at a URL.

It is read again from time to time, so that keys can be replaced; while that fails, the keys read
last are believed. A key that cannot be used is left out and named, the others count (RFC 7517, 5).
"""

import asyncio
import json
import ssl
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple
from urllib.parse import urlsplit

from headend.access.tokens import ALGORITHMS
from headend.errors import HeadendError, SettingsError
from headend.net.places import Found, OutgoingError, Rules, resolve

if TYPE_CHECKING:
    from joserfc.jwk import Key, KeySet

DOCUMENT_BYTES: Final = 256 * 1024  # some hundred keys
FETCH_S: Final = 5.0
LOCAL: Final = ("localhost", "127.0.0.1", "::1")

# Bits of a key, at least: RFC 7518, 3.2 (a secret is as long as its hash) and 3.3.
SECRET_BITS: Final = 256
RSA_BITS: Final = 2048
SHOWN_CHARACTERS: Final = 80  # of a key's id


class KeysUnavailable(HeadendError):
    """The keys of others can't be read just now."""


class OtherKeys(NamedTuple):
    """The keys of a JWKS.

    Attributes:
        keys: Those that check tokens.
        left_out: A line about each of the others, for people.
    """

    keys: "KeySet"
    left_out: tuple[str, ...]


class _UnusableKey(HeadendError):
    """A key that checks no token; says why."""


async def read_keys(place: str, rules: Rules, ca: Path | None = None) -> OtherKeys:
    """Read a JWKS; see `read_document`.

    Raises:
        KeysUnavailable: It can't be read.
        SettingsError: It is no JWKS.
    """
    return load_keys(await read_document(place, rules, ca))


async def read_document(place: str, rules: Rules, ca: Path | None = None) -> str:
    """Read the text of a JWKS.

    Args:
        place: A file, or an https URL; http to this machine only.
        rules: Where it may be fetched from.
        ca: PEM file of the authorities to trust; None: the system's.

    Raises:
        KeysUnavailable: It can't be read.
    """
    if "://" in place:
        return await _fetch(place, rules, ca)
    return await asyncio.to_thread(_read, place)


def _read(place: str) -> str:
    path = Path(place).expanduser()
    try:
        with path.open("rb") as file:
            data = file.read(DOCUMENT_BYTES + 1)
    except OSError as error:
        raise KeysUnavailable(f"auth.jwks: {path}: {error.strerror}") from error
    return _text(data)


async def _fetch(url: str, rules: Rules, ca: Path | None) -> str:
    try:
        parts = urlsplit(url)
    except ValueError as error:
        raise KeysUnavailable("auth.jwks: it is no URL") from error
    if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in LOCAL):
        raise KeysUnavailable(
            "auth.jwks: must be an https URL: keys that are fetched without TLS can be forged"
        )
    # Not loaded by a server that fetches nothing.
    import aiohttp

    from headend.net.resolver import Resolver, checked

    async def look_up(host: str, port: int) -> Found:
        return await resolve(host, port, rules)

    try:
        timeout = aiohttp.ClientTimeout(total=FETCH_S)
        connector = aiohttp.TCPConnector(resolver=Resolver(look_up), ssl=_trust(ca))
        async with (
            aiohttp.ClientSession(
                timeout=timeout, connector=connector, middlewares=(checked(look_up),)
            ) as client,
            client.get(url, allow_redirects=False) as response,
        ):
            if response.status != 200:
                raise KeysUnavailable(f"auth.jwks: {parts.hostname} answers {response.status}")
            data = await response.content.read(DOCUMENT_BYTES + 1)
            while not response.content.at_eof() and len(data) <= DOCUMENT_BYTES:
                data += await response.content.read(DOCUMENT_BYTES + 1)
    except OutgoingError as error:
        raise KeysUnavailable(f"auth.jwks: {error}") from error
    except (aiohttp.ClientError, TimeoutError, ValueError) as error:
        reason = str(error) or f"no answer within {FETCH_S:g} s"
        raise KeysUnavailable(f"auth.jwks: {parts.hostname}: {reason}") from error
    return _text(data)


def _trust(ca: Path | None) -> ssl.SSLContext | bool:
    if ca is None:
        return True
    try:
        return ssl.create_default_context(cafile=ca)
    except OSError as error:  # ssl.SSLError is one
        raise KeysUnavailable(f"auth.outgoing_ca: {ca}: no PEM certificate can be read") from error


def _text(data: bytes) -> str:
    if len(data) > DOCUMENT_BYTES:
        raise KeysUnavailable(f"auth.jwks: larger than {DOCUMENT_BYTES} bytes")
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise KeysUnavailable("auth.jwks: it is no text") from error


def load_keys(document: str) -> OtherKeys:
    """Read a JWKS.

    Args:
        document: JSON: `{"keys": [...]}`.

    Raises:
        SettingsError: It is none, or holds no key that can check a token.
    """
    try:
        content = json.loads(document)
    except (ValueError, RecursionError):
        content = None
    items = content.get("keys") if isinstance(content, dict) else None
    if not isinstance(items, list):
        raise SettingsError('auth.jwks: it is no JWKS: {"keys": [...]} is expected')
    from joserfc.jwk import KeySet

    keys: list[Key] = []
    left_out: list[str] = []
    for number, item in enumerate(items, 1):
        try:
            keys.append(_key(item))
        except _UnusableKey as error:
            left_out.append(f"key {_name(item, number)} is not used: {error}")
    if not keys:
        reasons = "".join(f"; {line}" for line in left_out[:3])
        raise SettingsError(f"auth.jwks: it holds no key for HS256, EdDSA or RS256{reasons}")
    return OtherKeys(KeySet(keys), tuple(left_out))


def _name(item: object, number: int) -> str:
    """Name a key by its id, else by its place in the list."""
    id = item.get("kid") if isinstance(item, dict) else None
    return repr(id[:SHOWN_CHARACTERS]) if isinstance(id, str) and id else str(number)


def _key(item: object) -> "Key":
    """Read one key.

    Raises:
        _UnusableKey: It is none, of another kind, or too small.
    """
    from cryptography.exceptions import UnsupportedAlgorithm
    from joserfc.errors import JoseError, SecurityWarning
    from joserfc.jwk import JWKRegistry, OctKey, OKPKey, RSAKey

    if not isinstance(item, dict):
        raise _UnusableKey("it is no JSON object")
    if item.get("kty") not in tuple(ALGORITHMS):
        raise _UnusableKey("tokens are checked with keys of type oct, OKP and RSA")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", SecurityWarning)  # small keys are refused below
            key = JWKRegistry.import_key(item)
    except (JoseError, ValueError, TypeError, KeyError, AttributeError, OverflowError) as error:
        raise _UnusableKey("a part of it is missing or makes no sense") from error
    except UnsupportedAlgorithm as error:
        raise _UnusableKey("its kind is not supported") from error
    if isinstance(key, OctKey):
        _check_size(len(key.raw_value) * 8, SECRET_BITS)
    elif isinstance(key, RSAKey):
        _check_size(key.raw_value.key_size, RSA_BITS)
    elif isinstance(key, OKPKey) and not key.curve_name.startswith("Ed"):
        raise _UnusableKey(f"{key.curve_name} cannot sign: EdDSA needs Ed25519")
    return key


def _check_size(bits: int, least: int) -> None:
    if bits < least:
        raise _UnusableKey(f"it has {bits} bits, at least {least} are needed (RFC 7518)")
