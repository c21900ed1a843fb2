"""One player of something stored: paced, paused, sought.

    Stored.tags ─► due by the clock of the player? ─► encoder ─► writer
        ▲                                                          │
        └──── nothing more is read while the writer is behind ◄────┘

What the player holds ahead of what it shows is sent at once, and all else in real time. One task
reads and sends; a seek, a pause, a drained writer and the end tell it what is wanted now, and wake
it.
"""

import asyncio
import logging
from collections.abc import Sequence
from contextlib import aclosing
from typing import Final

from headend.access.gate import Grant
from headend.access.session_record import Client
from headend.errors import HeadendError, Refusal, Rejected
from headend.hub.ports import Writer
from headend.live.granted_play import GrantedPlay, Watcher
from headend.live.on_demand import Stored
from headend.live.services import Services
from headend.media.tag import SCRIPT, Tag
from headend.net.deadlines import NEVER
from headend.outputs.rtmp_play import Format, RtmpEncoder

log = logging.getLogger(__name__)

BUFFER_MS: Final = 3000  # of a player that does not say: FFmpeg's
LEAST_BUFFER_MS: Final = 200  # a player that says less still has the network in between
TICK_S: Final = 0.05  # what is due within so long goes out together
PIECE: Final = 128 * 1024  # bytes that are sent at once, and then one tag more
GAP_MS: Final = 1000  # between two tags: nobody was there, and nobody is to wait for it
STAY_S: Final = 60.0  # after the end of all that the player holds: it may seek back
ALL_SENT: Final = "all of it was sent"


