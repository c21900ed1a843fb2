"""The guard against guesses of keys and tokens: a delay, then a ban for a time.

An address may be wrong FREE times; then each answer takes twice as long as the one before, and
after `most` wrong ones in a row it is refused unheard until the ban is over. IPv6 addresses count
by /64, which is what one customer has.
"""

from collections import OrderedDict
from dataclasses import dataclass
from typing import Final, Protocol

from headend.decisions import Address
from headend.net.groups import Group, group_of

FREE: Final = 3  # typing errors
FIRST_DELAY_S: Final = 0.25
LONGEST_DELAY_S: Final = 4.0  # below the time limits of encoders that wait for an answer
FORGET_S: Final = 600.0  # after so long without a wrong one an address starts anew
ADDRESSES: Final = 65_536  # remembered at most, about 200 bytes each; the oldest is forgotten first


@dataclass(slots=True)
class _Record:
    wrong: int
    at: float  # of the last wrong one
    banned_until: float


class TellAttempt(Protocol):
    """Takes note of an attempt."""

    def __call__(self, address: Address | None, *, is_right: bool) -> None: ...


def _untold(address: Address | None, *, is_right: bool) -> None:
    """Tell nobody: this server is alone."""


class Guard:
    """Counts wrong attempts by address; monotonic seconds throughout.

    Attributes:
        most: Wrong attempts in a row that lead to a ban.
        ban_s: How long it lasts.
        bans: How many there were.
        told: Told of each attempt that counts, with its address and `is_right`.
    """

    def __init__(self, most: int, ban_s: float) -> None:
        self.most = most
        self.ban_s = ban_s
        self.bans = 0
        self.told: TellAttempt = _untold
        self._records: OrderedDict[Group, _Record] = OrderedDict()

    def banned_s(self, address: Address | None, now: float) -> float:
        """Return for how many seconds an address is still shut out; 0: it is not."""
        record = self._records.get(group_of(address))
        return 0.0 if record is None else max(0.0, record.banned_until - now)

    def wrong(self, address: Address | None, now: float) -> float:
        """Count a wrong attempt; return how many seconds its answer should wait."""
        record = self._count(address, now)
        self.bans += record.wrong == 0
        self.told(address, is_right=False)
        if record.wrong <= FREE:
            return 0.0
        return min(FIRST_DELAY_S * 2.0 ** (record.wrong - FREE - 1), LONGEST_DELAY_S)

    def _count(self, address: Address | None, now: float) -> _Record:
        """Count a wrong attempt; where it leads to a ban, none is counted from then on."""
        group = group_of(address)
        record = self._records.pop(group, None)
        if record is None or now - record.at > FORGET_S:
            record = _Record(0, now, 0.0)
        record.wrong += 1
        record.at = now
        if record.wrong >= self.most:
            record.wrong = 0
            record.banned_until = now + self.ban_s
        self._records[group] = record
        if len(self._records) > ADDRESSES:
            self._records.popitem(last=False)
        return record

    def right(self, address: Address | None) -> None:
        """Forget the wrong attempts of an address that was right."""
        if self._records.pop(group_of(address), None) is not None:
            self.told(address, is_right=True)

    def hear(self, address: Address | None, now: float, *, is_right: bool) -> None:
        """Take note of an attempt at another worker, which counts as one here."""
        if is_right:
            self._records.pop(group_of(address), None)
        else:
            self._count(address, now)

    def __len__(self) -> int:
        """Return the number of addresses remembered."""
        return len(self._records)
