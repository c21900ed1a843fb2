"""A client session on its socket."""

import asyncio
from typing import Final

from headend.client.sockets import fail
from headend.client.timeouts import Timeouts
from headend.errors import Refusal, Rejected, RelayError
from headend.media.tag import Tag
from headend.net.tls_client import explain
from headend.rtmp.client import ClientSession
from headend.rtmp.client_events import ClientEvent, Refused, Started
from headend.rtmp.url import Url

READ_SIZE: Final = 64 * 1024  # bytes


class ClosedError(RelayError):
    """The server closed the connection in the proper way."""


class ServerRefused(Rejected):
    """The server refuses.

    Attributes:
        redirect: Where to ask instead; empty: nowhere.
    """

    def __init__(self, refused: Refused) -> None:
        code, words = refused.code or "refused", refused.description or "no reason given"
        super().__init__(Refusal.REMOTE, words, code=code)
        self.redirect: Final = refused.redirect


class ClientConnection:
    """A session on its socket.

    Attributes:
        session: The protocol.
        url: Where it leads, after all redirects.
        has_heard: The server has sent something.
    """

    def __init__(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        session: ClientSession,
        timeouts: Timeouts,
        url: Url,
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._timeouts = timeouts
        self._refusal: ServerRefused | None = None
        self._pending: list[ClientEvent] = []  # came behind Started in the same read
        self.session: Final = session
        self.url: Final = url
        self.has_heard = False

    @property
    def is_done(self) -> bool:
        """Nothing can be sent any more."""
        return self.session.is_done

    def send_tag(self, tag: Tag) -> None:
        """Take a tag, which `flush` sends."""
        self.session.send_tag(tag)

    async def start(self) -> None:
        """Go on until publish or play is granted."""
        await self.flush()
        while True:
            events = await self.receive()
            for index, event in enumerate(events):
                if isinstance(event, Started):
                    self._pending = events[index + 1 :]
                    return

    async def receive(self) -> list[ClientEvent]:
        """Read once; return what it told. A refusal is raised, after what came before it."""
        if self._pending:
            events, self._pending = self._pending, []
            return events
        if self._refusal is not None:
            raise self._refusal
        data = await self._read()
        if data:
            self.session.receive_data(data, _now())
            if not self.session.is_done:
                await self.flush()
        events = self.session.events()
        if events and isinstance(refused := events[-1], Refused):
            self._refusal = ServerRefused(refused)
            if len(events) == 1:
                raise self._refusal
        return events

    async def _read(self) -> bytes:
        """Read once; nothing where it was the session's turn to act on time."""
        limit = asyncio.timeout_at(self.session.deadline())
        try:
            async with limit:
                data = await self._reader.read(READ_SIZE)
        except OSError as error:
            if not limit.expired():
                fail("the connection was lost", error, explain(error))
            self.session.handle_timeout(_now())
            await self.flush()
            return b""
        if not data:
            raise ClosedError("the server closed the connection")
        self.has_heard = True
        return data

    async def flush(self) -> None:
        """Send what the session has to send; waits while the socket's buffer is full."""
        if self._writer.is_closing():
            raise RelayError("the connection was lost")
        self._writer.writelines(self.session.data_to_send())
        limit = asyncio.timeout(self._timeouts.send_s)
        try:
            async with limit:
                await self._writer.drain()
        except OSError as error:
            if not limit.expired():
                fail("the connection was lost", error, explain(error))
            raise RelayError(f"the server took nothing for {self._timeouts.send_s:g} s") from None

    async def close(self) -> None:
        """Say goodbye, and give the server time to hear it: bytes left unread would reset it."""
        self.session.finish()
        writer = self._writer
        try:
            if not writer.is_closing():
                writer.writelines(self.session.data_to_send())
                if writer.can_write_eof():  # with TLS `close` is what tells the end, and waits
                    writer.write_eof()
                    async with asyncio.timeout(self._timeouts.close_s):
                        while await self._reader.read(READ_SIZE):
                            pass
            writer.close()
            async with asyncio.timeout(self._timeouts.close_s):
                await writer.wait_closed()
        except OSError:
            pass  # it is closed, if not in the proper way
        finally:
            writer.transport.abort()


def _now() -> float:
    return asyncio.get_running_loop().time()
