"""libsrt, the system's library for SRT, as far as it is used here.

    send, receive    keep the interpreter's lock: they return at once
    all else         lets other threads run: libsrt may have to wait for its own

Source: libsrt 1.5, docs/API/API-functions.md and API-socket-options.md.
"""

import atexit
import ctypes
import socket
from collections.abc import Callable
from contextlib import suppress
from ctypes import POINTER, byref, c_char_p, c_int, c_int32, c_int64, c_void_p
from typing import Any, Final

from headend.errors import HeadendError
from headend.libsrt.addresses import packed, unpacked
from headend.libsrt.raw_figures import RawFigures
from headend.net.figures import Figures
from headend.srt_url import STREAM_ID_BYTES, CallOptions

# As Debian, Homebrew and others name it; the first that is there is taken.
NAMES: Final = (
    "libsrt-openssl.so.1.5",
    "libsrt-gnutls.so.1.5",
    "libsrt.so.1.5",
    "/opt/homebrew/lib/libsrt.dylib",
    "/usr/local/lib/libsrt.dylib",
)
LEAST_VERSION: Final = 0x010500  # the first with epoll and reject reasons as they are used here
MISSING: Final = (
    "libsrt is not installed: Debian's package libsrt1.5-openssl or libsrt1.5-gnutls, or "
    "Homebrew's srt, brings it"
)

PAYLOAD: Final = 1316  # bytes: seven packets of MPEG-TS, which every receiver takes
PACKET: Final = 1456  # bytes of the largest message of live mode
# Packets: as many as libsrt's receive buffer has. libsrt's own value, three times as many, costs
# 280 KiB of each connection and is of no use.
WINDOW: Final = 8192
# Of glibc: from which size memory goes back to the system at once. glibc raises it when
# such memory is freed; from then on buffers of closed connections leave holes that stay.
MMAP_BYTES: Final = 128 * 1024
IN, OUT, ERR = 1, 4, 8  # of epoll
NOT_NOW: Final = (6001, 6002)  # SRT_EASYNCSND, SRT_EASYNCRCV
_BROKEN: Final = 6  # state of a socket; what follows is closed
_RECEIVES_BLOCKING, _SENDS_BLOCKING, _PASSPHRASE, _PEER_VERSION = 2, 1, 26, 35
_LATENCY, _STREAM_ID, _IPV6_ONLY, _ENFORCED = 23, 46, 54, 53
_WINDOW: Final = 4  # SRTO_FC
_M_MMAP_THRESHOLD: Final = -3
_KEY_BYTES, _CONNECT_MS, _PEER_LATENCY = 27, 36, 44

# Opaque pointer, socket, version of the handshake, address, stream id.
HOOK: Final = ctypes.CFUNCTYPE(c_int, c_void_p, c_int32, c_int, c_void_p, c_char_p)
Hook = Callable[[int, tuple[str, int] | None, bytes], int]


class SrtError(HeadendError):
    """libsrt has failed; in its own words."""


class _Event(ctypes.Structure):
    _fields_ = (("socket", c_int32), ("events", c_int))


