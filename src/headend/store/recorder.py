"""The writer of audit trail and history: to the database, in batches.

    events, notes ─► memory, bounded ─► a batch a second ─► database

Nobody waits for it: while the database is away, entries wait in memory; what finds no room is
counted, told in the log, and noted in the trail itself once it can be written again.
"""

import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from itertools import islice
from time import monotonic
from typing import TYPE_CHECKING, Final

from headend.events import Event
from headend.features.feature import Feature, Label
from headend.settings import Settings
from headend.store.past_sessions import PastSessions, entry_of, record_of
from headend.store.records import AuditEntry, StoredSession
from headend.store.writer import BackgroundWriter

if TYPE_CHECKING:
    from prometheus_client.metrics_core import Metric

    from headend.store.audit import AuditTrail
    from headend.store.database import Database
    from headend.store.history import History

log = logging.getLogger(__name__)

BATCH_S: Final = 1.0  # so long entries gather
RETRY_S: Final = 5.0  # after an attempt that failed
BATCH: Final = 2000  # entries of one transaction, each about 300 bytes
QUEUED: Final = 20_000  # entries that wait, of each kind; 20 MB at most
BEAT_S: Final = 60.0  # how well it is known when a killed server ended
CLEAN_S: Final = 24 * 3600.0
DAY_S: Final = 24 * 3600.0
JUMP_S: Final = 3600.0  # of a clock that is set, rather than corrected
LONG_AWAY_S: Final = 30 * DAY_S  # a server that was not seen for longer doubts its clock


