"""This module reads the keys of others who sign tokens: a JWKS in a file or at a URL.

It is read again from time to time, so that keys can be replaced; while that fails, the keys read
last are believed.
"""

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from headend.access.places import OutgoingError, Rules, check_literal
from headend.access.tokens import load_keys
from headend.errors import HeadendError

if TYPE_CHECKING:
    from joserfc.jwk import KeySet

DOCUMENT_BYTES: Final = 256 * 1024  # some hundred keys
FETCH_S: Final = 5.0
LOCAL: Final = ("localhost", "127.0.0.1", "::1")


class KeysUnavailable(HeadendError):
    """The keys of others can't be read just now."""


async def read_keys(place: str, rules: Rules) -> "KeySet":
    """Read a JWKS; see `read_document`.

    Raises:
        KeysUnavailable: It can't be read.
        SettingsError: It is no JWKS.
    """
    return load_keys(await read_document(place, rules))


async def read_document(place: str, rules: Rules) -> str:
    """Read the text of a JWKS.

    Args:
        place: A file, or an https URL; http to this machine only.
        rules: Where it may be fetched from.

    Raises:
        KeysUnavailable: It can't be read.
    """
    if "://" in place:
        return await _fetch(place, rules)
    return await asyncio.to_thread(_read, place)


def _read(place: str) -> str:
    path = Path(place).expanduser()
    try:
        with path.open("rb") as file:
            data = file.read(DOCUMENT_BYTES + 1)
    except OSError as error:
        raise KeysUnavailable(f"auth.jwks: {path}: {error.strerror}") from error
    return _text(data)


async def _fetch(url: str, rules: Rules) -> str:
    parts = urlsplit(url)
    if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in LOCAL):
        raise KeysUnavailable("auth.jwks: only https is safe to fetch keys by")
    # Not loaded by a server that fetches nothing.
    import aiohttp

    from headend.access.resolver import Resolver

    try:
        check_literal(parts.hostname or "", rules)
        timeout = aiohttp.ClientTimeout(total=FETCH_S)
        connector = aiohttp.TCPConnector(resolver=Resolver(lambda: rules))
        async with (
            aiohttp.ClientSession(timeout=timeout, connector=connector) as client,
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


def _text(data: bytes) -> str:
    if len(data) > DOCUMENT_BYTES:
        raise KeysUnavailable(f"auth.jwks: larger than {DOCUMENT_BYTES} bytes")
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise KeysUnavailable("auth.jwks: it is no text") from error
