"""Times of packets as muxers and players need them: decoding goes on, and is never after showing.

    received   0 +0   33 +66   66 -33   100 +0        timestamp and composition time, ms
    decoded    0      33       34       67            earlier by 33 from the third on
    shown      0      99       34       100           as the encoder says, but for the third

Encoders send a picture that is shown before it is decoded when they forget that B frames come late.
"""

from collections.abc import Callable
from typing import Final

from headend.media.steps import Steps
from headend.media.tag import AUDIO, VIDEO, TagKind

WRAP: Final = 1 << 32
HALF: Final = 1 << 31
# ms. By how much decoding is put earlier at most; sixteen pictures of 25 a second are reordered.
MAX_LEAD: Final = 640
MAX_COMPOSITION: Final = 10_000  # ms; a picture that is to be shown later is shown at once
BEFORE: Final = -(1 << 62)  # all times
RESTART_MS: Final = 10_000  # a longer step back is another timeline

IS_SHOWN_EARLY: Final = "pictures are shown before they are decoded (composition time); mended"
IS_SHOWN_LATE: Final = "composition times over 10 s make no sense; left out"
IS_SAME_TIME: Final = "several pictures have one timestamp; moved apart by a millisecond"


class Times:
    """Times of one stream's packets, in ms, that do not wrap.

    Attributes:
        newest: The newest timestamp that came; 0 before the first.
    """

    def __init__(self, report: Callable[[str], None]) -> None:
        """Know none yet; `report` is called for each kind of fault."""
        self._report = report
        self.newest = 0
        self._is_begun = False
        self._last = {AUDIO: BEFORE, VIDEO: BEFORE}  # decoding times sent
        self._steps = {AUDIO: Steps(), VIDEO: Steps()}
        self._lead = 0

    def audio(self, timestamp: int) -> int:
        """Return the time of a frame of sound: later than that of the one before."""
        return self._after(AUDIO, self._unwrapped(timestamp))

    def video(self, timestamp: int, composition: int) -> tuple[int, int]:
        """Return decoding and presentation time of a picture."""
        time = self._unwrapped(timestamp)
        decoded = time - self._lead
        # Hot path: nearly all pictures.
        steps = self._steps[VIDEO]
        if decoded >= steps.earliest and -self._lead <= composition <= MAX_COMPOSITION:
            self._last[VIDEO] = decoded
            steps.add(decoded)
            return decoded, time + composition
        return self._mended(time, composition)

    def _mended(self, time: int, composition: int) -> tuple[int, int]:
        shown = time + composition
        if composition < -self._lead:
            self._report(IS_SHOWN_EARLY)
            self._lead = min(-composition, MAX_LEAD)
        elif composition > MAX_COMPOSITION:
            self._report(IS_SHOWN_LATE)
            shown = time
        if self._last[VIDEO] == time:
            self._report(IS_SAME_TIME)
        decoded = self._after(VIDEO, time - self._lead)
        return decoded, max(decoded, shown)

    def _after(self, kind: TagKind, time: int) -> int:
        if self._last[kind] - time >= RESTART_MS:
            self._steps[kind] = Steps()
        time = max(time, self._steps[kind].earliest)
        self._steps[kind].add(time)
        self._last[kind] = time
        return time

    def _unwrapped(self, timestamp: int) -> int:
        """Return the time that is nearest to the newest one."""
        newest = self.newest
        if not self._is_begun:
            self._is_begun = True
            self.newest = timestamp
            return timestamp
        time = newest + ((timestamp - newest + HALF) % WRAP) - HALF
        if time > newest:
            self.newest = time
        return time
