"""This module remembers what viewers without session were granted, not to ask again so soon."""

from collections import OrderedDict
from typing import Final

from headend.access.gate import Grant

VIEWERS: Final = 50_000  # remembered at most; the oldest is forgotten first

Who = tuple[str, str, str, str]  # path, protocol, address and token


class KnownViewers:
    """See the module's head; monotonic seconds throughout."""

    def __init__(self) -> None:
        self._grants: OrderedDict[Who, tuple[Grant, float]] = OrderedDict()

    def get(self, who: Who, now: float) -> Grant | None:
        """Return what a viewer was granted, while it holds."""
        found = self._grants.get(who)
        return None if found is None or now >= found[1] else found[0]

    def put(self, who: Who, grant: Grant, until: float) -> None:
        """Remember a grant until a time."""
        self._grants[who] = (grant, until)
        self._grants.move_to_end(who)
        if len(self._grants) > VIEWERS:
            self._grants.popitem(last=False)
