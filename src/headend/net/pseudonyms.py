"""How IP addresses are shown, and the pseudonyms that stand in for them.

    203.0.113.7 ─ HMAC with a key of the server's secret and the period ─► anon-mfzwizltoq2w

The same address has the same pseudonym within a period and another in the next. Nobody can tell
the address from it without the server's secret, by trying addresses either; whoever has the secret
can find what was kept about an address that a person names.

Logs, events, history and audit trail of a server show addresses so; each server has its own.
"""

import hmac
import time
from base64 import b32encode
from hashlib import sha256
from ipaddress import IPv4Address, IPv6Address
from typing import Final, Literal

PSEUDONYMS: Final = "pseudonyms"  # purpose of the key that the server's secret gives
PREFIX: Final = "anon-"
BYTES: Final = 10  # 80 bits: no two of a day's addresses share one
DAY_S: Final = 86_400
CACHED: Final = 65_536  # addresses whose pseudonyms are remembered

Address = IPv4Address | IPv6Address
Form = Literal["full", "pseudonymous", "none"]


class Pseudonyms:
    """Turns addresses into what is kept of them."""

    def __init__(self, key: bytes = b"", form: Form = "full", days: int = 1) -> None:
        """Take the settings; see `configure`."""
        self.configure(key, form, days)

    def configure(self, key: bytes, form: Form, days: int) -> None:
        """Take settings that may have changed.

        Args:
            key: Secret; of this purpose alone.
            form: What is kept: the address, a pseudonym, or nothing.
            days: Length of a period; 0: one period for good.
        """
        self._key = key
        self.form = form
        self._days = days
        self._period = -1
        self._known: dict[Address, str] = {}

    def show(self, address: Address | None) -> str | None:
        """Return what stands for an address now in all that is shown, sent or kept."""
        return self.shown(address, time.time())

    def shown(self, address: Address | None, now: float) -> str | None:
        """Return what stands for an address in logs, history, audit trail and events.

        Args:
            address: Of a peer; None: on a unix socket, or in this process.
            now: Unix seconds.

        Returns:
            None where there is nothing to show.
        """
        if address is None or self.form == "none":
            return None
        plain: Address = getattr(address, "ipv4_mapped", None) or address
        if self.form == "full":
            return str(plain)
        period = self._period_of(now)
        if period != self._period or len(self._known) >= CACHED:
            self._known.clear()
            self._period = period
        known = self._known.get(plain)
        if known is None:
            known = self._known[plain] = self._pseudonym(plain, period)
        return known

    def all(self, address: Address, start: float, end: float) -> list[str]:
        """Return everything that may stand for an address in what was kept from start to end.

        Args:
            address: That a person names.
            start: Unix seconds.
            end: Unix seconds.
        """
        plain: Address = getattr(address, "ipv4_mapped", None) or address
        periods = range(self._period_of(start), self._period_of(end) + 1)
        return [str(plain), *(self._pseudonym(plain, period) for period in periods)]

    def _period_of(self, now: float) -> int:
        return int(now // (self._days * DAY_S)) if self._days else 0

    def _pseudonym(self, address: Address, period: int) -> str:
        text = f"{self._days}:{period}:{address}".encode()
        digest = hmac.digest(self._key, text, sha256)[:BYTES]
        return PREFIX + b32encode(digest).decode().lower()
