"""The opening bytes of an RTMP connection, for a server and for a client.

    client                      server
    C0 (1)  C1 (1536)  ───────►
                       ◄─────── S0 (1)  S1 (1536)  S2 (1536)     at once, C2 is not waited for
    C2 (1536)          ───────►
    chunks …           ◄──────► chunks …

A server that waits for C2 before it sends S2 deadlocks with FFmpeg and GStreamer. What C2 and S2
hold is never compared: GStreamer rewrites the second time field, digest peers the last 32 bytes.

Source: RTMP 1.0, 5.2; the digest form is not in it and is described in docs/protocol.md.
"""

import hmac
from dataclasses import dataclass
from typing import Final

from headend.errors import ProtocolError, UsageError, WrongProtocol

VERSION: Final = 3
BODY_SIZE: Final = 1536  # bytes of C1, C2, S1 and S2 each
HEAD_SIZE: Final = 8  # bytes of time and version before the filler of C1 and S1
DIGEST_SIZE: Final = 32  # bytes of HMAC-SHA256
SIGNED_SIZE: Final = BODY_SIZE - DIGEST_SIZE  # bytes of S2 that its signature covers

CLIENT_FILLER_SIZE: Final = BODY_SIZE - HEAD_SIZE  # 1528, for C1
SERVER_FILLER_SIZE: Final = CLIENT_FILLER_SIZE + SIGNED_SIZE  # 3032, for S1 and a signed S2

# Version bytes of an S1 with a digest: FFmpeg's player looks for one when the first is 3 or more.
SIGNED_VERSION: Final = b"\x04\x05\x00\x01"

# Public constants of the digest form: every peer has them, so they prove nothing about anybody.
PLAYER_KEY: Final = b"Genuine Adobe Flash Player 001"
SERVER_KEY: Final = b"Genuine Adobe Flash Media Server 001"
SERVER_KEY_LONG: Final = SERVER_KEY + bytes.fromhex(
    "f0eec24a8068bee82e00d0d1029e7e576eec5d2d29806fab93b8e636cfeb31ae"
)

RTMPE_VERSIONS: Final = frozenset({6, 8, 9})
TLS_ALERT: Final = 0x15
TLS_HANDSHAKE: Final = 0x16
PROXY_V2: Final = 0x0D  # first byte of the signature of PROXY protocol 2
HTTP_METHODS: Final = frozenset(b"GPOHDCT")  # GET, POST, OPTIONS, HEAD, DELETE, CONNECT, TRACE


@dataclass(frozen=True, slots=True)
class _Scheme:
    """Where a digest lies in C1 and S1: four bytes at `pointer` add up to its place behind them."""

    pointer: int

    def place(self, body: bytes) -> int:
        return self.pointer + 4 + sum(body[self.pointer : self.pointer + 4]) % 728

    def digest(self, body: bytes, key: bytes) -> bytes:
        """Digest that belongs into `body`: over everything but its own 32 bytes."""
        place = self.place(body)
        return _hmac(key, body[:place] + body[place + DIGEST_SIZE :])

    def read(self, body: bytes) -> bytes:
        place = self.place(body)
        return body[place : place + DIGEST_SIZE]

    def sign(self, body: bytes, key: bytes) -> bytes:
        place = self.place(body)
        return body[:place] + self.digest(body, key) + body[place + DIGEST_SIZE :]


SCHEMES: Final = (_Scheme(8), _Scheme(772))  # A, which FFmpeg sends, and B


class ServerHandshake:
    """The server's side of a handshake; give what follows it (`rest`) to the chunk reader.

    Holds at most C0 and C1 (1537 bytes) between calls.

    Attributes:
        is_done: C2 has arrived.
        rest: Bytes that came behind C2; complete once `is_done`.
    """

    def __init__(self, filler: bytes) -> None:
        """Prepare to answer one client.

        Args:
            filler: SERVER_FILLER_SIZE (3032) random bytes: 1528 for S1, 1504 for a signed S2.
        """
        _check_filler(filler, SERVER_FILLER_SIZE)
        self.is_done = False
        self.rest = b""
        self._filler = filler
        self._buffer = bytearray()
        self._is_answered = False

    def receive_data(self, data: bytes) -> bytes:
        """Take bytes from the client, in pieces of any size.

        Returns:
            What to send: S0 S1 S2 (3073 bytes) as soon as C1 is complete, otherwise nothing.

        Raises:
            ProtocolError: The first byte is not version 3; says what the client seems to speak.
            UsageError: The handshake is done already.
        """
        _check_not_done(self.is_done)
        self._buffer += data
        reply = b""
        if not self._is_answered:
            if self._buffer:
                _check_client_version(self._buffer[0])
            if len(self._buffer) <= BODY_SIZE:
                return b""
            reply = _answer(bytes(self._buffer[1 : 1 + BODY_SIZE]), self._filler)
            del self._buffer[: 1 + BODY_SIZE]
            self._is_answered = True
        if len(self._buffer) >= BODY_SIZE:
            self.rest = bytes(self._buffer[BODY_SIZE:])
            self.is_done = True
            self._buffer.clear()
        return reply