class Library:
    """libsrt, loaded and begun; `close` ends it.

    Attributes:
        version: Such as `1.5.1`.
    """

    def __init__(self) -> None:
        """Load it.

        Raises:
            SrtError: It is not installed, or too old; says what to do.
        """
        name = _found()
        self._slow = ctypes.CDLL(name)
        self._fast = ctypes.PyDLL(name)  # its own lock is kept: what it calls returns at once
        number = self._slow.srt_getversion()
        self.version: Final = f"{number >> 16}.{number >> 8 & 255}.{number & 255}"
        if number < LEAST_VERSION:
            raise SrtError(f"libsrt {self.version} is too old: 1.5 or newer is needed")
        self._hooks: dict[int, object] = {}  # of sockets that listen; libsrt holds no reference
        self._declare()
        _keep_threshold()
        self._slow.srt_startup()
        self._slow.srt_setloglevel(0)  # it would write to stderr
        atexit.register(self.close)
        self._is_open = True

    def _declare(self) -> None:
        slow, fast = self._slow, self._fast
        slow.srt_bind.argtypes = slow.srt_connect.argtypes = (c_int32, c_char_p, c_int)
        slow.srt_accept.argtypes = (c_int32, c_void_p, c_void_p)
        slow.srt_listen_callback.argtypes = (c_int32, HOOK, c_void_p)
        slow.srt_setsockflag.argtypes = (c_int32, c_int, c_void_p, c_int)
        slow.srt_getsockflag.argtypes = (c_int32, c_int, c_void_p, c_void_p)
        slow.srt_getpeername.argtypes = slow.srt_getsockname.argtypes = (
            c_int32,
            c_void_p,
            c_void_p,
        )
        slow.srt_epoll_uwait.argtypes = (c_int, POINTER(_Event), c_int, c_int64)
        slow.srt_epoll_add_usock.argtypes = (c_int, c_int32, c_void_p)
        slow.srt_bstats.argtypes = (c_int32, c_void_p, c_int)
        slow.srt_getlasterror_str.restype = c_char_p
        fast.srt_recvmsg.argtypes = (c_int32, c_void_p, c_int)
        fast.srt_sendmsg.argtypes = (c_int32, c_char_p, c_int, c_int, c_int)
        fast.srt_getlasterror.argtypes = (c_void_p,)
        self._receive = fast.srt_recvmsg
        self._send = fast.srt_sendmsg

    def close(self) -> None:
        """End it; blocks until its threads are gone. Only the first call counts."""
        if self._is_open:
            self._is_open = False
            atexit.unregister(self.close)
            self._slow.srt_cleanup()

    # ------------------------------------------------------------------ sockets

    def listen(self, address: tuple[Any, ...], family: int, latency_ms: int, hook: Hook) -> int:
        """Listen; return the socket.

        Args:
            address: As the socket module has it.
            family: AF_INET or AF_INET6; the latter takes IPv4 too if it is for all addresses.
            latency_ms: What a caller gets that wants no more.
            hook: Called on a thread of libsrt with a socket that calls, where it is and its stream
                id; returns 0, or the code that it is refused with. It must not wait.

        Raises:
            SrtError: The address cannot be used.
        """
        sock = self._new(latency_ms)
        try:
            if family == socket.AF_INET6:
                self._set(sock, _IPV6_ONLY, int(address[0] != "::"))
            where = packed(address, family)
            called = HOOK(
                lambda _, caller, version, peer, text: self._called(hook, caller, peer, text)
            )
            self._hooks[sock] = called
            self._check(self._slow.srt_bind(sock, where, len(where)))
            self._check(self._slow.srt_listen_callback(sock, called, None))
            self._check(self._slow.srt_listen(sock, 128))
        except BaseException:
            self.close_socket(sock)
            raise
        return sock

    def call(
        self, address: tuple[Any, ...], family: int, options: CallOptions, timeout_ms: int
    ) -> int:
        """Begin to connect; return the socket, which epoll tells of: OUT when it stands, else ERR.

        Args:
            address: As the socket module has it.
            family: AF_INET or AF_INET6.
            options: What the other end is told.
            timeout_ms: For its answer.

        Raises:
            SrtError: The address cannot be called.
        """
        sock = self._new(options.latency_ms)
        try:
            self._set(sock, _CONNECT_MS, timeout_ms)
            for option, text in (
                (_STREAM_ID, options.stream_id),
                (_PASSPHRASE, options.passphrase),
            ):
                if data := text.encode():
                    self._check(self._slow.srt_setsockflag(sock, option, data, len(data)))
            if options.key_bytes:
                self._set(sock, _KEY_BYTES, options.key_bytes)
            where = packed(address, family)
            self._check(self._slow.srt_connect(sock, where, len(where)))
        except BaseException:
            self._slow.srt_close(sock)
            raise
        return sock

    def _new(self, latency_ms: int) -> int:
        sock = self._slow.srt_create_socket()
        self._set(sock, _RECEIVES_BLOCKING, 0)
        self._set(sock, _SENDS_BLOCKING, 0)
        self._set(sock, _LATENCY, latency_ms)
        self._set(sock, _WINDOW, WINDOW)
        self._set(sock, _ENFORCED, 1)
        return int(sock)

    def is_broken(self, sock: int) -> bool:
        """Say whether a connection is over, or could not be made."""
        return int(self._slow.srt_getsockstate(sock)) >= _BROKEN

    def reject_reason(self, sock: int) -> int:
        """Return why a call failed: a code of libsrt, or from 1000 on one of the other end."""
        return int(self._slow.srt_getrejectreason(sock))

    def _called(self, hook: Hook, caller: int, peer: int, text: bytes | None) -> int:
        code = hook(caller, unpacked(ctypes.string_at(peer, 28)), text or b"")
        if code:
            self._slow.srt_setrejectreason(caller, code)
            return -1
        return 0

    def encrypt(self, sock: int, passphrase: str) -> None:
        """Want a passphrase of a caller; called from its hook."""
        data = passphrase.encode()
        self._check(self._slow.srt_setsockflag(sock, _PASSPHRASE, data, len(data)))

    def accept(self, listener: int) -> int:
        """Return a socket that has connected; -1: there is none."""
        return int(self._slow.srt_accept(listener, None, None))

    def stream_id(self, sock: int) -> bytes:
        """Return the stream id of a caller."""
        room, size = ctypes.create_string_buffer(STREAM_ID_BYTES + 1), c_int(STREAM_ID_BYTES + 1)
        self._slow.srt_getsockflag(sock, _STREAM_ID, room, byref(size))
        return room.raw[: size.value].rstrip(b"\0")

    def peer_version(self, sock: int) -> str:
        """Return the version of the caller's library, such as `1.5.1`."""
        number = self._number(sock, _PEER_VERSION)
        return f"{number >> 16}.{number >> 8 & 255}.{number & 255}"

    def latency_ms(self, sock: int) -> int:
        """Return the latency that both ends have agreed on."""
        return max(self._number(sock, _LATENCY), self._number(sock, _PEER_LATENCY))

    def peer(self, sock: int) -> tuple[str, int] | None:
        """Return where a caller is; None: it is gone."""
        return self._name(self._slow.srt_getpeername, sock)

    def name(self, sock: int) -> tuple[str, int]:
        """Return where a socket listens."""
        found = self._name(self._slow.srt_getsockname, sock)
        assert found is not None
        return found

    def figures(self, sock: int) -> Figures | None:
        """Tell of a connection; None: it is gone."""
        raw = RawFigures()
        return None if self._slow.srt_bstats(sock, byref(raw), 0) else raw.figures()

    def close_socket(self, sock: int) -> None:
        """Close one."""
        self._slow.srt_close(sock)
        self._hooks.pop(sock, None)

    # ------------------------------------------------------------------ media

    def receive(self, sock: int, room: int) -> int:
        """Take a message into memory of PACKET bytes; return its size, -1: there is none now."""
        return int(self._receive(sock, room, PACKET))

    def send(self, sock: int, data: bytes) -> bool:
        """Send at most PAYLOAD bytes; say whether there was room for them.

        Raises:
            OSError: The connection is gone.
        """
        if self._send(sock, data, len(data), -1, 1) >= 0:
            return True
        if self._fast.srt_getlasterror(None) in NOT_NOW:
            return False
        raise OSError("the SRT connection is gone")

    def send_all(self, sock: int, data: bytes) -> int:
        """Send bytes in messages; return how many there was room for.

        Raises:
            OSError: The connection is gone.
        """
        for at in range(0, len(data), PAYLOAD):
            if not self.send(sock, data[at : at + PAYLOAD]):
                return at
        return len(data)

    # ------------------------------------------------------------------ epoll

    def epoll(self) -> int:
        """Make an epoll, which may be empty."""
        number = self._slow.srt_epoll_create()
        self._slow.srt_epoll_set(number, 1)  # SRT_EPOLL_ENABLE_EMPTY
        return int(number)

    def release(self, epoll: int) -> None:
        """Free an epoll."""
        self._slow.srt_epoll_release(epoll)

    def watch(self, epoll: int, sock: int, events: int) -> None:
        """Have a socket's events told."""
        self._slow.srt_epoll_add_usock(epoll, sock, byref(c_int(events)))

    def forget(self, epoll: int, sock: int) -> None:
        """Have nothing told of a socket."""
        self._slow.srt_epoll_remove_usock(epoll, sock)

    def wait(self, epoll: int, timeout_ms: int) -> list[tuple[int, int]]:
        """Wait for events; return sockets and what happened there."""
        events = (_Event * 256)()
        count = self._slow.srt_epoll_uwait(epoll, events, len(events), timeout_ms)
        return [(each.socket, each.events) for each in events[: max(count, 0)]]

    # ------------------------------------------------------------------ inside

    def _set(self, sock: int, option: int, value: int) -> None:
        self._check(self._slow.srt_setsockflag(sock, option, byref(c_int(value)), 4))

    def _number(self, sock: int, option: int) -> int:
        value, size = c_int(), c_int(4)
        self._slow.srt_getsockflag(sock, option, byref(value), byref(size))
        return value.value

    def _name(self, call: Callable[..., int], sock: int) -> tuple[str, int] | None:
        room, size = ctypes.create_string_buffer(128), c_int(128)
        if call(sock, room, byref(size)):
            return None
        return unpacked(room.raw[: size.value])

    def _check(self, result: int) -> None:
        if result < 0:
            text = self._slow.srt_getlasterror_str()
            raise SrtError((text or b"").decode(errors="replace"))


def _found() -> str:
    """Return the name of a libsrt that can be loaded."""
    for name in NAMES:
        with suppress(OSError):
            ctypes.CDLL(name)
            return name
    raise SrtError(MISSING)


def _keep_threshold() -> None:
    """Have glibc leave its threshold where it begins; other systems have none."""
    with suppress(OSError, AttributeError):
        ctypes.CDLL("libc.so.6").mallopt(_M_MMAP_THRESHOLD, MMAP_BYTES)
