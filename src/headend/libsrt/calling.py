"""One SRT connection that we make: we call another server, or wait at a port for one that calls.

    SrtUrl ─┬─► look up ─► each address: call ─► it stands, is refused, or nobody answers
            └─► listen ──► the first caller; others are refused while it is there

Source: SRT Access Control (Stream ID) Guidelines, "Rejection codes"; libsrt, srt.h,
SRT_REJECT_REASON.
"""

import asyncio
import socket
from asyncio import AbstractEventLoop
from typing import Any, Final, Protocol

from headend.errors import Refusal, Rejected, RelayError
from headend.libsrt.engine import Engine
from headend.net.figures import Figures
from headend.net.listener import sockaddr
from headend.net.places import LookUp
from headend.srt_url import SrtUrl

LINGER_S: Final = 0.3  # beyond the latency, in which the last messages are delivered
CONFLICT: Final = 1409  # to a caller while another one is there
FORBIDDEN: Final = 1403

_TIMEOUT: Final = 16
# Codes of libsrt's own that say something to people.
_OWN: Final = {
    4: ("ROGUE", "what it answers is no SRT handshake"),
    5: ("BACKLOG", "too many call it at once"),
    8: ("VERSION", "it wants a newer libsrt"),
    10: ("BADSECRET", "the passphrase is wrong"),
    11: ("UNSECURE", "one end has a passphrase, and the other has none"),
}
_WORDS: Final = {
    1400: "it does not understand the stream id",
    1401: "the key or token is not valid",
    1402: "a limit is reached, or it is overloaded",
    1403: "it is not allowed: key, token or address",
    1404: "nobody publishes the stream",
    1405: "it does not take this mode",
    1409: "somebody else publishes the stream",
    1415: "it does not take this kind of media",
    1500: "it failed",
    1501: "it does not know how",
    1502: "the server behind it refuses",
    1503: "it is stopping",
}


class CallOwner(Protocol):
    """The owner of a connection, which is told of it. Its methods must not raise."""

    def received(self, data: bytes) -> None:
        """Take messages in the order in which they came."""

    def lost(self) -> None:
        """Take note that the connection is gone."""


