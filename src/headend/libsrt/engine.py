"""The thread that waits for SRT's sockets, and hands what it finds to the loop.

    srt_epoll_uwait ─┬─► listener: accept ──────► loop: `opened`
                     ├─► a call that stands ────► loop: `connected`
                     ├─► messages ──────────────► loop: `received`, as one piece
                     └─► broken ────────────────► loop: `lost`

One call of the loop for all that a turn has found. What the loop has not taken is bounded for each
connection: a loop that is slow loses that connection's data, which is counted.

All who use SRT in one loop share an engine: `borrow` it, and `give_back` it at the end.
"""

import asyncio
import ctypes
import logging
import threading
import time
from asyncio import AbstractEventLoop
from collections import deque
from collections.abc import Callable
from typing import Final, Protocol

from headend.libsrt.library import ERR, IN, OUT, PACKET, Library

log = logging.getLogger(__name__)

MAX_UNTAKEN: Final = 4 * 1024 * 1024  # bytes that wait for the loop: 1 s of 32 Mbit/s
MESSAGES: Final = 256  # taken of a socket in one turn, so that no other waits long
TURN_S: Final = 0.004  # messages of so long become one piece: a wake-up costs more than a message
ENDING_S: Final = 0.1  # beyond the latency
ENDING_MS: Final = 10  # between looks at what broken connections had brought
WAIT_MS: Final = 250  # after which the thread looks whether it is to end


class SocketOwner(Protocol):
    """Whose socket it is. The loop calls its methods.

    Attributes:
        untaken: Bytes that came and were dropped because the loop was slow; the engine counts.
    """

    untaken: int

    @property
    def latency_ms(self) -> int:
        """How long a message may lie with libsrt before it is due."""

    def connected(self) -> None:
        """The connection stands that was called for."""

    def received(self, data: bytes) -> None:
        """Take messages in the order in which they came."""

    def lost(self) -> None:
        """The connection is gone, or could not be made."""


class _Watched:
    """A socket; each count has one thread that writes it."""

    __slots__ = ("connection", "given", "is_connecting", "is_over", "taken")

    def __init__(self, connection: SocketOwner, *, is_connecting: bool = False) -> None:
        self.connection: Final = connection
        self.is_connecting = is_connecting
        self.is_over = False  # it broke, which its owner is told once
        self.given = 0
        self.taken = 0


