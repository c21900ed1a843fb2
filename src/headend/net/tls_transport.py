"""A TLS socket as a transport: sessions and fan-outs do not know the difference.

OpenSSL works on the socket itself (`SSLSocket`, non-blocking), not on buffers in memory as
asyncio's TLS does: a third less time for each write, and a tenth of the memory. Encryption by the
kernel would fit in the same place, as another kind of socket.

See docs/decisions/0005-tls-on-the-socket.md.
"""

import errno
import os
import socket
import ssl
from collections.abc import Callable
from contextlib import suppress
from time import perf_counter
from typing import Final, Protocol

from headend.net.file_piece import FilePiece
from headend.net.poller import Poller
from headend.net.readiness import READ, WRITE
from headend.net.transport import Owner, Transport

# Time for handshakes in one turn, seconds: a storm of clients holds the streams up for so long, and
# one step more. A step takes 0.3 ms with an ECDSA key, a millisecond with RSA.
TURN_S: Final = 0.005

# Records of one read. An encoder makes some hundred a second, and is read ten times a second at
# least; so many of one byte take a millisecond.
RECORDS_PER_READ: Final = 128

# Largest payload of a record (RFC 8446, 5.1). OpenSSL hands each record to the kernel by itself.
RECORD_BYTES: Final = 16_384

FILE_BYTES: Final = 4 * RECORD_BYTES  # of a file, encrypted and sent at once

_CORK: Final = getattr(socket, "TCP_CORK", None)  # Linux


class TlsOwner(Owner, Protocol):
    """Who talks over a TLS transport."""

    def secured(self) -> None:
        """The handshake is done."""


class Handshakes:
    """Keeps handshakes from stalling the streams: so much time in a turn, so many at once.

    Attributes:
        in_progress: Handshakes begun and not done.
        failures: Handshakes that failed, so far.
    """

    __slots__ = ("_poller", "_spent", "_turn", "failures", "in_progress")

    def __init__(self, poller: Poller) -> None:
        self._poller = poller
        self._turn = -1
        self._spent = 0.0
        self.in_progress = 0
        self.failures = 0

    def may_step(self) -> bool:
        """Say whether this turn has time for one more step; the socket stays ready if not."""
        if self._turn != self._poller.turns:
            self._turn = self._poller.turns
            self._spent = 0.0
        if self._spent < TURN_S:
            return True
        self._poller.hurry()
        return False

    def spend(self, seconds: float) -> None:
        """Count the time of a step. It is no reason for a pause: streams cost no less after it."""
        self._spent += seconds
        self._poller.discount(seconds)


class TlsTransport(Transport):
    """The transport of a TLS socket. It begins with the handshake, then reads for its owner.

    Attributes:
        socket: For what the handshake agreed on: version, cipher, certificates.
    """

    __slots__ = ("_awaited", "_handshakes", "_is_secure", "_tls_owner", "socket")

    _would_block = (ssl.SSLWantReadError, ssl.SSLWantWriteError)

    def __init__(
        self, sock: ssl.SSLSocket, poller: Poller, owner: TlsOwner, handshakes: Handshakes
    ) -> None:
        """Take over a non-blocking socket whose handshake has not begun."""
        super().__init__(sock, poller, owner)
        self.socket = sock
        self.send = _send_of(sock)
        self._tls_owner: TlsOwner | None = owner
        self._handshakes = handshakes
        self._is_secure = False
        self._awaited = READ  # by the handshake
        handshakes.in_progress += 1

    def speak_first(self) -> None:
        """Begin the handshake: this is the client's side."""
        self._await(WRITE)

    def handle_events(self, events: int) -> None:
        if self._is_secure:
            super().handle_events(events)
        elif self._handshakes.may_step():
            started = perf_counter()
            self._shake_hands()
            self._handshakes.spend(perf_counter() - started)

    def read(self) -> int:
        """Read the records that are there, up to `read_size` bytes; return how many bytes.

        OpenSSL gives one record at a time, and encoders make several of each message. What it has
        decrypted beyond a read is read in any case: no event would tell of it.
        """
        total, records = 0, 0
        while True:
            size = super().read()
            total += size
            records += 1
            # Nothing now is nothing more, whatever OpenSSL says: it would be asked for ever.
            if not size or self._is_closed or self._is_paused:
                break
            is_more = total < self.read_size and records < RECORDS_PER_READ
            if not is_more and not self._pending():
                break
        return total

    def resume_reading(self) -> None:
        super().resume_reading()
        # No event tells of what OpenSSL has read already.
        if not self._is_reading and not self._is_closed and self._pending():
            self.read()

    def close(self) -> None:
        if self._is_secure:
            super().close()
        else:
            self.abort()

    def _send_piece(self, piece: FilePiece) -> int:
        return piece.send_by(self.send, FILE_BYTES)

    def _pending(self) -> int:
        try:
            return self.socket.pending()
        except ValueError:  # shut down
            return 0

    def _shake_hands(self) -> None:
        try:
            self.socket.do_handshake()
        except ssl.SSLWantReadError:
            self._await(READ)
        except ssl.SSLWantWriteError:
            self._await(WRITE)
        except OSError as error:  # SSLError is one
            self._handshakes.failures += 1
            self._lose(error)
        else:
            owner = self._tls_owner
            assert owner is not None
            self._end_handshake()
            self._is_secure = True
            if self._awaited != READ:
                self._watch()
            owner.secured()
            if not self._is_closed:
                self.read()

    @property
    def descriptor(self) -> int:
        return -1

    def _await(self, events: int) -> None:
        if events != self._awaited:
            self._awaited = events
            self._poller.modify(self._descriptor, events)

    def _shut_down(self) -> None:
        """Say close_notify, then shut our side down, without waiting for the peer's."""
        with suppress(OSError, ValueError):
            self.socket.unwrap()
        super()._shut_down()

    def _lose(self, error: OSError | None) -> None:
        self._end_handshake()
        if not self._is_closed:
            # What sends holds OpenSSL's 50 KiB, and whoever is in a cycle with us holds them on.
            self.send = _refuse
        super()._lose(error)

    def _end_handshake(self) -> None:
        if self._tls_owner is not None:
            self._tls_owner = None
            self._handshakes.in_progress -= 1


def _refuse(data: bytes) -> int:
    raise OSError(errno.EBADF, os.strerror(errno.EBADF))


def _send_of(sock: ssl.SSLSocket) -> Callable[[bytes], int]:
    """Return what sends on a socket as `SSLSocket.send` does, at less cost.

    Several records leave as one: the kernel is told to hold the first ones until the last one is
    there. 33 kB, which are three records, take 30 µs then instead of 54. What `send` of the `ssl`
    module checks on the way is known here, and costs 2 µs of 14.
    """
    write: Callable[[bytes], int] = getattr(getattr(sock, "_sslobj", None), "write", sock.send)
    if _CORK is None or sock.family not in (socket.AF_INET, socket.AF_INET6):
        return write
    set_option = sock.setsockopt

    def send(data: bytes) -> int:
        if len(data) <= RECORD_BYTES:
            return write(data)
        set_option(socket.IPPROTO_TCP, _CORK, 1)
        try:
            return write(data)
        finally:
            set_option(socket.IPPROTO_TCP, _CORK, 0)

    return send
