"""Few places for many: when none is free, the one who has most of them gives up the oldest."""

from collections import Counter
from collections.abc import Hashable, Sequence
from typing import TypeVar

T = TypeVar("T")


def gives_way(held: Sequence[tuple[T, Hashable]], newcomer: Hashable) -> T:
    """Return what has to go for something of a newcomer's.

    Whoever has more than others loses first, so that nobody can keep the others out. Of owners
    that have the same the newcomer itself loses.

    Args:
        held: Each thing with its owner, the oldest first; at least one.
        newcomer: An owner.
    """
    counts = Counter(owner for _, owner in held)
    most = max(counts.values())
    loser = newcomer
    if counts[newcomer] < most:
        loser = next(owner for owner, count in counts.items() if count == most)
    return next(thing for thing, owner in held if owner == loser)
