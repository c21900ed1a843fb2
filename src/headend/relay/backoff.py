"""Pauses before a relay tries again: the kind of failure decides how long.

A server that is away is asked about once a second, by nothing more than a connection that is
refused: so a stream is live again within two seconds after it came back. One that is there and does
not want us, or does not work, is left alone for longer and longer.
"""

from dataclasses import dataclass
from enum import Enum
from typing import Final


@dataclass(frozen=True, slots=True)
class RetryPace:
    """Pauses between tries, seconds.

    Attributes:
        first: The first pause.
        longest: The longest pause; each pause is twice as long as the one before, up to this.
    """

    first: float
    longest: float


class Failure(Enum):
    """The kind of failure that ended a try."""

    # Nobody answers: refused, no route, no such name, no answer in time.
    AWAY = RetryPace(0.25, 1.25)
    LOST = RetryPace(0.25, 30.0)  # the server closed, reset, fell silent, broke the protocol
    REFUSED = RetryPace(2.0, 60.0)  # the server refuses: wrong key, name in use, unknown name
    LOOPED = RetryPace(1.0, 5.0)  # the server fetches the stream from here, and has none yet
    WRONG = RetryPace(60.0, 60.0)  # nothing that time mends: URL, certificate, a loop

    @property
    def pace(self) -> RetryPace:
        return self.value


JITTER: Final = 0.2  # a pause is up to this part shorter: many relays do not try all at once
STEADY_S: Final = 10.0  # a connection that lived so long has the next failure start anew


class Backoff:
    """The tries of one relay."""

    __slots__ = ("_pace", "_pause")

    def __init__(self) -> None:
        self._pace: RetryPace | None = None
        self._pause = 0.0

    def pause(self, failure: Failure, lived_s: float, chance: float) -> float:
        """Return how long to wait until the next try, seconds.

        Args:
            failure: Kind of failure that ended the last try.
            lived_s: For how long that try sent or received media, seconds.
            chance: A random number, 0 to 1.
        """
        pace = failure.pace
        if pace is not self._pace or lived_s >= STEADY_S:
            self._pace = pace
            self._pause = pace.first
        else:
            self._pause = min(self._pause * 2, pace.longest)
        return self._pause * (1 - JITTER * chance)