class ClientHandshake:
    """The client's side of a handshake, in its simple form, which every server accepts.

    Send `data_to_send()` at the start and after each `receive_data`. C2 leaves after S1, so that a
    server that waits for it before S2 is served too.

    Attributes:
        is_done: S2 has arrived.
        rest: Bytes that came behind S2; complete once `is_done`.
    """

    def __init__(self, filler: bytes) -> None:
        """Prepare C0 and C1.

        Args:
            filler: CLIENT_FILLER_SIZE (1528) random bytes for C1.
        """
        _check_filler(filler, CLIENT_FILLER_SIZE)
        self.is_done = False
        self.rest = b""
        self._buffer = bytearray()
        self._is_greeted = False
        self._output = bytes([VERSION]) + bytes(HEAD_SIZE) + filler

    def data_to_send(self) -> bytes:
        """Return what is to be sent now, each byte once: C0 C1 first, C2 when S1 has arrived."""
        output, self._output = self._output, b""
        return output

    def receive_data(self, data: bytes) -> None:
        """Take bytes from the server, in pieces of any size.

        Raises:
            ProtocolError: The first byte is not version 3; says what the server seems to speak.
            UsageError: The handshake is done already.
        """
        _check_not_done(self.is_done)
        self._buffer += data
        if not self._is_greeted:
            if self._buffer:
                _check_server_version(self._buffer[0])
            if len(self._buffer) <= BODY_SIZE:
                return
            self._output += self._buffer[1 : 1 + BODY_SIZE]  # C2 repeats S1
            del self._buffer[: 1 + BODY_SIZE]
            self._is_greeted = True
        if len(self._buffer) >= BODY_SIZE:
            self.rest = bytes(self._buffer[BODY_SIZE:])
            self.is_done = True
            self._buffer.clear()


def _answer(c1: bytes, filler: bytes) -> bytes:
    """S0 S1 S2 for a C1: signed when the client signed, otherwise simple."""
    s0 = bytes([VERSION])
    filler_1, filler_2 = filler[:CLIENT_FILLER_SIZE], filler[CLIENT_FILLER_SIZE:]
    for scheme in SCHEMES:
        client_digest = scheme.read(c1)
        if client_digest == scheme.digest(c1, PLAYER_KEY):
            s1 = scheme.sign(bytes(4) + SIGNED_VERSION + filler_1, SERVER_KEY)
            return s0 + s1 + filler_2 + _hmac(_hmac(SERVER_KEY_LONG, client_digest), filler_2)
    # Zeros in S1[4:8]: with 03 or more FFmpeg's player demands a digest and leaves without one.
    # S2 is C1 unchanged: librtmp compares all of it and warns.
    return s0 + bytes(HEAD_SIZE) + filler_1 + c1


def _hmac(key: bytes, data: bytes) -> bytes:
    return hmac.digest(key, data, "sha256")


def _check_client_version(first: int) -> None:
    if first == VERSION:
        return
    if first in RTMPE_VERSIONS:
        raise ProtocolError(f"RTMPE (version {first}) is not supported, use rtmps")
    if first == TLS_HANDSHAKE:
        raise WrongProtocol("TLS on a plain RTMP port", "TLS")
    if first == PROXY_V2:
        raise ProtocolError("PROXY protocol header on an RTMP port that does not expect one")
    if first in HTTP_METHODS:
        raise WrongProtocol("HTTP (or a PROXY protocol header) on an RTMP port", "HTTP")
    raise ProtocolError(f"not RTMP: the first byte is 0x{first:02x}, version 3 starts with 0x03")


def _check_server_version(first: int) -> None:
    if first == VERSION:
        return
    if first in (TLS_ALERT, TLS_HANDSHAKE):
        raise ProtocolError("the server speaks TLS on this port, use rtmps://")
    if first == ord("H"):
        raise ProtocolError("the server speaks HTTP on this port, not RTMP")
    raise ProtocolError(f"the server does not speak RTMP 3: its first byte is 0x{first:02x}")


def _check_filler(filler: bytes, size: int) -> None:
    if len(filler) != size:
        raise UsageError(f"handshake filler: {len(filler)} bytes given, {size} needed")


def _check_not_done(is_done: bool) -> None:
    if is_done:
        raise UsageError("the handshake is done: data belongs to the chunk reader")
