"""Tests of the TLS port while an authority may come: who is shown which certificate."""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest
import trustme
from cryptography import x509
from tests.harness import Live, live_server, log_lines, until
from tests.tls_live import tls_server
from tests.tls_peers import client_context, write_pair

from headend.tls.served import ServedCertificates

NAME = "a.example"


@asynccontextmanager
async def challenged(folder: Path, *settings: str) -> AsyncIterator[Live]:
    """Run a server with a self-signed certificate that awaits an authority for NAME."""
    async with live_server(folder, "tls.listen=127.0.0.1:0", *settings) as live:
        tls = live.services.features[ServedCertificates]
        await asyncio.to_thread(tls.challenges.add_tls, NAME, "token.thumbprint")
        yield live


def _port(live: Live) -> int:
    return int(live.server.addresses["tls"][0].rpartition(":")[2])


class Client:
    """A TLS client in memory, so that a test decides how its bytes travel."""

    def __init__(self, *protocols: str, name: str | None = NAME) -> None:
        context = client_context()
        if protocols:
            context.set_alpn_protocols(list(protocols))
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context.wrap_bio(self.incoming, self.outgoing, server_hostname=name)

    def hello(self) -> bytes:
        with pytest.raises(ssl.SSLWantReadError):
            self.tls.do_handshake()
        return self.outgoing.read()

    async def shake_hands(self, port: int, pieces: Iterator[bytes] | None = None) -> None:
        """Shake hands; the first message goes out in pieces, if there are some."""
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            for piece in pieces or [self.hello()]:
                writer.write(piece)
                await writer.drain()
                await asyncio.sleep(0)
            while True:
                try:
                    self.tls.do_handshake()
                    break
                except ssl.SSLWantReadError:
                    self.incoming.write(await reader.read(65536))
            writer.write(self.outgoing.read())
            await writer.drain()
        finally:
            writer.close()

    def is_shown_to_authority(self) -> bool:
        der = self.tls.getpeercert(binary_form=True)
        assert der is not None
        certificate = x509.load_der_x509_certificate(der)
        return any(
            each.oid.dotted_string == "1.3.6.1.5.5.7.1.31" for each in certificate.extensions
        )


async def test_authority_gets_the_certificate_of_the_challenge_and_nobody_else_does(
    tmp_path: Path,
) -> None:
    async with challenged(tmp_path) as live:
        authority = Client("acme-tls/1")
        await authority.shake_hands(_port(live))
        assert authority.tls.selected_alpn_protocol() == "acme-tls/1"
        assert authority.is_shown_to_authority()
        for others in ((), ("http/1.1",), ("acme-tls/1", "http/1.1")):
            client = Client(*others)
            await client.shake_hands(_port(live))
            assert not client.is_shown_to_authority()
        stranger = Client("acme-tls/1", name="b.example")
        await stranger.shake_hands(_port(live))
        assert not stranger.is_shown_to_authority()


@pytest.mark.parametrize("size", [1, 7, 200])
async def test_first_message_may_come_in_pieces(tmp_path: Path, size: int) -> None:
    async with challenged(tmp_path) as live:
        authority = Client("acme-tls/1")
        hello = authority.hello()
        pieces = (hello[at : at + size] for at in range(0, len(hello), size))
        await authority.shake_hands(_port(live), pieces)
        assert authority.is_shown_to_authority()


async def test_half_a_message_costs_no_turns_of_the_loop(tmp_path: Path) -> None:
    async with challenged(tmp_path) as live:
        client = Client("acme-tls/1")
        hello = client.hello()
        reader, writer = await asyncio.open_connection("127.0.0.1", _port(live))
        writer.write(hello[:100])
        await asyncio.sleep(0.05)
        before = live.services.poller.turns
        await asyncio.sleep(0.1)
        assert live.services.poller.turns - before < 5
        writer.write(hello[100:])
        client.incoming.write(await reader.read(65536))
        client.tls.do_handshake()
        assert client.is_shown_to_authority()
        writer.close()


async def test_application_data_of_an_authority_ends_the_connection(tmp_path: Path) -> None:
    async with challenged(tmp_path) as live:
        client = Client("acme-tls/1")
        reader, writer = await asyncio.open_connection("127.0.0.1", _port(live))
        writer.write(client.hello())
        client.incoming.write(await reader.read(65536))
        client.tls.do_handshake()
        client.tls.write(b"GET /healthz HTTP/1.1\r\n\r\n")
        writer.write(client.outgoing.read())
        assert await reader.read() == b""
        writer.close()


async def test_who_speaks_no_tls_is_told_as_ever(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with challenged(tmp_path) as live:
        for words in (b"GET / HTTP/1.1\r\n\r\n", b"\x03" + bytes(1536), b"\x16\x03\x01"):
            reader, writer = await asyncio.open_connection("127.0.0.1", _port(live))
            writer.write(words)
            writer.write_eof()
            with suppress(ConnectionResetError):
                await reader.read()
            writer.close()
        await until(lambda: len(log_lines(caplog, " closed: TLS handshake: ")) == 3)
        assert log_lines(caplog, "plain HTTP on the TLS port")


async def test_silent_client_is_closed_when_its_time_is_over(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with challenged(tmp_path, "limits.handshake_s=0.2") as live:
        reader, writer = await asyncio.open_connection("127.0.0.1", _port(live))
        assert await reader.read() == b""
        writer.close()
        assert log_lines(
            caplog, "closed: no handshake and first bytes within 0.2 s (limits.handshake_s)"
        )
        assert live.services.admission.connections == 0


async def test_reset_is_survived(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async with challenged(tmp_path) as live:
        peer = socket.create_connection(("127.0.0.1", _port(live)))
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        peer.close()
        client = Client("http/1.1")
        await client.shake_hands(_port(live))
        assert not log_lines(caplog, "Connection reset by peer")  # it had said nothing


@pytest.mark.parametrize("is_reset", [False, True])
async def test_client_that_only_looks_whether_the_port_is_open_leaves_no_line(
    is_reset: bool, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    pair = write_pair(tmp_path, trustme.CA(), "localhost")
    async with tls_server(tmp_path, pair) as live:
        peer = await live.raw()
        await until(lambda: live.services.admission.connections == 1)
        peer.reset() if is_reset else peer.close()
        await until(lambda: not live.services.admission.connections)
        assert not log_lines(caplog, peer.name)
        assert live.services.features[ServedCertificates].handshakes.failures == 0
