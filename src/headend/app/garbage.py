"""When the interpreter looks for reference cycles, so that no look holds the streams up.

    made ─► 5000 of them: a look ─► two more such: a look at all three ─► kept
                                    kept: up to 15,000, looked at once a minute; then frozen

What is frozen is not looked at any more. Connections are in no cycles, so nothing is lost by that.

See docs/decisions/0027-the-collector-looks-at-few-objects.md.
"""

import gc
import sys
from asyncio import AbstractEventLoop, TimerHandle
from collections.abc import Mapping
from typing import Any, Final

# A look takes 30 to 120 ns for each object: 30,000 in all, young and kept, take less than 4 ms.
YOUNG: Final = 5000  # objects made and not freed between two looks
LOOKS: Final = 2  # looks at the young until the survivors are looked at too
KEPT: Final = 15_000
PERIOD_S: Final = 60.0
_NEVER: Final = sys.maxsize >> 33  # looks at what is kept by the interpreter itself


class Collector:
    """The interpreter's collector, set for a server; `start` once it listens, `stop` at its end."""

    def __init__(self, loop: AbstractEventLoop) -> None:
        self._loop = loop
        self._timer: TimerHandle | None = None

    def start(self) -> None:
        """Begin, with everything frozen that is there; the collector may have been off so far."""
        gc.freeze()
        gc.enable()
        gc.set_threshold(YOUNG, LOOKS, _NEVER)
        gc.callbacks.append(self._looked)
        self._wait()

    def stop(self) -> None:
        if self._looked in gc.callbacks:
            gc.callbacks.remove(self._looked)
        if self._timer is not None:
            self._timer.cancel()

    def look(self) -> None:
        """Look for cycles among all objects that are not frozen."""
        gc.collect()
        self._wait()

    def _wait(self) -> None:
        self._timer = self._loop.call_later(PERIOD_S, self.look)

    def _looked(self, phase: str, info: Mapping[str, Any]) -> None:
        """Freeze what is kept, once it is too much to be looked at in time."""
        if phase == "stop" and info["generation"] and len(gc.get_objects(generation=2)) > KEPT:
            gc.freeze()
