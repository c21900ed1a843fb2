"""How often a packager may begin anew: opening a muxer costs a thousand times what a packet costs.

Two limits, one for a publisher that changes its tracks with every message, and one for media that
FFmpeg refuses again and again.
"""

from typing import Final

BURST: Final = 8  # runs at once; a publisher that comes back, or another codec, makes one
RUNS_PER_S: Final = 1.0
REST_S: Final = 1.0  # after the second failure in a row, twice as long after each further one
LONGEST_REST_S: Final = 64.0
GOOD_S: Final = 10.0  # a run that lasted so long ends the row of failures


class Restraint:
    """Says when a run may begin; all times are wall clock seconds, which may be set back."""

    def __init__(self) -> None:
        self._saved = float(BURST)  # runs that may begin at once
        self._refilled = 0.0
        self._began = 0.0
        self._failures = 0
        self._rests_from = self._rest_s = 0.0

    def may_begin(self, now: float) -> bool:
        """Say whether a run may begin now."""
        past = now - self._refilled
        self._refilled = now
        if past > 0:
            self._saved = min(BURST, self._saved + past * RUNS_PER_S)
        return self._saved >= 1 and not 0 <= now - self._rests_from < self._rest_s

    def begin(self, now: float) -> None:
        """Take note of a run that begins, or is tried to."""
        self._saved -= 1
        self._began = now

    def fail(self, now: float) -> None:
        """Take note of a run that failed, or could not begin."""
        if now - self._began >= GOOD_S:
            self._failures = 0
        self._failures += 1
        if self._failures > 1:
            self._rest_s = min(REST_S * 2 ** min(self._failures - 2, 16), LONGEST_REST_S)
            self._rests_from = now

    def forget(self) -> None:
        """Forget the failures: the tracks are others, or another publisher comes."""
        self._failures = 0
        self._rest_s = 0.0
