"""One of our transports in the form that an asyncio protocol, such as aiohttp's, expects.

The TLS port serves RTMPS and HTTPS alike: a connection that turns out to be HTTP is handed to the
HTTP application in this form.
"""

import asyncio
from asyncio import AbstractEventLoop
from collections.abc import Iterable
from typing import Final

from headend.net.file_piece import FilePiece
from headend.net.transport import LINGER_S, Transport

HIGH_WATER: Final = 64 * 1024  # bytes of backlog at which the protocol is told to pause


class AsyncioTransport(asyncio.Transport):
    """A transport of ours as asyncio knows them; also the owner of it."""

    def __init__(
        self,
        loop: AbstractEventLoop,
        transport: Transport,
        protocol: asyncio.Protocol,
        extra: dict[str, object],
    ) -> None:
        """Take a transport over for a protocol, and tell the protocol.

        Args:
            loop: The running loop.
            transport: Handed over; no bytes of it have been read by anybody else but those that the
                caller gives to `data_received`.
            protocol: Gets what is read.
            extra: What `get_extra_info` knows, such as `peername` and `ssl_object`.
        """
        super().__init__(extra)
        self._loop = loop
        self._transport = transport
        self._protocol: asyncio.BaseProtocol = protocol
        self._is_writing_paused = False
        self._is_closing = False
        self._is_released = False
        self._high_water = HIGH_WATER
        self._lingering: asyncio.TimerHandle | None = None
        transport.hand_over(self)
        protocol.connection_made(self)

    @property
    def transport(self) -> Transport:
        """The transport below."""
        return self._transport

    # ------------------------------------------------------------------ for our transport

    def data_received(self, data: bytes) -> None:
        if isinstance(self._protocol, asyncio.Protocol):
            self._protocol.data_received(data)

    def write_stalled(self) -> None:
        self._pause_if_full()

    def _pause_if_full(self) -> None:
        if not self._is_writing_paused and self._transport.backlog > self._high_water:
            self._is_writing_paused = True
            self._protocol.pause_writing()

    def write_drained(self) -> None:
        if self._is_writing_paused:
            self._is_writing_paused = False
            self._protocol.resume_writing()

    def connection_lost(self, error: OSError | None) -> None:
        self._is_closing = True
        if self._lingering is not None:
            self._lingering.cancel()
            self._lingering = None  # it holds us
        # As asyncio does: never from inside a call of the protocol's own.
        self._loop.call_soon(self._protocol.connection_lost, error)

    def _let_go(self) -> None:
        """Give the transport up, to somebody who hands it over to itself at once.

        The protocol is told that the connection is lost; what it still writes goes nowhere.
        """
        self._is_released = self._is_closing = True
        self._loop.call_soon(self._protocol.connection_lost, None)

    # ------------------------------------------------------------------ for the protocol

    def write(self, data: bytes | bytearray | memoryview) -> None:
        if self._is_released:
            return
        # A copy of what the caller may change; bytes stay what they are.
        self._transport.write(bytes(data))
        self._pause_if_full()

    def write_file(self, piece: FilePiece) -> None:
        """Send a piece of a file behind what was written; it is not read into our memory."""
        if self._is_released:
            piece.close()
            return
        self._transport.write_file(piece)
        self._pause_if_full()

    def writelines(self, list_of_data: Iterable[bytes | bytearray | memoryview]) -> None:
        self.write(b"".join(list_of_data))

    def close(self) -> None:
        """Close once everything is sent; a peer that takes nothing for LINGER_S loses the rest."""
        if not self._is_closing:
            self._is_closing = True
            self._transport.close()
            self._linger(self._transport.drained_bytes)

    def _linger(self, drained: int) -> None:
        """Look again after LINGER_S: a slow peer that has taken some more may go on."""

        def look() -> None:
            transport = self._transport
            if transport.drained_bytes != drained:
                self._linger(transport.drained_bytes)
            else:
                transport.abort()

        self._lingering = self._loop.call_later(LINGER_S, look)

    def abort(self) -> None:
        if not self._is_released:
            self._is_closing = True
            self._transport.abort()

    def is_closing(self) -> bool:
        return self._is_closing

    def is_reading(self) -> bool:
        return not self._transport.is_paused

    def pause_reading(self) -> None:
        self._transport.pause_reading()

    def resume_reading(self) -> None:
        self._transport.resume_reading()

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        self._protocol = protocol

    def get_protocol(self) -> asyncio.BaseProtocol:
        return self._protocol

    def can_write_eof(self) -> bool:
        return False

    def get_write_buffer_size(self) -> int:
        return self._transport.backlog

    def get_write_buffer_limits(self) -> tuple[int, int]:
        return 0, self._high_water

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """Set the limit of the backlog; the protocol goes on once it is empty."""
        self._high_water = HIGH_WATER if high is None else high
