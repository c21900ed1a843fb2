"""Where a stream is in its life, and its limits."""

from dataclasses import dataclass
from enum import Enum, auto


class StreamState(Enum):
    """Where a stream is in its life."""

    WAITING = auto()  # viewers, and no publisher yet
    LIVE = auto()
    INTERRUPTED = auto()  # the publisher's connection is lost; the reconnect window runs
    ENDED = auto()


@dataclass(frozen=True, slots=True)
class StreamSettings:
    """Limits of a stream's log, and how long it waits for a lost publisher.

    Attributes:
        log_s: Longest span of the log, seconds.
        log_bytes: Most bytes of the log.
        reconnect_window_s: How long viewers stay after a publisher is lost.
    """

    log_s: float
    log_bytes: int
    reconnect_window_s: float