class Engine:
    """The thread that waits for the sockets of one loop, and the data that it hands over.

    Attributes:
        library: Open as long as this.
        users: How many have borrowed it.
    """

    def __init__(self, library: Library, loop: AbstractEventLoop) -> None:
        """Begin; the thread waits for `wake` until there is a connection.

        Args:
            library: Is closed by `stop`.
            loop: Its owners' methods are called there.
        """
        self.library: Final = library
        self.users = 0
        self._loop = loop
        self._epoll = library.epoll()
        self._listeners: dict[int, Callable[[int], None]] = {}
        self._watched: dict[int, _Watched] = {}
        self._ending: dict[int, float] = {}  # until when to read what is due after the break
        self._broken: deque[int] = deque()  # before they were watched
        self._called = threading.Event()
        self._is_over = False
        self._room = ctypes.create_string_buffer(MESSAGES * PACKET)
        self._thread = threading.Thread(target=self._run, name="headend srt", daemon=True)
        self._thread.start()

    def listen(self, listener: int, opened: Callable[[int], None]) -> None:
        """Accept callers of a socket that listens.

        Args:
            listener: The socket.
            opened: Called in the loop with each socket that has connected.
        """
        self._listeners[listener] = opened
        self.library.watch(self._epoll, listener, IN)

    def wake(self) -> None:
        """Somebody calls; any thread may say so."""
        self._called.set()

    def watch(self, sock: int, connection: SocketOwner, *, reads: bool) -> None:
        """Tell a connection what becomes of its socket, and what comes if it is to be read."""
        self._watched.setdefault(sock, _Watched(connection))
        self._watch(sock, IN | ERR if reads else ERR)

    def watch_call(self, sock: int, connection: SocketOwner) -> None:
        """Tell the owner of a socket that connects when it does, or that it cannot."""
        self._watched[sock] = _Watched(connection, is_connecting=True)
        self._watch(sock, OUT | ERR)

    def _watch(self, sock: int, events: int) -> None:
        """Have events told, also of a socket that broke before: of that libsrt tells nothing."""
        self.library.watch(self._epoll, sock, events)
        if self.library.is_broken(sock):
            self._broken.append(sock)
        self._called.set()

    def close(self, sock: int) -> None:
        """Close a socket."""
        if self._is_over:  # `stop` closes all
            return
        self._listeners.pop(sock, None)
        self._watched.pop(sock, None)
        self.library.close_socket(sock)

    def stop(self) -> None:
        """End; blocks until the threads of libsrt are gone too."""
        self._is_over = True
        self._called.set()
        self._thread.join()
        for sock in (*self._listeners, *self._watched):
            self.library.close_socket(sock)
        self.library.release(self._epoll)
        self.library.close()

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
        found = _Found()
        while self._broken:
            sock = self._broken.popleft()
            if (watched := self._watched.get(sock)) is not None:
                self._end(sock, watched)
        wait_ms = ENDING_MS if self._ending else WAIT_MS
        for sock, events in self.library.wait(self._epoll, wait_ms):
            if (opened := self._listeners.get(sock)) is not None:
                found.opened += [(opened, each) for each in self._accept(sock)]
                continue
            watched = self._watched.get(sock)
            if watched is None:
                self.library.forget(self._epoll, sock)
                continue
            if events & IN and (data := self._messages(sock, watched)):
                found.pieces.append((watched, data))
            if events & ERR:
                self._end(sock, watched)
            elif events & OUT and watched.is_connecting:
                watched.is_connecting = False
                self.library.watch(self._epoll, sock, ERR)
                found.connected.append(watched)
        self._read_ends(found)
        if found:
            try:
                self._loop.call_soon_threadsafe(found.deliver)
            except RuntimeError:  # the loop is closed
                self._is_over = True
        time.sleep(TURN_S)

    def _end(self, sock: int, watched: _Watched) -> None:
        """Read what a broken connection has brought until all of it is due."""
        self.library.forget(self._epoll, sock)
        if watched.is_over:
            return
        watched.is_over = True
        now = time.monotonic()
        self._ending[sock] = now + watched.connection.latency_ms / 1000 + ENDING_S

    def _read_ends(self, found: "_Found") -> None:
        """Take what broken connections had brought and is due only now, until all of it is."""
        for sock, until in tuple(self._ending.items()):
            watched = self._watched.get(sock)
            if watched is not None and (data := self._messages(sock, watched)):
                found.pieces.append((watched, data))
            if watched is None or time.monotonic() > until:
                del self._ending[sock]
                if watched is not None:
                    found.lost.append(watched)

    def _accept(self, listener: int) -> list[int]:
        found: list[int] = []
        while (sock := self.library.accept(listener)) >= 0:
            found.append(sock)
        return found

    def _messages(self, sock: int, watched: _Watched) -> bytes:
        """Take what there is; return it as one piece, or nothing if the loop is too slow."""
        receive, base = self.library.receive, ctypes.addressof(self._room)
        size = 0
        for _ in range(MESSAGES):
            count = receive(sock, base + size)
            if count <= 0:
                break
            size += count
        if watched.given - watched.taken + size > MAX_UNTAKEN:
            watched.connection.untaken += size
            return b""
        watched.given += size
        return ctypes.string_at(base, size)


class _Found:
    """What one turn has found, for the loop."""

    __slots__ = ("connected", "lost", "opened", "pieces")

    def __init__(self) -> None:
        self.opened: list[tuple[Callable[[int], None], int]] = []
        self.connected: list[_Watched] = []
        self.pieces: list[tuple[_Watched, bytes]] = []
        self.lost: list[_Watched] = []

    def __bool__(self) -> bool:
        return bool(self.opened or self.connected or self.pieces or self.lost)

    def deliver(self) -> None:
        """Tell the owners; in the loop."""
        for watched in self.connected:
            watched.connection.connected()
        for watched, data in self.pieces:
            watched.taken += len(data)
            watched.connection.received(data)
        for watched in self.lost:
            watched.connection.lost()
        for opened, sock in self.opened:
            opened(sock)


_engines: Final[dict[AbstractEventLoop, Engine]] = {}


def borrow(loop: AbstractEventLoop) -> Engine:
    """Return the engine of a loop; `give_back` it.

    Raises:
        SrtError: libsrt is not installed, or too old.
    """
    engine = _engines.get(loop)
    if engine is None:
        engine = _engines[loop] = Engine(Library(), loop)
    engine.users += 1
    return engine


async def give_back(engine: Engine) -> None:
    """End an engine that nobody else uses."""
    engine.users -= 1
    if engine.users:
        return
    loop = asyncio.get_running_loop()
    del _engines[loop]
    await asyncio.to_thread(engine.stop)
