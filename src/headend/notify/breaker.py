"""Leaves a backend alone for a while that is down: it is not made busier, and nobody waits for it.

Only failures in a row count. One address alone, whose requests may be what the backend fails on,
shuts out itself at most.
"""

from typing import Final

from headend.decisions import Address
from headend.net.groups import Group, group_of

FAILURES: Final = 5  # in a row, until nobody is asked …
PAUSE_S: Final = 10.0  # … for so long; then one request is asked about


class Breaker:
    """A circuit breaker; monotonic seconds throughout."""

    def __init__(self) -> None:
        self._in_a_row = 0
        self._again_at = 0.0
        self._failed: set[Group] = set()  # whose requests these were; two are as good as all

    @property
    def is_down(self) -> bool:
        """The backend has failed too often."""
        return self._in_a_row >= FAILURES

    def is_resting(self, now: float) -> bool:
        """Say whether the backend is not asked now, at least about some."""
        return self.is_down and now < self._again_at

    def may_ask(self, address: Address | None, now: float) -> bool:
        """Say whether the backend is to be asked about a request, and count on it to be."""
        is_meant = len(self._failed) > 1 or group_of(address) in self._failed
        if not self.is_down or not is_meant:
            return True
        if now < self._again_at:
            return False
        self._again_at = now + PAUSE_S  # this one finds out; the others do not wait for it
        return True

    def failed(self, address: Address | None, now: float) -> bool:
        """Count a failure; true: this one was the one too many."""
        self._in_a_row += 1
        self._again_at = now + PAUSE_S
        if len(self._failed) < 2:
            self._failed.add(group_of(address))
        return self._in_a_row == FAILURES

    def answered(self) -> bool:
        """Take note of an answer; true: the backend was down."""
        was_down = self.is_down
        self._in_a_row = 0
        self._failed.clear()
        return was_down
