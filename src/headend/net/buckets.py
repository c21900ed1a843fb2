"""Token buckets: each address may do a number of things at once, and so many more a second."""

from collections import OrderedDict
from typing import Final

from headend.net.groups import Group

ADDRESSES: Final = 65_536  # remembered, about 200 bytes each; the one seen longest ago goes first


class Buckets:
    """The buckets of all addresses; monotonic seconds throughout."""

    def __init__(self, addresses: int = ADDRESSES) -> None:
        """Make them full.

        Args:
            addresses: Most that are remembered; one that is forgotten has a full bucket again.
        """
        self._addresses: Final = addresses
        self._levels: OrderedDict[Group, tuple[float, float]] = OrderedDict()

    def take(self, group: Group, now: float, most: float, per_s: float) -> bool:
        """Say whether an address may do one more thing, and count it if so.

        Args:
            group: Of the address.
            now: Monotonic seconds.
            most: What a full bucket holds, at least 1.
            per_s: What flows in.
        """
        level, at = self._levels.pop(group, (most, now))
        level = min(level + (now - at) * per_s, most)
        may = level >= 1
        self._levels[group] = (level - 1 if may else level, now)
        if len(self._levels) > self._addresses:
            self._levels.popitem(last=False)
        return may

    def __len__(self) -> int:
        """Return the number of addresses remembered."""
        return len(self._levels)
