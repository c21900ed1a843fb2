"""The thread that waits for SRT's sockets, and hands what it finds to the loop.

    srt_epoll_uwait ─┬─► listener: accept ─────────► loop: `opened`
                     ├─► publisher: all messages ──► loop: `received`, as one piece
                     └─► broken ───────────────────► loop: `lost`

One call of the loop for all that a turn has found. What the loop has not taken is bounded for each
connection: a loop that is slow loses that connection's data, which is counted.
"""

import ctypes
import logging
import threading
import time
from asyncio import AbstractEventLoop
from collections.abc import Callable
from typing import Final, Protocol

from headend.srt.library import ERR, IN, PACKET, Library

log = logging.getLogger(__name__)

MAX_UNTAKEN: Final = (
    4 * 1024 * 1024
)  # bytes of a connection that wait for the loop: 1 s of 32 Mbit/s
MESSAGES: Final = 256  # taken of a socket in one turn, so that no other waits long
TURN_S: Final = 0.004  # messages of so long become one piece: a wake-up costs more than a message
ENDING_S: Final = 0.1  # beyond the latency
ENDING_MS: Final = 10  # between looks at what broken connections had brought
WAIT_MS: Final = 250  # after which the thread looks whether it is to end


class SocketOwner(Protocol):
    """Whose socket it is. The loop calls its methods."""

    @property
    def latency_ms(self) -> int:
        """How long a message may lie with libsrt before it is due."""

    def received(self, data: bytes) -> None:
        """Take messages in the order in which they came."""

    def lost(self) -> None:
        """The connection is gone."""


class _Watched:
    """A socket; each count has one thread that writes it."""

    __slots__ = ("connection", "given", "taken")

    def __init__(self, connection: SocketOwner) -> None:
        self.connection: Final = connection
        self.given = 0
        self.taken = 0


class Engine:
    """The thread that waits for the sockets of one server, and the data that it hands over.

    Attributes:
        dropped: Bytes that a slow loop has not taken.
    """

    def __init__(
        self, library: Library, loop: AbstractEventLoop, opened: Callable[[int], None]
    ) -> None:
        """Begin; the thread waits for `wake` until there is a caller.

        Args:
            library: Is there as long as this.
            loop: Of the server.
            opened: Called in the loop with a socket that has connected.
        """
        self._library = library
        self._loop = loop
        self._opened = opened
        self._epoll = library.epoll()
        self._listeners: set[int] = set()
        self._watched: dict[int, _Watched] = {}
        self._ending: dict[int, float] = {}  # until when to read what is due after the break
        self._called = threading.Event()
        self._is_over = False
        self._room = ctypes.create_string_buffer(MESSAGES * PACKET)
        self.dropped = 0
        self._thread = threading.Thread(target=self._run, name="headend srt", daemon=True)
        self._thread.start()

    def listen(self, listener: int) -> None:
        """Accept callers of a socket that listens."""
        self._listeners.add(listener)
        self._library.watch(self._epoll, listener, IN)

    def wake(self) -> None:
        """Somebody calls; any thread may say so."""
        self._called.set()

    def watch(self, sock: int, connection: SocketOwner, *, reads: bool) -> None:
        """Tell a connection what becomes of its socket, and what comes if it is to be read."""
        self._watched.setdefault(sock, _Watched(connection))
        self._library.watch(self._epoll, sock, IN | ERR if reads else ERR)
        self._called.set()

    def close(self, sock: int) -> None:
        """Close a socket."""
        if self._is_over:  # `stop` closes all
            return
        self._watched.pop(sock, None)
        self._library.close_socket(sock)

    def stop(self) -> None:
        """End; blocks for at most WAIT_MS."""
        self._is_over = True
        self._called.set()
        self._thread.join()
        for sock in (*self._listeners, *self._watched):
            self._library.close_socket(sock)
        self._library.release(self._epoll)

    # ------------------------------------------------------------------ the thread

    def _run(self) -> None:
        while not self._is_over:
            # libsrt looks a hundred times a second while it waits: not while nobody is there.
            self._called.wait()
            if not self._watched:
                self._called.clear()
            try:
                self._turn()
            except Exception:
                log.exception("SRT: a turn failed: a bug")
                time.sleep(TURN_S)

    def _turn(self) -> None:
        opened: list[int] = []
        pieces: list[tuple[_Watched, bytes]] = []
        lost: list[_Watched] = []
        wait_ms = ENDING_MS if self._ending else WAIT_MS
        for sock, events in self._library.wait(self._epoll, wait_ms):
            if sock in self._listeners:
                opened += self._accept(sock)
                continue
            watched = self._watched.get(sock)
            if watched is None:
                self._library.forget(self._epoll, sock)
                continue
            if events & IN and (data := self._messages(sock, watched)):
                pieces.append((watched, data))
            if events & ERR:
                self._library.forget(self._epoll, sock)
                now = time.monotonic()
                self._ending[sock] = now + watched.connection.latency_ms / 1000 + ENDING_S
        self._read_ends(pieces, lost)
        if opened or pieces or lost:
            try:
                self._loop.call_soon_threadsafe(self._deliver, opened, pieces, lost)
            except RuntimeError:  # the loop is closed
                self._is_over = True
        time.sleep(TURN_S)

    def _read_ends(self, pieces: list[tuple[_Watched, bytes]], lost: list[_Watched]) -> None:
        """Take what broken connections had brought and is due only now, until all of it is."""
        for sock, until in tuple(self._ending.items()):
            watched = self._watched.get(sock)
            if watched is not None and (data := self._messages(sock, watched)):
                pieces.append((watched, data))
            if watched is None or time.monotonic() > until:
                del self._ending[sock]
                if watched is not None:
                    lost.append(watched)

    def _accept(self, listener: int) -> list[int]:
        found: list[int] = []
        while (sock := self._library.accept(listener)) >= 0:
            found.append(sock)
        return found

    def _messages(self, sock: int, watched: _Watched) -> bytes:
        """Take what there is; return it as one piece, or nothing if the loop is too slow."""
        receive, base = self._library.receive, ctypes.addressof(self._room)
        size = 0
        for _ in range(MESSAGES):
            count = receive(sock, base + size)
            if count <= 0:
                break
            size += count
        if watched.given - watched.taken + size > MAX_UNTAKEN:
            self.dropped += size
            return b""
        watched.given += size
        return ctypes.string_at(base, size)

    # ------------------------------------------------------------------ the loop

    def _deliver(
        self,
        opened: list[int],
        pieces: list[tuple[_Watched, bytes]],
        lost: list[_Watched],
    ) -> None:
        for watched, data in pieces:
            watched.taken += len(data)
            watched.connection.received(data)
        for watched in lost:
            watched.connection.lost()
        for sock in opened:
            self._opened(sock)
