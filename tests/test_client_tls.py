"""Tests of headend.client over TLS: whom it trusts, and what it says when it does not."""

import asyncio
import hashlib
import re
import socket
import ssl
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import trustme
from tests.client.servers import STARTED, TAGS, Handler, saying, write_on
from tests.tls_live import tls_server
from tests.tls_peers import write_pair

from headend.client import Timeouts, TlsOptions, play, publish, sockets
from headend.errors import HeadendError, RelayError, SettingsError
from headend.settings import CertificatePair


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def ca(authority: trustme.CA, tmp_path: Path) -> Path:
    """A file with the authority that signs the servers' certificates."""
    path = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(path)
    return path


@pytest.fixture
def pair(authority: trustme.CA, tmp_path: Path) -> CertificatePair:
    """A certificate for localhost."""
    return write_pair(tmp_path, authority, "localhost")


def fingerprint(pair: CertificatePair) -> str:
    pem = pair.cert.read_text().partition("-----END")[0] + "-----END CERTIFICATE-----\n"
    return hashlib.sha256(ssl.PEM_cert_to_DER_cert(pem)).hexdigest()


@asynccontextmanager
async def our_server(pair: CertificatePair, *settings: str) -> AsyncIterator[str]:
    """Run a server beside the certificate; give the start of its URLs."""
    async with tls_server(pair.cert.parent / "data", pair, *settings) as live:
        yield f"rtmps://localhost:{live.server.addresses['tls'][0].rpartition(':')[2]}/live"


