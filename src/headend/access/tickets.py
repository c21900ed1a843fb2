"""Tickets: what stands for a viewer's parameters in the addresses that a playlist names.

    index.m3u8?user=u1&pw=good  ─►  main.m3u8?_ticket=…  ─►  a1b2c3-7.m4s?_ticket=…

A ticket holds the parameters encrypted, so that nothing is remembered for it, and authorizers can
be asked about them again. It is good for one stream, at one address, for LIFE_S at most. The same
parameters give the same ticket within an hour.

Source: RFC 5297 (AES-SIV: authenticated, and no nonce to run out of).
"""

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESSIV

from headend.decisions import Address
from headend.net.groups import group_of

LIFE_S: Final = 7 * 86_400  # authorizers are asked again all the time: this bounds what is kept
STEP_S: Final = 3600  # the same ticket for so long
QUERY_BYTES: Final = 2048  # of parameters; a playlist repeats the ticket in each address
TICKET_CHARACTERS: Final = 4096
END_BYTES: Final = 4


class Tickets:
    """Makes and reads tickets."""

    def __init__(self, key: bytes) -> None:
        """Take a key of 32 bytes."""
        self._cipher: Final = AESSIV(key)

    def make(
        self, query: Mapping[str, str], path: str, address: Address | None, now: float
    ) -> str | None:
        """Return a ticket for parameters; None: they are too long for one.

        Args:
            query: Parameters.
            path: `APP/NAME` that was asked for.
            address: Where the viewer is; IPv6 by /64, which is what one customer has.
            now: Unix seconds.
        """
        text = json.dumps(dict(query), separators=(",", ":"), sort_keys=True).encode()
        if len(text) > QUERY_BYTES:
            return None
        steps = int((now + LIFE_S) // STEP_S) + 1
        data = steps.to_bytes(END_BYTES, "big") + text
        sealed = self._cipher.encrypt(data, _context(path, address))
        return urlsafe_b64encode(sealed).rstrip(b"=").decode()

    def read(
        self, ticket: str, path: str, address: Address | None, now: float
    ) -> dict[str, str] | None:
        """Return the parameters that a ticket stands for; None: it is not good, here or any more.

        Args:
            ticket: Whatever a client sent.
            path: See `make`.
            address: See `make`.
            now: Unix seconds.
        """
        if not 0 < len(ticket) <= TICKET_CHARACTERS:
            return None
        try:
            sealed = urlsafe_b64decode(ticket + "=" * (-len(ticket) % 4))
            data = self._cipher.decrypt(sealed, _context(path, address))
        except (InvalidTag, ValueError):
            return None
        if now >= STEP_S * int.from_bytes(data[:END_BYTES], "big"):
            return None
        query: dict[str, str] = json.loads(data[END_BYTES:])
        return query


def _context(path: str, address: Address | None) -> list[bytes]:
    return [path.encode(errors="surrogatepass"), str(group_of(address)).encode()]