class StoredPlay(GrantedPlay):
    """One player of something stored.

    Attributes:
        wait_until: Never: a player of what is stored waits for no publisher.
    """

    __slots__ = (
        "_buffer_s",
        "_chunk_size",
        "_encoder",
        "_format",
        "_last",
        "_length",
        "_loop",
        "_origin",
        "_paused_at",
        "_since",
        "_stored",
        "_task",
        "_wake",
        "_wanted",
        "_writer",
        "_zero",
        "wait_until",
    )

    def __init__(
        self,
        services: Services,
        watcher: Watcher,
        stored: Stored,
        grant: Grant,
        writer: Writer,
        *,
        start: int,
        length: int | None,
    ) -> None:
        """Make a player to which nothing is sent yet.

        Args:
            services: What all connections share.
            watcher: Speaks with the player.
            stored: What it wants to see.
            grant: What it rests on; `end` has the gate `leave` it.
            writer: Where the bytes go.
            start: Where it wants to start, ms.
            length: How much it wants, ms; None: all.
        """
        super().__init__(services, watcher, grant)
        self._loop = services.loop
        self._stored = stored
        self._writer = writer
        self._chunk_size = services.rtmp.chunk_size
        self._buffer_s = BUFFER_MS / 1000
        self._wanted: int | None = start  # place to go on at; None: where it is
        self._length = length
        self._zero: int | None = None if start else 0  # ms that are 0 for the player
        self._origin: int | None = None  # ms that were due …
        self._since = 0.0  # … at this time, monotonic seconds
        self._last = 0  # ms of the newest tag
        self._paused_at: float | None = None
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self.wait_until = NEVER

    def begin(self, client: Client, format: Format) -> None:
        """Begin to send; the gate may end it from now on."""
        self.record(client, f"accepted: {self._stored.name}")
        self.use(format)
        self._task = self._loop.create_task(self._run(), name="stored play")

    # ------------------------------------------------------------------ figures

    @property
    def path(self) -> str:
        return self._stored.name

    @property
    def is_watching(self) -> bool:
        """The player is not paused."""
        return self._paused_at is None

    @property
    def bytes_out(self) -> int:
        """Bytes that the writer was given; none once the player is over."""
        return self.given

    # ------------------------------------------------------------------ what the player wants

    def use(self, format: Format) -> None:
        """Send these media from now on."""
        self._encoder = RtmpEncoder(format, self._chunk_size)

    def pause(self) -> None:
        """Send nothing until `resume`."""
        if self._paused_at is None:
            self._paused_at = self._loop.time()

    def resume(self) -> None:
        """Go on where it paused."""
        if self._paused_at is not None:
            self._since += self._loop.time() - self._paused_at
            self._paused_at = None
            self._wake.set()

    def seek(self, position: int) -> None:
        """Go on at the keyframe before a position, ms; nothing from elsewhere is sent any more."""
        self._wanted, self._length, self._zero = position, None, 0
        self._wake.set()

    def set_buffer(self, buffer_ms: int) -> None:
        """Send so much ahead of what is shown."""
        self._buffer_s = max(buffer_ms, LEAST_BUFFER_MS) / 1000
        self._wake.set()

    def stalled(self) -> None:
        """Take note that the writer has a backlog: nothing is sent until it has none."""

    def drained(self) -> None:
        """Take note that the writer has no backlog any more."""
        self._wake.set()

    # ------------------------------------------------------------------ the end

    def stopped(self) -> None:
        self._wake.set()

    # ------------------------------------------------------------------ the task

    async def _run(self) -> None:
        try:
            with self._stored.in_use():
                while not self.is_over and self._wanted is not None:
                    position, self._wanted = self._wanted, None
                    if await self._play(position) and not await self._stays():
                        self.end_and_tell(ALL_SENT, f": {ALL_SENT}", None)
        except HeadendError as error:
            why = Rejected(Refusal.UNDECIDED, f"it cannot be read on: {error}")
            self.end_and_tell(str(error), f" ended: {error}", why)
        except Exception:
            log.exception("%s cannot be played on: a bug", self._stored.name)
            why = Rejected(Refusal.UNDECIDED, "the server failed; its log tells more")
            self.end_and_tell("a bug", " ended: a bug", why)

    async def _play(self, position: int) -> bool:
        """Send all from a position on; return whether that was all, and nothing else is wanted."""
        self._origin = None
        end = None if self._length is None else position + self._length
        async with aclosing(self._stored.tags(position)) as batches:
            async for tags in batches:
                is_over = end is not None and any(_is_behind(tag, end) for tag in tags)
                if end is not None:
                    tags = [tag for tag in tags if not _is_behind(tag, end)]
                if not await self._send(tags):
                    return False
                if is_over:
                    break
        if not await self._is_let():
            return False
        self._write(self._encoder.played_to_end(self._last / 1000, self.given))
        return True

    async def _send(self, tags: Sequence[Tag]) -> bool:
        """Send tags when they are due; false: they are not wanted any more."""
        if not await self._is_let():
            return False
        pieces: list[bytes] = []
        size = 0
        for tag in tags:
            if size > PIECE or self._due_in(tag) > 0:
                self._write(b"".join(pieces))
                pieces, size = [], 0
                if not await self._is_due(tag):
                    return False
            self._encoder.append(pieces, tag, self._told(tag.timestamp))
            size += len(tag.body)
        self._write(b"".join(pieces))
        return True

    def _told(self, time: int) -> int:
        """Return a time as the player is told it.

        With a start other than 0 its time begins there, as librtmp wants it.
        """
        if self._zero is None:
            self._zero = time
        return max(0, time - self._zero)

    async def _is_due(self, tag: Tag) -> bool:
        """Wait until a tag is due; false: it is not wanted any more."""
        await asyncio.sleep(0)  # others have their turn
        while await self._is_let():
            wait = self._due_in(tag)
            if wait <= 0:
                return True
            await self._woken(max(wait, TICK_S))
        return False

    def _due_in(self, tag: Tag) -> float:
        """Return in how many seconds a tag is due; 0 or less: it is."""
        if tag.kind is SCRIPT or tag.is_sequence_header:
            return 0.0
        time, now = tag.timestamp, self._loop.time()
        if self._origin is None:
            self._origin, self._since, self._last = time, now, time
        elif time > self._last + GAP_MS:
            self._origin += time - self._last
        self._last = max(self._last, time)
        return self._since + (time - self._origin) / 1000 - self._buffer_s - now

    async def _is_let(self) -> bool:
        """Wait until more may be sent; false: what comes is not wanted any more."""
        while not self.is_over and self._wanted is None:
            if self._paused_at is None and not self._writer.backlog:
                return True
            await self._woken(None)
        return False

    async def _stays(self) -> bool:
        """Wait for a player that has got all; return whether it wants something yet."""
        ahead = self._buffer_s if self._origin is None else (self._last - self._origin) / 1000
        until = max(self._since + ahead, self._loop.time()) + STAY_S
        while not self.is_over and self._wanted is None:
            wait = until - self._loop.time()
            if wait <= 0:
                return False
            await self._woken(wait)
        return True

    async def _woken(self, timeout_s: float | None) -> None:
        """Wait until something has happened, or so long."""
        timer = None if timeout_s is None else self._loop.call_later(timeout_s, self._wake.set)
        await self._wake.wait()
        self._wake.clear()
        if timer is not None:
            timer.cancel()

    def _write(self, data: bytes) -> None:
        if not data or self.is_over:
            return
        writer, sent = self._writer, 0
        self.given += len(data)
        if not writer.backlog:
            try:
                sent = writer.send(data)
            except OSError:
                sent = 0  # full, or gone: then reading will say so
        if sent != len(data):
            writer.keep(data, sent)


def _is_behind(tag: Tag, end: int) -> bool:
    return tag.kind is not SCRIPT and not tag.is_sequence_header and tag.timestamp > end
