"""Retention: recordings that are old, or too much, are deleted, the oldest first.

What runs or is watched stays, until the next look. On the day on which the clock jumps ahead
nothing is old.
"""

import logging
from collections.abc import AsyncIterator, Callable
from typing import Final, NamedTuple

from headend.errors import DatabaseError
from headend.logs import Repeats
from headend.record.index import RecordingIndex
from headend.record.known import KnownRecordings
from headend.record.removal import Reason, Removal
from headend.record.tables import PageEnd
from headend.record.values import Recording

log = logging.getLogger(__name__)

PAGE: Final = 200  # recordings that are read at once
DAY_S: Final = 86_400.0
JUMP_S: Final = 3600.0  # of a clock that is set, rather than corrected


class Keep(NamedTuple):
    """How long and how much is kept; 0: without limit.

    Attributes:
        days: Days for which a recording of one stream is kept after its end.
        bytes: Bytes of all recordings together.
        rule: Number of the rule that says `bytes`, of all recordings of its streams together;
            None: they are for all recordings of the server.
    """

    days: float
    bytes: int
    rule: int | None = None


class Retention:
    """Deletes recordings that are not kept any longer."""

    def __init__(
        self,
        index: RecordingIndex,
        known: KnownRecordings,
        removal: Removal,
        keep: Callable[[str], Keep],
        clock: Callable[[], float],
        steady: Callable[[], float],
    ) -> None:
        """Take the parts.

        Args:
            index: Has the rows.
            known: Knows which recordings are watched.
            removal: Deletes recordings.
            keep: Returns what to keep of a stream; for an empty name, of all together.
            clock: Gives Unix seconds.
            steady: Gives monotonic seconds.
        """
        self._index: Final = index
        self._known: Final = known
        self._removal: Final = removal
        self._keep: Final = keep
        self._clock: Final = clock
        self._steady: Final = steady
        self._looked: tuple[float, float] | None = None  # by both clocks
        self._doubted_until = 0.0  # by the steady one
        self._failures: Final = Repeats(log, "recordings not deleted")

    async def look_again(self) -> None:
        """Call `look`; only the log is told when it fails."""
        try:
            await self.look()
        except DatabaseError as error:
            self._failures.add(f"retention waits: {error}", self._steady())
        except Exception:
            log.exception("retention of recordings: a bug")
        self._failures.tick(self._steady())

    async def look(self) -> int:
        """Delete recordings that are not kept any longer; return how many they were.

        Raises:
            DatabaseError: The database cannot tell now.
        """
        count = 0
        if self._is_clock_right():
            count += await self._by_days()
        return count + await self._by_bytes()

    async def _by_days(self) -> int:
        count, now = 0, self._clock()
        async for recording in self._oldest():
            days = self._keep(recording.stream).days
            ended = recording.started if recording.ended is None else recording.ended
            if days and ended < now - days * DAY_S:
                count += await self._remove(recording, "days")
        return count

    async def _by_bytes(self) -> int:
        """Delete the oldest where there is more than all, or those of one rule, may have."""
        whole, count = self._keep(""), 0
        sizes = await self._index.tables().bytes_of_streams()
        rules = {stream: self._keep(stream) for stream in sizes}
        over: dict[int | None, int] = {}
        if whole.bytes:
            over[None] = sum(sizes.values()) - whole.bytes
        for stream, keep in rules.items():
            if keep.bytes:
                over[keep.rule] = over.get(keep.rule, -keep.bytes) + sizes[stream]
        if max(over.values(), default=0) <= 0:
            return 0
        async for recording in self._oldest():
            keep = rules.get(recording.stream, whole)
            concerned = [rule for rule in {keep.rule, None} if rule in over]
            if any(over[rule] > 0 for rule in concerned) and await self._remove(recording, "bytes"):
                count += 1
                for rule in concerned:
                    over[rule] -= recording.bytes
                if max(over.values()) <= 0:
                    break
        return count

    async def _oldest(self) -> AsyncIterator[Recording]:
        """Give all recordings that are over, the oldest first."""
        after = None
        while page := await self._index.tables().oldest(limit=PAGE, after=after):
            after = PageEnd(page[-1].started, page[-1].id)
            for recording in page:
                yield recording

    async def _remove(self, recording: Recording, reason: Reason) -> bool:
        if self._known.is_watched(recording.id):
            return False
        try:
            await self._removal.remove(recording, reason)
        except OSError as error:
            line = f"recording {recording.id} cannot be deleted: {error.strerror}"
            self._failures.add(line, self._steady())
            return False
        return True

    def _is_clock_right(self) -> bool:
        """Say whether recordings may be deleted by their age."""
        now, steady = self._clock(), self._steady()
        before, self._looked = self._looked, (now, steady)
        if before is not None:
            jump = now - before[0] - (steady - before[1])
            if jump > JUMP_S:
                self._doubted_until = steady + DAY_S
                log.warning(
                    "recordings: the clock is %.1f h ahead of before; old ones are deleted "
                    "tomorrow, if that is right",
                    jump / 3600,
                )
        return steady >= self._doubted_until