class Recorder(Feature):
    """The feature: the writer of audit trail and history.

    Attributes:
        retention_days: How long the audit trail is kept; replaced on reload.
        history_days: How long the history is kept, and 0 that none is written; replaced on reload.
        lost: Entries there was no room for, since the start.
        past: Sessions that are over.
        trail: Once the database has been opened.
        history: Once the database has been opened.
    """

    name = "recorder"
    ends_last = True  # the end of every session is written

    def __init__(
        self,
        clock: Callable[[], float],
        next_session: Callable[[], int],
        database: "Callable[[], Awaitable[Database]]",
        node: str,
        *,
        retention_days: int,
        history_days: int,
        batch_s: float = BATCH_S,
        retry_s: float = RETRY_S,
        steady: Callable[[], float] = monotonic,
    ) -> None:
        """Take the parts.

        Args:
            clock: Gives Unix seconds.
            next_session: Gives a number to what was refused before it was a session.
            database: Gives it; awaited in the background, for it may take any time to open.
            node: Names this server among those that share the database; up to 32 characters.
            retention_days: See the attributes.
            history_days: See the attributes.
            batch_s: Seconds that entries gather.
            retry_s: Seconds until the next attempt after one that failed.
            steady: Gives monotonic seconds, for what is due now and then.
        """
        self.retention_days = retention_days
        self.history_days = history_days
        self.lost = 0
        self.past: Final = PastSessions()
        self.trail: AuditTrail | None = None
        self.history: History | None = None
        self._clock: Final = clock
        self._steady: Final = steady
        self._began: Final = steady()
        self._next_session: Final = next_session
        self._opened: Final = database
        self._node: Final = node
        self._database: Database | None = None
        self._entries: dict[object, AuditEntry] = {}
        self._records: dict[str, StoredSession] = {}
        self._open: set[str] = set()  # ids whose rows are written and not ended
        self._seen_at: float | None = None  # when this server was last seen before, Unix seconds
        self._untold = 0  # lost entries that the trail does not tell of yet
        self._is_closed_up = False  # rows that a killed server left open are closed
        self._beat_at = 0.0  # monotonic seconds
        self._clean_at = 0.0
        self._looked: tuple[float, float] | None = None  # Unix and monotonic seconds
        self._writer: Final = BackgroundWriter(
            "audit trail and history", self._begin, self._write, batch_s=batch_s, retry_s=retry_s
        )

    # ------------------------------------------------------------------ what goes on

    def event(self, event: Event) -> None:
        """Take what the audit trail and the history keep of an event."""
        entry, record = entry_of(event), record_of(event)
        if entry is not None:
            self.note(entry)
        if record is not None:
            if record.code is not None and record.session is None:
                record = replace(record, session=self._next_session())
            self.past.keep(record)
            self.keep(record)

    def note(self, entry: AuditEntry) -> None:
        """Have an entry written soon. The same refusal again before that is counted in it."""
        key: object = object()
        room = QUEUED
        if entry.outcome == "refused":
            room //= 2  # many refusals leave room for what administrators do
            key = (entry.actor, entry.action, entry.target, entry.address, entry.detail)
            known = self._entries.get(key)
            if known is not None:
                self._entries[key] = replace(known, count=known.count + entry.count)
                return
        if len(self._entries) < room:
            self._entries[key] = entry
        else:
            self._lose()

    def keep(self, record: StoredSession) -> None:
        """Have a record written soon; one of the same id takes the place of an earlier one."""
        if not self.history_days:
            return
        if record.id in self._records or len(self._records) < QUEUED:
            self._records[record.id] = record
        else:
            self._lose()

    @property
    def began(self) -> float:
        """Return when the server started, Unix seconds by the clock of now."""
        return self._clock() - (self._steady() - self._began)

    @property
    def waiting(self) -> int:
        """Entries that are not written yet."""
        return len(self._entries) + len(self._records)

    def _lose(self) -> None:
        self.lost += 1
        self._untold += 1

    # ------------------------------------------------------------------ writing

    @property
    def is_failing(self) -> bool:
        """What waited could not be written when that was tried last."""
        return self._writer.is_failing

    def start(self) -> None:
        """Write from now on."""
        self._writer.start()

    def configure(self, settings: Settings) -> None:
        """Keep entries as long as the settings say."""
        self.retention_days = settings.audit.retention_days
        self.history_days = settings.privacy.history_days

    def metrics(self, label: Label) -> "Sequence[Metric]":
        """Return what waits for the database, and what was lost."""
        from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily

        return (
            GaugeMetricFamily(
                "headend_audit_waiting",
                "Entries of audit trail and history not written yet.",
                self.waiting,
            ),
            CounterMetricFamily(
                "headend_audit_lost",
                "Entries that found no room while the database was away.",
                self.lost,
            ),
        )

    async def stop(self) -> None:
        """Write what waits, if the database answers in time, and end."""
        was_started = await self._writer.close()
        if was_started and (waiting := self.waiting):
            log.warning("audit trail and history: %d entries are lost", waiting)

    async def _begin(self) -> None:
        self._database = await self._opened()
        # Loaded by now in any case; a server whose database is never there does without.
        from headend.store.audit import AuditTrail
        from headend.store.history import History

        self.trail = AuditTrail(self._database)
        self.history = History(self._database, self._node)

    async def _write(self) -> None:
        """Write what waits.

        Raises:
            DatabaseError: Some was not written.
        """
        await self._close_up()
        await self._write_all()
        await self._keep_house()

    async def _write_all(self) -> None:
        while self._entries or self._records or self._untold:
            await self._write_batch()

    async def _write_batch(self) -> None:
        """Write some of what waits; it leaves the memory once it is written.

        Raises:
            DatabaseError: Nothing was written.
        """
        from headend.store import audit

        assert self._database is not None
        assert self.history is not None
        entries = dict(islice(self._entries.items(), BATCH))
        records = dict(islice(self._records.items(), BATCH))
        untold = self._untold
        told = [*entries.values(), *([_loss(self._clock(), untold)] if untold else [])]
        async with self._database.begin() as connection:
            await audit.insert(connection, told)
            await self.history.store(
                connection, list(records.values()), frozenset(records.keys() & self._open)
            )
        self._untold -= untold
        for key, entry in entries.items():
            more = self._entries.pop(key)
            if more is not entry:  # the refusal came again meanwhile
                again = more.count - entry.count
                self._entries[key] = replace(more, at=self._clock(), count=again)
        for id, record in records.items():
            if self._records[id] is record:
                del self._records[id]
            if record.ended_at is None:
                self._open.add(id)
            else:
                self._open.discard(id)

    async def _close_up(self) -> None:
        """Close what a kill left open, before there is anything of this run."""
        assert self.history is not None
        if not self._is_closed_up:
            now = self._clock()
            self._seen_at = await self.history.seen_at()
            if closed := await self.history.close_open(now):
                log.warning("history: %d sessions ended with the server before", closed)
            self._is_closed_up = True

    async def _keep_house(self) -> None:
        """Say that we run, and delete what is old: each when it is due."""
        assert self.trail is not None
        assert self.history is not None
        now, steady = self._clock(), self._steady()
        if steady >= self._beat_at:
            await self.history.beat(now)
            self._beat_at = steady + BEAT_S
        if steady >= self._clean_at:
            if self._is_clock_right(now, steady):
                old = await self.trail.clean(now - self.retention_days * DAY_S)
                old += await self.history.clean(now - self.history_days * DAY_S)
                if old:
                    log.info("audit trail and history: %d old rows deleted", old)
            self._clean_at = steady + CLEAN_S

    def _is_clock_right(self, now: float, steady: float) -> bool:
        """Say whether rows may be deleted by their age: not on the day on which the clock jumps.

        A clock that is wrong for some hours deletes nothing; one that stays so is right.
        """
        before, self._looked = self._looked, (now, steady)
        if before is not None:
            jump = now - before[0] - (steady - before[1])
        else:
            jump = 0.0 if self._seen_at is None else now - self._seen_at - LONG_AWAY_S
        if jump <= JUMP_S:
            return True
        log.warning(
            "audit trail and history: the clock is %.0f days ahead of before; old rows are "
            "deleted tomorrow, if that is right",
            jump / DAY_S,
        )
        return False


class SilentRecorder(Recorder):
    """The recorder of a worker whose events worker 0 writes down: it writes nothing itself."""

    def __init__(self) -> None:
        """Make it."""
        super().__init__(_no_time, _no_session, _no_database, "", retention_days=0, history_days=0)

    def note(self, entry: AuditEntry) -> None:
        """Write nothing: worker 0 has noted it."""

    def start(self) -> None:
        """Do nothing."""

    def configure(self, settings: Settings) -> None:
        """Do nothing."""

    def metrics(self, label: Label) -> "Sequence[Metric]":
        return ()


def _no_time() -> float:
    return 0.0


def _no_session() -> int:
    return 0


async def _no_database() -> "Database":
    raise LookupError("this recorder writes nothing")


def _loss(now: float, count: int) -> AuditEntry:
    detail = "entries that found no room while the database was away"
    return AuditEntry(now, "headend", "audit.lost", "", None, "failed", detail, count)
