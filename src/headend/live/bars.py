"""Encoders that an administrator keeps away for a while, after ending their stream.

An encoder that was closed comes back within seconds, so a stream is ended for good only with a bar.
Nobody may publish its name meanwhile; its key or token, or without one its address, publishes no
other name either. Bars are kept in memory: a restart lifts them.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from headend.access.gate import Grant
from headend.decisions import AccessRequest, Address
from headend.errors import Refusal, Rejected

MOST: Final = 1000  # at the same time; those that end soonest give way


@dataclass(frozen=True, slots=True)
class Bar:
    """A name that nobody publishes, and its publishers, who publish nothing, until a time."""

    path: str
    until: float
    holders: frozenset[str]
    addresses: frozenset[Address]

    def fits(self, request: AccessRequest, grant: Grant) -> bool:
        """Say whether it keeps a publisher away."""
        if grant.path == self.path:
            return True
        if grant.holder is not None:
            return grant.holder in self.holders
        return not request.is_local and request.address in self.addresses


class Bars:
    """The bars of a server; a limiter of its gate.

    Attributes:
        barred: Told of each bar that is set here.
        lifted: Told of each that is lifted here.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        """Begin without bars; `clock` returns monotonic seconds."""
        self._clock: Final = clock
        self._bars: dict[str, Bar] = {}
        self.barred: Callable[[Bar], None] = lambda bar: None
        self.lifted: Callable[[str], None] = lambda path: None
        self._publishing: dict[Grant, AccessRequest] = {}

    def bar(self, path: str, seconds: float) -> None:
        """Keep the publishers of a stream away."""
        found = [(grant, asked) for grant, asked in self._publishing.items() if grant.path == path]
        holders = {grant.holder for grant, _ in found if grant.holder is not None}
        addresses = {
            asked.address
            for grant, asked in found
            if grant.holder is None and asked.address is not None and not asked.is_local
        }
        until = self._clock() + seconds
        bar = Bar(path, until, frozenset(holders), frozenset(addresses))
        self.take(bar)
        self.barred(bar)

    def take(self, bar: Bar) -> None:
        """Take a bar, which another worker has set."""
        self._bars[bar.path] = bar
        if len(self._bars) > MOST:
            self.forget(min(self._bars.values(), key=lambda bar: bar.until).path)

    def lift(self, path: str) -> bool:
        """End a bar; false: there was none."""
        if not self.forget(path):
            return False
        self.lifted(path)
        return True

    def forget(self, path: str) -> bool:
        """End a bar here alone; false: there was none."""
        return self._bars.pop(path, None) is not None

    def left(self) -> dict[str, float]:
        """Return for how many seconds each name is barred."""
        now = self._clock()
        self._bars = {path: bar for path, bar in self._bars.items() if bar.until > now}
        return {path: round(bar.until - now, 1) for path, bar in self._bars.items()}

    # ------------------------------------------------------------------ a limiter of the gate

    def enter(self, request: AccessRequest, grant: Grant) -> None:
        """Take note of a publisher.

        Raises:
            Rejected: It is kept away.
        """
        if grant.action != "publish":
            return
        left = self.left()
        for bar in self._bars.values():
            if bar.fits(request, grant):
                seconds = max(1, round(left[bar.path]))
                raise Rejected(
                    Refusal.DENIED,
                    f"an administrator has ended this; publish again in {seconds} s",
                    "lift the bar in the console, or with DELETE /api/v1/bars/APP/NAME",
                )
        self._publishing[grant] = request

    def leave(self, grant: Grant) -> None:
        """A publish is over."""
        self._publishing.pop(grant, None)