class SrtCall:
    """One connection that we make; `open`, and `close` in any case.

    Attributes:
        untaken: Bytes that came and were lost because we were slow.
        has_sent: Something was handed to libsrt.
        latency_ms: As both ends have agreed; 0 until the connection stands.
    """

    def __init__(self, engine: Engine, loop: AbstractEventLoop, url: SrtUrl, tenant: CallOwner):
        """Prepare.

        Args:
            engine: That of the loop.
            loop: In which the tenant is told.
            url: Where to.
            tenant: Owner of the connection.
        """
        self._engine = engine
        self._loop = loop
        self._url = url
        self._tenant = tenant
        self._sock = -1
        self._listener = -1
        self._is_closed = False
        self._standing: asyncio.Future[bool] = loop.create_future()
        self.untaken = 0
        self.has_sent = False
        self.latency_ms = 0

    async def open(self, look_up: LookUp, *, timeout_s: float) -> None:
        """Wait until the connection stands; the tenant is told what happens from then on.

        Args:
            look_up: Says which addresses may be called.
            timeout_s: For the answer of one address; a listener waits without a limit.

        Raises:
            SrtError: The address cannot be used.
            Rejected: The other end refuses; holds its code.
            RelayError: It has no address that may be called, or does not answer.
        """
        if self._url.is_listener:
            self._listen()
            await self._standing
            return None
        found = await look_up(self._url.host, self._url.port)
        failure: RelayError | None = None
        for _, text in found:
            try:
                return await self._call(text, timeout_s)
            except RelayError as error:
                failure = failure or error
        raise failure or RelayError(f"{self._url.host}: it has no address")

    async def _call(self, text: str, timeout_s: float) -> None:
        engine = self._engine
        family, address = sockaddr(text, self._url.port)
        self._standing = self._loop.create_future()
        options = self._url.options
        self._sock = engine.library.call(address, family, options, round(timeout_s * 1000))
        engine.watch_call(self._sock, self)
        try:
            if await self._standing:
                return
            self._explain(engine.library.reject_reason(self._sock))
        except BaseException:
            engine.close(self._sock)
            self._sock = -1
            raise

    def _explain(self, code: int) -> None:
        """Say why a call has failed.

        Raises:
            Rejected: It was refused.
            RelayError: Nobody answers.
        """
        if code >= 1000:
            words = _WORDS.get(code, "no reason given")
            raise Rejected(Refusal.REMOTE, f"{words} (SRT code {code})", code=str(code))
        if code in _OWN:
            name, words = _OWN[code]
            raise Rejected(Refusal.REMOTE, words, code=name)
        place = self._url.place
        if code == _TIMEOUT:
            raise RelayError(f"{place} does not answer over SRT (UDP)")
        raise RelayError(f"{place}: the SRT connection failed (libsrt's code {code})")

    # ------------------------------------------------------------------ a listener

    def _listen(self) -> None:
        engine, url = self._engine, self._url
        family, address = _own_address(url)
        latency_ms = url.options.latency_ms
        self._listener = engine.library.listen(address, family, latency_ms, self._called)
        engine.listen(self._listener, self._opened)

    def _called(self, caller: int, where: tuple[str, int] | None, stream_id: bytes) -> int:
        """Say on libsrt's thread whether a caller may connect."""
        options = self._url.options
        if self._sock >= 0:
            return CONFLICT
        if options.stream_id and stream_id != options.stream_id.encode():
            return FORBIDDEN
        if options.passphrase:
            self._engine.library.encrypt(caller, options.passphrase)
        self._engine.wake()
        return 0

    def _opened(self, sock: int) -> None:
        if self._sock >= 0 or self._is_closed:  # two were asked about at once
            self._engine.library.close_socket(sock)
            return
        self._sock = sock
        self._engine.watch(sock, self, reads=False)
        self.connected()

    # ------------------------------------------------------------------ what the engine tells

    def connected(self) -> None:
        self.latency_ms = self._engine.library.latency_ms(self._sock)
        if not self._standing.done():
            self._standing.set_result(True)

    def received(self, data: bytes) -> None:
        self._tenant.received(data)

    def lost(self) -> None:
        if not self._standing.done():
            self._standing.set_result(False)
        elif not self._is_closed and self.latency_ms:
            self._tenant.lost()

    # ------------------------------------------------------------------ media

    def read(self, *, is_on: bool = True) -> None:
        """Take what comes, or leave it with libsrt."""
        if not self._is_closed and self._sock >= 0:
            self._engine.watch(self._sock, self, reads=is_on)

    def send(self, data: bytes) -> int:
        """Hand bytes to libsrt, in messages; return how many it had room for.

        Raises:
            OSError: The connection is gone.
        """
        self.has_sent = True
        return self._engine.library.send_all(self._sock, data)

    @property
    def figures(self) -> Figures | None:
        """How the network treats the connection; None: there is none."""
        if self._sock < 0 or self._is_closed or not self.latency_ms:
            return None
        return self._engine.library.figures(self._sock)

    def close(self, *, lingers: bool = False) -> None:
        """Close.

        Args:
            lingers: What was sent is delivered first; the socket is closed later.
        """
        if self._is_closed:
            return
        self._is_closed = True
        if self._listener >= 0:
            self._engine.close(self._listener)
        if self._sock < 0:
            return
        if lingers and self.latency_ms:
            after_s = self.latency_ms / 1000 + LINGER_S
            self._loop.call_later(after_s, self._engine.close, self._sock)
        else:
            self._engine.close(self._sock)


def _own_address(url: SrtUrl) -> tuple[socket.AddressFamily, tuple[Any, ...]]:
    if not url.host:
        return socket.AF_INET6, ("::", url.port, 0, 0)
    return sockaddr(url.host, url.port)
