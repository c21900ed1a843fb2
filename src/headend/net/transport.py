"""One TCP or unix socket: reads for its owner, writes without ever blocking.

A `Transport` is the `Writer` of a connection. What the kernel does not take at once is kept as
views of the shared bytes, so a full socket costs no copy.
"""

import socket
import struct
from collections import deque
from collections.abc import Callable
from typing import ClassVar, Final, Protocol

from headend.net.file_piece import FilePiece
from headend.net.poller import Poller, ReadPace
from headend.net.readiness import HANG_UP, READ, WRITE

# One read at first. Below glibc's threshold for mapping memory anew (128 KiB), above what a socket
# holds usually.
READ_BYTES: Final = 65_536
LINGER_S: Final = 2.0  # after our last words: time for the peer to read them and to close
ROUND_READS: Final = 16  # most reads of one peer when it is its turn
FULL_BYTES: Final = 64 * 1024  # of one turn: half of what a socket's buffer holds at first …
FULL_ROUNDS: Final = 3  # … in so many turns in a row: not just a keyframe, which may come in two


class Owner(Protocol):
    """Who talks over a transport. Its methods must not raise."""

    def data_received(self, data: bytes) -> None:
        """Take bytes, at least one."""

    def write_stalled(self) -> None:
        """The writer has a backlog now."""

    def write_drained(self) -> None:
        """The writer has no backlog any more."""

    def connection_lost(self, error: OSError | None) -> None:
        """The socket is closed; None: by us, or by the peer in good order."""


class _Nobody:
    """Owns a closed transport, so that it and its last owner hold each other no more."""

    def data_received(self, data: bytes) -> None:
        """Nothing comes any more."""

    def write_stalled(self) -> None:
        """Nothing is written any more."""

    def write_drained(self) -> None:
        """Nothing is written any more."""

    def connection_lost(self, error: OSError | None) -> None:
        """It was lost before."""


NOBODY: Final = _Nobody()