@asynccontextmanager
async def other_server(handler: Handler, context: ssl.SSLContext | None) -> AsyncIterator[str]:
    """Run a server that does what the test says with each connection; give an rtmps URL."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await handler(reader, writer)
        finally:
            writer.transport.abort()

    server = await asyncio.start_server(handle, "127.0.0.1", 0, ssl=context)
    async with server:
        yield f"rtmps://localhost:{server.sockets[0].getsockname()[1]}/live/cam1"


def context_of(pair: CertificatePair) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pair.cert, pair.key)
    return context


async def fails(
    url: str, tls: TlsOptions | None = None, timeouts: Timeouts | None = None
) -> HeadendError:
    with pytest.raises(HeadendError) as caught:
        async with play(url, tls=tls, timeouts=timeouts):
            pass
    assert isinstance(caught.value, RelayError)
    assert "\n" not in str(caught.value)
    return caught.value


def place(url: str) -> str:
    return url.split("/")[2]


# ---------------------------------------------------------------------- trusted


async def test_what_is_published_over_tls_is_played(ca: Path, pair: CertificatePair) -> None:
    tls = TlsOptions(ca)

    async with our_server(pair) as base, play(f"{base}/cam1", tls=tls) as stream:
        async with publish(f"{base}/cam1", tls=tls) as out:
            for tag in TAGS:
                await out.write(tag)
            received = [await anext(stream) for _ in TAGS]
        assert [(tag.kind, tag.body) for tag in received] == [(t.kind, t.body) for t in TAGS]
        assert [tag async for tag in stream] == []


async def test_authorities_of_the_system_are_trusted(
    ca: Path, pair: CertificatePair, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(ca))

    async with our_server(pair) as base, publish(f"{base}/cam1") as out:
        await out.write(TAGS[-1])


@pytest.mark.parametrize("in_one_file", [False, True])
async def test_own_certificate_is_shown_to_a_server_that_wants_one(
    in_one_file: bool, ca: Path, pair: CertificatePair, authority: trustme.CA, tmp_path: Path
) -> None:
    own = write_pair(tmp_path, authority, "me.example", stem="me")
    key: Path | None = own.key
    if in_one_file:
        own.cert.write_bytes(own.cert.read_bytes() + own.key.read_bytes())
        key = None
    wanted = (f"tls.client_ca={ca}", "tls.client_auth=required")

    async with our_server(pair, *wanted) as base:
        async with publish(f"{base}/cam1", tls=TlsOptions(ca, cert=own.cert, key=key)) as out:
            await out.write(TAGS[-1])
        error = await fails(f"{base}/cam1", TlsOptions(ca))
        assert "it wants a client certificate" in str(error)


def test_own_certificate_that_cannot_be_used_is_named(
    pair: CertificatePair, authority: trustme.CA, ca: Path, tmp_path: Path
) -> None:
    other = write_pair(tmp_path, authority, "other.example", stem="other")
    missing = tmp_path / "missing.pem"
    faults = {
        (missing, None): f"cert {missing}: No such file or directory",
        (pair.cert, other.key): "the key belongs to another certificate",
        (ca, None): f"cert {ca}: no PEM certificate with its key, unencrypted",
    }
    for (cert, key), fault in faults.items():
        with pytest.raises(SettingsError, match=re.escape(fault)):
            TlsOptions(ca, cert=cert, key=key).context()
    with pytest.raises(SettingsError, match="a key needs the certificate it belongs to"):
        TlsOptions(ca, key=pair.key)


async def test_certificate_with_the_fingerprint_is_trusted_whoever_signed_it(
    authority: trustme.CA, tmp_path: Path
) -> None:
    pair = write_pair(
        tmp_path,
        authority,
        "other.example",
        not_before=datetime(2020, 1, 1, tzinfo=UTC),
        not_after=datetime(2021, 1, 1, tzinfo=UTC),
    )

    async with other_server(saying(STARTED), context_of(pair)) as url:
        error = await fails(url, TlsOptions(fingerprint="ab" * 32))
        seen = bytes.fromhex(fingerprint(pair)).hex(":").upper()
        assert str(error) == (
            f"cannot connect to {place(url)}: its certificate has another fingerprint: {seen}"
        )
        for text in (seen, fingerprint(pair)):
            async with play(url, tls=TlsOptions(fingerprint=text)):
                pass


async def test_nothing_is_said_to_a_server_with_another_fingerprint(pair: CertificatePair) -> None:
    heard = asyncio.Queue[bytes]()

    async def listen(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            heard.put_nowait(await reader.read(100))
        except OSError:
            heard.put_nowait(b"")

    async with other_server(listen, context_of(pair)) as url:
        await fails(url, TlsOptions(fingerprint="00" * 32))
        assert await heard.get() == b""


async def test_insecure_trusts_anybody_and_warns_once(
    pair: CertificatePair, caplog: pytest.LogCaptureFixture
) -> None:
    tls = TlsOptions(insecure=True)

    async with our_server(pair) as base:
        url = base.replace("localhost", "127.0.0.1") + "/cam1"
        for _ in range(2):
            async with publish(url, tls=tls) as out:
                await out.write(TAGS[-1])
        (line,) = [r for r in caplog.records if "not checked (insecure)" in r.getMessage()]
        assert line.levelname == "WARNING"
        assert place(url) in line.getMessage()


async def test_server_is_told_its_name(ca: Path, pair: CertificatePair) -> None:
    names: list[str | None] = []
    context = context_of(pair)
    context.sni_callback = lambda _, name, __: names.append(name)

    async with other_server(saying(STARTED), context) as url:
        for tls in (TlsOptions(ca), TlsOptions(insecure=True)):
            async with play(url, tls=tls):
                pass
    assert names == ["localhost", "localhost"]


# ---------------------------------------------------------------------- not trusted


async def test_authority_that_the_system_does_not_know_is_not_trusted(
    pair: CertificatePair,
) -> None:
    async with our_server(pair) as base:
        error = await fails(f"{base}/cam1")
        assert str(error).startswith(
            f"cannot connect to {place(base)}: its certificate is not trusted: "
        )


async def test_certificate_for_another_name_is_not_taken(ca: Path, pair: CertificatePair) -> None:
    async with our_server(pair) as base:
        url = base.replace("localhost", "127.0.0.1")
        error = await fails(f"{url}/cam1", TlsOptions(ca))
        assert str(error) == (
            f"cannot connect to {place(url)}: its certificate is not for 127.0.0.1"
        )


@pytest.mark.parametrize(
    ("first", "last", "fault"),
    [(2020, 2021, "its certificate has expired"), (2900, 2901, "its certificate is not valid yet")],
)
async def test_certificate_out_of_date_is_not_taken(
    first: int, last: int, fault: str, ca: Path, authority: trustme.CA, tmp_path: Path
) -> None:
    pair = write_pair(
        tmp_path,
        authority,
        "localhost",
        not_before=datetime(first, 1, 1, tzinfo=UTC),
        not_after=datetime(last, 1, 1, tzinfo=UTC),
    )

    async with other_server(saying(b""), context_of(pair)) as url:
        error = await fails(url, TlsOptions(ca))
        assert str(error) == f"cannot connect to {place(url)}: {fault}"


async def test_file_of_authorities_is_read_before_anything_is_sent(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"ca .*gone\.pem: No such file or directory"):
        async with play("rtmps://localhost:1/a/b", tls=TlsOptions(tmp_path / "gone.pem")):
            pass


# ---------------------------------------------------------------------- no TLS


def test_nobody_listens_there() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
        error = asyncio.run(fails(f"rtmps://127.0.0.1:{port}/live/cam1"))
    assert str(error) == f"cannot connect to 127.0.0.1:{port}: Connection refused"


def test_default_port_is_443(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[object] = []

    async def note(infos: list[tuple[Any, ...]], **_: object) -> None:
        asked.extend(info[4] for info in infos)
        raise OSError

    monkeypatch.setattr(sockets, "start_connection", note)
    assert str(asyncio.run(fails("rtmps://[::1]/live/cam1"))) == "cannot connect to [::1]:443"
    assert asked == [("::1", 443)]


async def test_port_that_speaks_something_else() -> None:
    async with other_server(saying(b"HTTP/1.1 400 Bad Request\r\n\r\n"), None) as url:
        error = await fails(url)
        assert str(error) == (
            f"cannot connect to {place(url)}: no TLS on this port; is it rtmp:// there?"
        )


async def test_port_that_closes_when_it_hears_tls() -> None:
    async def close(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(10)

    async with other_server(close, None) as url:
        assert str(await fails(url)).endswith(
            "it was closed in the TLS handshake; is it rtmp:// there?"
        )


async def test_port_that_says_nothing() -> None:
    async with other_server(saying(b""), None) as url:
        error = await fails(url, timeouts=Timeouts(tls_s=0.05))
        assert str(error).endswith("no answer to our TLS handshake; is it rtmp:// there?")


def test_host_that_does_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    async def hang(*_: object, **__: object) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(sockets, "start_connection", hang)
    limits = Timeouts(connect_s=0.01, tls_s=0.02)
    error = asyncio.run(fails("rtmps://[::1]/live/cam1", timeouts=limits))
    assert str(error) == "[::1]:443 does not answer within 0.03 s"


# ---------------------------------------------------------------------- the end


async def test_server_that_wants_a_client_certificate_is_named_as_such(
    ca: Path, pair: CertificatePair
) -> None:
    required = (f"tls.client_ca={ca}", "tls.client_auth=required")

    async with our_server(pair, *required) as base:
        error = await fails(f"{base}/cam1", TlsOptions(ca))
        assert str(error) == "the connection was lost: it wants a client certificate"


async def test_publisher_ends_in_good_order_and_at_once(
    ca: Path, pair: CertificatePair, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "headend")

    async with our_server(pair) as base:
        timeouts = Timeouts(close_s=50)
        async with publish(f"{base}/cam1", tls=TlsOptions(ca), timeouts=timeouts) as out:
            await out.write(TAGS[-1])
            ended = time.perf_counter()
        # The server closes when it hears close_notify; waiting for it alone takes `close_s`.
        assert time.perf_counter() - ended < timeouts.close_s / 2
    assert any("publish live/cam1 ended" in record.getMessage() for record in caplog.records)


async def test_connection_that_is_cut_without_close_notify_ends_a_player(
    ca: Path, pair: CertificatePair
) -> None:
    async def cut(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(STARTED)
        await writer.drain()
        await reader.readuntil(b"play")
        writer.get_extra_info("socket").shutdown(socket.SHUT_WR)
        await reader.read()

    async with (
        other_server(cut, context_of(pair)) as url,
        play(url, tls=TlsOptions(ca)) as stream,
    ):
        assert [tag async for tag in stream] == []


async def test_publisher_whose_server_is_gone_fails_when_it_writes(
    ca: Path, pair: CertificatePair
) -> None:
    async def reset(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(STARTED)
        await reader.readuntil(bytes(10))

    async with (
        other_server(reset, context_of(pair)) as url,
        publish(url, tls=TlsOptions(ca)) as out,
    ):
        with pytest.raises(RelayError):
            await write_on(out)
