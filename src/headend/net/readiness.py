"""Sets of descriptors that tell which are ready: epoll on Linux, kqueue on macOS and BSD.

Either kind of set has itself a descriptor, which an event loop can watch.
"""

import select
import selectors
from collections.abc import Sequence
from contextlib import suppress
from typing import Final, Protocol, cast

# Bits of epoll, the same on all of Linux.
READ: Final = 0x001
WRITE: Final = 0x004
HANG_UP: Final = 0x2000  # the peer has ended its side


class ReadySet(Protocol):
    """Descriptors with the events wanted of each; `select.epoll` is one."""

    def fileno(self) -> int:
        """Return the set's own descriptor: readable while any of the set is ready."""

    def register(self, fd: int, eventmask: int) -> None:
        """Add a descriptor."""

    def modify(self, fd: int, eventmask: int) -> None:
        """Want other events of a descriptor."""

    def unregister(self, fd: int) -> None:
        """Remove a descriptor."""

    def poll(self, timeout: float, maxevents: int) -> Sequence[tuple[int, int]]:
        """Return ready descriptors, each with its events."""

    def close(self) -> None:
        """Free the set."""


class SelectorSet:
    """A ready set on a selector of the standard library."""

    def __init__(self, selector: selectors.BaseSelector | None = None) -> None:
        """Start empty.

        Args:
            selector: One that has a descriptor; None for the platform's best.
        """
        self._selector = selector or selectors.DefaultSelector()

    def fileno(self) -> int:
        return cast("int", self._selector.fileno())  # type: ignore[attr-defined]

    def register(self, fd: int, eventmask: int) -> None:
        # A selector knows no hang-up of its own: it shows in reading, or at the next read.
        events = selectors.EVENT_READ if eventmask & READ else 0
        if eventmask & WRITE:
            events |= selectors.EVENT_WRITE
        if events:
            self._selector.register(fd, events)

    def modify(self, fd: int, eventmask: int) -> None:
        self.unregister(fd)
        self.register(fd, eventmask)

    def unregister(self, fd: int) -> None:
        with suppress(KeyError):  # registered for nothing
            self._selector.unregister(fd)

    def poll(self, timeout: float, maxevents: int) -> Sequence[tuple[int, int]]:
        ready = self._selector.select(timeout)
        return [
            (
                key.fd,
                (READ if events & selectors.EVENT_READ else 0)
                | (WRITE if events & selectors.EVENT_WRITE else 0),
            )
            for key, events in ready[:maxevents]
        ]

    def close(self) -> None:
        self._selector.close()


def ready_set() -> ReadySet:
    """Return an empty set of the platform's best kind."""
    return select.epoll() if hasattr(select, "epoll") else SelectorSet()
