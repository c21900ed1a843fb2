"""Raw peers that speak TLS to a server in the loop of a test.

    async with tls_server(tmp_path, pair) as secure, witness(secure):
        peer = await secure.peer(server_name=None)
        ...

Every byte of ciphertext passes through the test, which can cut, delay or break it.
"""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

from tests.harness import Live, Peer, live_server
from tests.tls_peers import client_context

from headend.settings import CertificatePair


class TlsLive(Live):
    """A server that runs, whose peers all come over TLS."""

    @property
    def address(self) -> tuple[str, int]:
        host, _, port = self.server.addresses["tls"][0].rpartition(":")
        return host, int(port)

    @property
    def plain(self) -> Live:
        """The same server, for plain peers."""
        return Live(self.server)

    async def raw(self, **options: Any) -> Peer:
        """Connect a peer that has not begun its handshake."""
        return await super().peer(**options)

    async def peer(
        self,
        *,
        context: ssl.SSLContext | None = None,
        server_name: str | None = "localhost",
        session: ssl.SSLSession | None = None,
        **options: Any,
    ) -> "TlsPeer":
        """Connect a peer and shake hands.

        Args:
            context: Of the client; None for one that trusts anybody.
            server_name: What it asks for.
            session: To resume.
            options: See `Live.peer`.
        """
        raw = await self.raw(**options)
        peer = TlsPeer(raw, context or client_context(), server_name, session)
        await peer.shake_hands()
        return peer

    async def tls_player(self, name: str = "a", **options: Any) -> "TlsPeer":
        """As `player`, with the methods of TLS."""
        player = await self.player(name, **options)
        assert isinstance(player, TlsPeer)
        return player


class TlsPeer(Peer):
    """One end of a TLS connection to the server.

    Attributes:
        tls: Its TLS.
        record_bytes: Most plain bytes of a record.
        was_told: The server has ended its side with close_notify.
    """

    def __init__(
        self,
        raw: Peer,
        context: ssl.SSLContext,
        server_name: str | None = None,
        session: ssl.SSLSession | None = None,
    ) -> None:
        super().__init__(raw.sock)
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self.tls = context.wrap_bio(
            self._incoming, self._outgoing, server_hostname=server_name, session=session
        )
        self.record_bytes = 16_384
        self.was_told = False

    async def shake_hands(self) -> None:
        """Shake hands; raises what OpenSSL does, or ConnectionError if the server closes."""
        while True:
            try:
                self.tls.do_handshake()
            except ssl.SSLWantReadError:
                await self.send_raw(self._outgoing.read())
                await self._receive_raw()
            except ssl.SSLError:
                await self.send_raw(self._outgoing.read())  # our alert
                raise
            else:
                await self.send_raw(self._outgoing.read())
                return

    def encrypt(self, data: bytes) -> bytes:
        """Return the records that carry bytes, for `send_raw`."""
        for start in range(0, len(data), self.record_bytes):
            self.tls.write(data[start : start + self.record_bytes])
        return self._outgoing.read()

    def close_notify(self) -> bytes:
        """Return the record that ends our side."""
        with suppress(ssl.SSLWantReadError):
            self.tls.unwrap()
        return self._outgoing.read()

    async def send(self, data: bytes) -> None:
        await self.send_raw(self.encrypt(data))

    async def send_raw(self, data: bytes) -> None:
        """Send bytes as they are."""
        await super().send(data)

    async def _receive_raw(self) -> None:
        data = await asyncio.get_running_loop().sock_recv(self.sock, 65_536)
        if not data:
            raise ConnectionResetError("the server closed the connection")
        self._incoming.write(data)

    async def receive(self) -> None:
        """Read once; everything that is decrypted then. A broken record is an error."""
        try:
            await self._receive_raw()
        except ConnectionResetError:
            self.is_closed = True
            return
        while True:
            try:
                data = self.tls.read(65_536)
            except ssl.SSLWantReadError:
                return
            if not data:
                self.is_closed = self.was_told = True
                return
            self.take(data)

    def take(self, data: bytes) -> None:
        """Take decrypted bytes."""
        if self._greeting:
            taken = min(self._greeting, len(data))
            self._greeting -= taken
            data = data[taken:]
        for received in self._reader.receive_data(data):
            self._take(received)


@asynccontextmanager
async def tls_server(data: Path, pair: CertificatePair, *settings: str) -> AsyncIterator[TlsLive]:
    """Run a server on free ports of loopback, with RTMP and RTMPS."""
    served = f'tls.certificates=[{{cert = "{pair.cert}", key = "{pair.key}"}}]'
    async with live_server(data, "tls.listen=127.0.0.1:0", served, *settings) as live:
        yield TlsLive(live.server)
