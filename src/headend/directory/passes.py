"""Passes with which one member fetches from another: for one place, one stream, one use.

    secret, action, path, boot of the asked, boot and number of the asker ─► HMAC ─► pass

A pass names the member that it is for, so that nobody else can use it there. It is good once, so a
reader on its way cannot use it again; and it is for one action, so one that plays does not publish.
No clock is asked. The secret itself is sent to nobody.
"""

import hmac
from collections import OrderedDict
from hashlib import sha256
from typing import Final

PARAMETER: Final = "_member"  # of the query that carries a pass
WINDOW: Final = 1024  # numbers below the highest that may still come: connections overtake another
BOOTS: Final = 20_000  # members whose numbers are remembered; then the longest unheard is forgotten


class Passes:
    """Makes passes for other members, and takes those of others."""

    def __init__(self, secret: bytes, boot: str) -> None:
        """Take the secret that all members share.

        Args:
            secret: What all members share, and nobody else knows.
            boot: Id of this start of this member.
        """
        self._key: Final = hmac.digest(secret, b"headend pass", sha256)
        self._boot: Final = boot
        self._number = 0
        self._seen: OrderedDict[str, tuple[int, int]] = OrderedDict()  # highest, and a bit for each

    def make(self, action: str, path: str, boot: str) -> str:
        """Make a pass.

        Args:
            action: What it is good for, such as `play`.
            path: `APP/NAME`, or what else is asked for.
            boot: Id of the start of the member that is asked.
        """
        self._number += 1
        return f"{self._boot}.{self._number}.{self._sign(action, path, boot, self._number)}"

    def take(self, text: str, action: str, path: str) -> str | None:
        """Take a pass; return the boot of the member that made it, None: it is not good."""
        boot, _, rest = text.partition(".")
        digits, _, signature = rest.partition(".")
        if not (digits.isascii() and digits.isdigit() and len(digits) < 16):
            return None
        number = int(digits)
        good = self._sign(action, path, self._boot, number, boot)
        if not hmac.compare_digest(good.encode(), signature.encode()):
            return None
        return boot if self._is_new(boot, number) else None

    def _sign(self, action: str, path: str, to: str, number: int, of: str | None = None) -> str:
        text = "\n".join((action, path, to, self._boot if of is None else of, str(number)))
        return hmac.digest(self._key, text.encode(errors="surrogateescape"), sha256).hex()

    def _is_new(self, boot: str, number: int) -> bool:
        """Take note of a number; false: it came before, or is too old to be told."""
        highest, bits = self._seen.pop(boot, (0, 0))
        ahead = number - highest
        if ahead > 0:
            bits = (bits << min(ahead, WINDOW) | 1) & ((1 << WINDOW) - 1)
            self._seen[boot] = number, bits
        else:
            self._seen[boot] = highest, bits
            if -ahead >= WINDOW or bits >> -ahead & 1:
                return False
            self._seen[boot] = highest, bits | 1 << -ahead
        if len(self._seen) > BOOTS:
            self._seen.popitem(last=False)
        return True