class Transport:
    """One socket of a peer, plain TCP or unix.

    Attributes:
        backlog: Bytes taken and not yet sent.
        send: The socket's own `send`, or what stands for it.
        bytes_in: Bytes received.
        bytes_out: Bytes that went through `write` and the backlog. A fan-out's own sends are
            counted there.
        drained_bytes: Bytes of the backlog that were sent: it grows while a late peer takes data.
        read_size: Most bytes of one read.
    """

    __slots__ = (
        "_descriptor",
        "_full_rounds",
        "_is_closed",
        "_is_ending",
        "_is_paused",
        "_is_reading",
        "_owner",
        "_pace",
        "_poller",
        "_queue",
        "_socket",
        "_wanted",
        "backlog",
        "bytes_in",
        "bytes_out",
        "drained_bytes",
        "read_size",
        "send",
    )

    send: Callable[[bytes], int]
    _would_block: ClassVar[tuple[type[OSError], ...]] = (BlockingIOError,)

    def __init__(self, sock: socket.socket, poller: Poller, owner: Owner) -> None:
        """Take over a connected, non-blocking socket and start reading."""
        self._socket = sock
        self._descriptor = sock.fileno()
        self._poller = poller
        self._owner = owner
        self._queue: deque[memoryview | FilePiece] | None = None
        self._is_closed = False
        self._is_ending = False  # our side is shut down; the peer's rest is thrown away
        self._is_paused = False
        self._pace = ReadPace.PROMPT
        self._wanted = ReadPace.PROMPT  # by the owner
        self._full_rounds = 0
        self._is_reading = False
        self.backlog = 0
        self.bytes_in = 0
        self.bytes_out = 0
        self.drained_bytes = 0
        self.read_size = READ_BYTES
        self.send = sock.send
        poller.register(self._descriptor, self)

    @property
    def descriptor(self) -> int:
        """Return the socket's, to which the system may send as `send` does; -1: there is none.

        It is closed, or TLS is between.
        """
        return -1 if self._is_closed else self._descriptor

    # ------------------------------------------------------------------ reading

    def handle_events(self, events: int) -> None:
        """Read or write, as the poller says. An error or hang-up shows in reading."""
        if events & WRITE and self.backlog:
            self._send_backlog()
        if events & ~WRITE and not self._is_closed:
            if self._pace is ReadPace.FLUSH:
                self.read_in_turn(is_late=False)
            else:
                self.read()

    def read(self) -> int:
        """Read once; return how many bytes there were."""
        try:
            data = self._socket.recv(self.read_size)
        except self._would_block:
            return 0
        except OSError as error:
            self._lose(error)
            return 0
        if not data:
            self._lose(None)
        elif not self._is_ending:
            self.bytes_in += len(data)
            self._is_reading = True
            self._owner.data_received(data)
            self._is_reading = False
        return len(data)

    def read_in_turn(self, *, is_late: bool) -> None:
        """Read all there is, up to ROUND_READS reads, because it is this peer's turn.

        A peer that has much each time is read as it comes for a while: its bytes would fill the
        kernel's buffer between two turns, and slow it down. What gathered before a late turn of a
        busy machine does not count.
        """
        if self._is_paused:
            return
        total = 0
        for _ in range(ROUND_READS):
            size = self.read()
            total += size
            if size < self.read_size or self._pace is ReadPace.PROMPT:
                break
        is_full = total >= FULL_BYTES and not is_late
        self._full_rounds = self._full_rounds + 1 if is_full else 0
        if self._full_rounds >= FULL_ROUNDS:
            self._use_pace(ReadPace.PROMPT)
            self._poller.slow_down_later(self)

    def set_pace(self, pace: ReadPace) -> None:
        """Choose when to be read; going back to PROMPT starts with reading what is there."""
        self._wanted = pace
        self._use_pace(pace)

    def slow_down(self) -> None:
        """Be read at the pace that the owner wants, if that was too slow for a while."""
        self._use_pace(self._wanted)

    def _use_pace(self, pace: ReadPace) -> None:
        if pace is self._pace or self._is_closed:
            return
        self._pace = pace
        self._full_rounds = 0
        self._poller.set_pace(self, pace)
        self._watch()
        if pace is ReadPace.PROMPT and not self._is_reading and not self._is_paused:
            self.read()

    def pause_reading(self) -> None:
        """Read no more until `resume_reading`."""
        if not self._is_paused:
            self._is_paused = True
            self._watch()

    def resume_reading(self) -> None:
        if self._is_paused:
            self._is_paused = False
            self._watch()

    def hand_over(self, owner: Owner) -> None:
        """Read for another owner from now on."""
        self._owner = NOBODY if self._is_closed else owner

    # ------------------------------------------------------------------ writing

    def write(self, data: bytes) -> None:
        """Send what can be sent at once, behind the backlog, and keep the rest."""
        if self._is_closed or self._is_ending or not data:
            return
        self.bytes_out += len(data)
        sent = 0
        if not self.backlog:
            try:
                sent = self.send(data)
            except OSError:
                sent = 0  # full, or gone: then reading will say so
        if sent != len(data):
            self._keep(data, sent)

    def write_file(self, piece: FilePiece) -> None:
        """Send a piece of a file behind the backlog; it is closed when it is sent, or never is."""
        if self._is_closed or self._is_ending:
            piece.close()
            return
        self.bytes_out += piece.left
        self._add(piece, piece.left)
        # The owner may have ended it all, hearing that there is a backlog.
        if self._queue is not None and self._queue[0] is piece:
            self._send_backlog()

    def keep(self, data: bytes, sent: int) -> None:
        """Take what a `send` left over."""
        if not self._is_closed:
            self._keep(data, sent)

    def _keep(self, data: bytes, sent: int) -> None:
        self._add(memoryview(data)[sent:], len(data) - sent)

    def _add(self, item: memoryview | FilePiece, size: int) -> None:
        if self._queue is None:
            self._queue = deque()
        self._queue.append(item)
        was_empty = not self.backlog
        self.backlog += size
        if was_empty:
            self._watch()
            self._owner.write_stalled()

    def _send_backlog(self) -> None:
        queue = self._queue
        assert queue is not None
        while queue:
            first = queue[0]
            try:
                if isinstance(first, FilePiece):
                    if not self._is_loaded(first):
                        return
                    sent = self._send_piece(first)
                else:
                    sent = self.send(first)  # type: ignore[arg-type]  # a view is as good
            except self._would_block:
                return
            except OSError as error:
                self._lose(error)
                return
            self.backlog -= sent
            self.drained_bytes += sent
            if isinstance(first, FilePiece):
                if first.left:  # the rest with the next turns: others have their turn too
                    return
                first.close()
            elif sent < len(first):
                queue[0] = first[sent:]
                return
            queue.popleft()
        self._queue = None
        self._watch()
        if self._is_ending:
            self._shut_down()
        else:
            self._owner.write_drained()

    def _is_loaded(self, piece: FilePiece) -> bool:
        """Say whether a piece can be sent; if not, have it loaded, and go on then."""
        if piece.is_loading:
            return False
        if piece.is_loaded():
            return True
        piece.load(self._loaded)
        self._watch()
        return False

    def _loaded(self, error: OSError | None) -> None:
        if error is not None:
            self._lose(error)
        elif not self._is_closed:
            self._watch()
            self._send_backlog()

    def _send_piece(self, piece: FilePiece) -> int:
        return piece.send_to(self._descriptor)

    def _is_loading(self) -> bool:
        first = self._queue[0] if self._queue else None
        return isinstance(first, FilePiece) and first.is_loading

    def _watch(self) -> None:
        if self._is_closed:
            return
        pace = self._pace
        # A lazy one is told of the peer's end at once all the same.
        events = HANG_UP if pace is ReadPace.LAZY else 0 if self._is_paused else READ
        if self.backlog and self._is_loading():  # it could take more, and there is nothing
            self._poller.modify(self._descriptor, events)
        elif self.backlog:  # a late peer goes on as soon as it can, whatever its pace
            self._poller.modify(self._descriptor, events | WRITE)
        else:
            self._poller.modify(self._descriptor, events, pace)

    # ------------------------------------------------------------------ the end

    def close(self) -> None:
        """Close once the backlog is sent and the peer has had time to read it.

        Our side is shut down and what the peer still sends is thrown away: closing a socket with
        unread bytes would reset the connection, and our last words with it. `abort` ends the wait.
        """
        if self._is_closed or self._is_ending:
            return
        self._is_ending = True
        self.resume_reading()
        if not self.backlog:
            self._shut_down()

    def abort(self) -> None:
        """Close at once; the backlog is lost."""
        self._lose(None)

    def reset(self) -> None:
        """Close at once, so that the peer sees a reset."""
        if not self._is_closed:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self._lose(None)

    @property
    def is_closed(self) -> bool:
        return self._is_closed

    @property
    def is_paused(self) -> bool:
        return self._is_paused

    def _shut_down(self) -> None:
        try:
            self._socket.shutdown(socket.SHUT_WR)
        except OSError as error:
            self._lose(error)

    def _lose(self, error: OSError | None) -> None:
        if self._is_closed:
            return
        self._is_closed = True
        self._poller.bulk.closed += 1
        if self._wanted is not ReadPace.PROMPT:
            self._poller.set_pace(self, ReadPace.PROMPT)
        self._poller.unregister(self._descriptor)
        for item in self._queue or ():
            if isinstance(item, FilePiece):
                item.close()
        self._queue = None
        self.backlog = 0
        owner, self._owner = self._owner, NOBODY
        try:
            owner.connection_lost(error)
        finally:
            self._socket.close()
