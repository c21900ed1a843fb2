"""Unix seconds that never jump, for the age of what was stored with a time.

Clocks of machines are set: at the start of one without a battery, by NTP, by a person. Waits and
back-offs are in monotonic seconds; what is older than the process can only be told by its time,
and that is compared with this clock.
"""

import time
from collections.abc import Callable
from typing import Final


class SteadyClock:
    """A clock in Unix seconds that never jumps."""

    def __init__(
        self,
        wall: Callable[[], float] = time.time,
        steady: Callable[[], float] = time.monotonic,
    ) -> None:
        """Begin now.

        Args:
            wall: Gives Unix seconds; asked once.
            steady: Gives monotonic seconds.
        """
        self._steady: Final = steady
        self._offset: Final = wall() - steady()

    def now(self) -> float:
        """Return the time of the start, and what has passed since, Unix seconds."""
        return self._steady() + self._offset

    def age_s(self, at: float) -> float:
        """Return how old something is that is of a time; nothing is of the future."""
        return max(0.0, self.now() - at)
