"""Tests of headend.tls.port and what it hands connections to, in one process.

Transports and handshakes have no tests of their own elsewhere: what matters is what peers see, and
that the streams beside them notice nothing.
"""

import asyncio
import gc
import ssl
import time
from contextlib import suppress
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

import pytest
import trustme
from tests.harness import (
    C0_C1,
    C2,
    FRAME,
    KEYFRAME,
    VIDEO_HEADER,
    Peer,
    command,
    log_lines,
    message,
    run,
    until,
    witness,
)
from tests.tls_live import TlsLive, TlsPeer, tls_server
from tests.tls_peers import client_context, write_pair
from tests.wire import wire

from headend.live.status import streams
from headend.net.notes import BUDGETS
from headend.net.tls_transport import TlsTransport
from headend.settings import CertificatePair
from headend.tls import port as tls_port
from headend.tls.served import ServedCertificates

HELLO_BYTES = 100  # of a client hello: some of it, not all


@pytest.fixture(autouse=True)
def _log(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "headend")


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def pair(authority: trustme.CA, tmp_path: Path) -> CertificatePair:
    return write_pair(tmp_path, authority, "localhost")


def client_hello(server_name: str | None = None) -> bytes:
    outgoing = ssl.MemoryBIO()
    tls = client_context().wrap_bio(ssl.MemoryBIO(), outgoing, server_hostname=server_name)
    with pytest.raises(ssl.SSLWantReadError):
        tls.do_handshake()
    return outgoing.read()


async def is_empty(live: TlsLive) -> None:
    """Wait until the witness alone is connected, and nothing else is remembered."""
    services = live.services
    tls = services.features[ServedCertificates]
    await until(lambda: len(services.sessions.connections) == 2)
    await until(lambda: not tls.handshakes.in_progress)
    await until(lambda: services.admission.connections == 2)


async def has_closed(peer: Peer) -> None:
    """Wait until the server closes, whatever it says before."""
    with suppress(ConnectionResetError):  # it may have left what we sent unread
        while await asyncio.get_running_loop().sock_recv(peer.sock, 65_536):
            pass


def bytes_in(live: TlsLive, path: str) -> int:
    """Bytes of media that a stream has brought."""
    return sum(each.bytes_in for each in streams(live.services) if each.path == path)


# ---------------------------------------------------------------------- no TLS, half of it


# Every peer sends these bytes and then waits. The server closes with the one line.
NO_TLS = {
    "RTMP": (C0_C1 + C2, "no TLS; use rtmps:// or https:// on this port"),
    "HTTP": (b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", "plain HTTP on the TLS port; use https://"),
    "PROXY": (b"PROXY TCP4 1.2.3.4 1.2.3.4 1 2\r\n", "TLS handshake: "),
    "zeros": (bytes(2000), "no TLS; use rtmps:// or https:// on this port"),
    "SSL 2 hello": (wire("802e 01 0002 0015 0000 0010") + bytes(37), "TLS handshake: "),
    "hello of TLS 1.0": (
        wire("16 0301 002d 01 000029 0301") + bytes(32) + wire("00 0002 002f 01 00"),
        "only TLS versions that are too old",
    ),
    "record of another kind": (wire("17 0303 0005 0102030405"), "TLS handshake: "),
    "hello longer than its record may be": (wire("16 0301 ffff 01") + bytes(70_000), "TLS hands"),
    "alert": (wire("15 0301 0002 02 28"), "TLS handshake: "),
    "nothing": (b"", "no handshake and first bytes within 0.3 s (limits.handshake_s)"),
    "one byte": (b"\x16", "no handshake and first bytes within 0.3 s (limits.handshake_s)"),
    "half a hello": (
        client_hello()[:HELLO_BYTES],
        "no handshake and first bytes within 0.3 s (limits.handshake_s)",
    ),
    "hello and nothing": (
        client_hello("localhost"),
        "no handshake and first bytes within 0.3 s (limits.handshake_s)",
    ),
}


@pytest.mark.parametrize("what", NO_TLS)
async def test_peer_that_speaks_no_tls_is_closed_with_one_line(
    what: str, pair: CertificatePair, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    data, reason = NO_TLS[what]

    async with tls_server(tmp_path, pair, "limits.handshake_s=0.3") as live, witness(live):
        peer = await live.raw()
        await peer.send(data)
        await has_closed(peer)
        (line,) = log_lines(caplog, peer.name)
        assert line.startswith(f"WARNING tls {peer.name} closed: ")
        assert reason in line
        peer.close()
        await is_empty(live)


async def test_peer_that_leaves_before_it_says_anything_is_not_worth_a_line(
    pair: CertificatePair, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with tls_server(tmp_path, pair) as live, witness(live):
        leaving = await live.peer()
        leaving.close()
        await is_empty(live)
        assert log_lines(caplog, leaving.name) == []


async def test_tls_on_the_rtmp_port_is_told_the_right_port(
    pair: CertificatePair, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with tls_server(tmp_path, pair) as live, witness(live.plain):
        peer = await live.plain.peer()
        with pytest.raises(ConnectionResetError):
            await TlsPeer(peer, client_context()).shake_hands()
        (line,) = log_lines(caplog, peer.name)
        assert "TLS on a plain RTMP port" in line
        port = live.server.addresses["tls"][0].rpartition(":")[2]
        assert f"TLS on a plain RTMP port: use rtmps://HOST:{port}" in line
        peer.close()


@pytest.mark.slow
async def test_half_open_handshakes_by_the_hundred_are_closed_and_disturb_nobody(
    pair: CertificatePair, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with tls_server(tmp_path, pair, "limits.handshake_s=0.5") as live, witness(live):
        hello = client_hello("localhost")
        peers: list[Peer] = []
        for number in range(300):
            peers.append(await live.raw())
            # Nothing, a part of a hello, all of it: then the server has spoken and waits.
            await peers[-1].send(hello[: (0, HELLO_BYTES, len(hello))[number % 3]])
        started = time.monotonic()
        await is_empty(live)
        assert time.monotonic() - started < 45
        for peer in peers:
            peer.close()
        lines = log_lines(caplog, "limits.handshake_s")
        assert BUDGETS["refusal"][0] <= len(lines) < 100  # of 300


async def test_secure_peer_that_says_nothing_is_closed_too(
    pair: CertificatePair, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with tls_server(tmp_path, pair, "limits.handshake_s=0.3") as live, witness(live):
        peer = await live.peer()
        await peer.expect_close()
        (line,) = log_lines(caplog, peer.name)
        assert "no handshake and first bytes within 0.3 s" in line
        peer.close()
        await is_empty(live)


async def test_handshakes_over_the_limit_are_refused_at_once(
    pair: CertificatePair,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with tls_server(tmp_path, pair) as live, witness(live):
        monkeypatch.setattr(tls_port, "MAX_HANDSHAKES", 2)
        waiting = [await live.raw(), await live.raw()]
        for peer in waiting:
            await peer.send(client_hello())
        tls = live.services.features[ServedCertificates]
        await until(lambda: tls.handshakes.in_progress == 2)
        refused = await live.raw()
        await refused.send(client_hello())
        await has_closed(refused)
        (line,) = log_lines(caplog, refused.name)
        assert line.endswith("refused: 2 handshakes are in progress")
        assert live.services.counters.refused == 1
        for peer in (*waiting, refused):
            peer.close()
        await is_empty(live)
        (await live.peer()).close()


# ---------------------------------------------------------------------- records


FRAMES = [KEYFRAME + b"1", FRAME + b"2", FRAME + b"3"]


def publishing(*bodies: bytes) -> bytes:
    """What a publisher of live/a says from its handshake to the last frame."""
    media = b"".join(message(6, 9, 1, body, 10) for body in bodies)
    said = C0_C1 + C2 + command("connect", 1, {"app": "live"}) + command("createStream", 2, None)
    return said + command("publish", 3, None, "a", "live", on=1) + media


async def test_records_of_one_byte_are_a_stream_like_any_other(
    pair: CertificatePair, tmp_path: Path
) -> None:
    async with tls_server(tmp_path, pair) as live, witness(live):
        player = await live.player()
        publisher = await live.peer()
        publisher.record_bytes = 1
        await publisher.send(publishing(VIDEO_HEADER, *FRAMES))
        assert await player.expect_media(4) == [VIDEO_HEADER, *FRAMES]
        publisher.close()
        player.close()


async def test_many_records_in_one_packet_are_all_read_at_once(
    pair: CertificatePair, tmp_path: Path
) -> None:
    """What OpenSSL has decrypted beyond a read shows in no readiness of the socket."""

    async with tls_server(tmp_path, pair) as live, witness(live):
        player = await live.player()
        publisher = await live.peer()
        big = KEYFRAME + bytes(300_000)
        await publisher.send(publishing(VIDEO_HEADER, big, *FRAMES))
        assert await player.expect_media(5) == [VIDEO_HEADER, big, *FRAMES]
        publisher.close()
        player.close()


async def test_reading_ends_when_nothing_comes_whatever_openssl_announces(
    pair: CertificatePair, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with tls_server(tmp_path, pair) as live:
        publisher = await live.publisher()
        await publisher.send_video(VIDEO_HEADER)
        await until(lambda: bytes_in(live, "live/a") == len(VIDEO_HEADER))
        monkeypatch.setattr(TlsTransport, "_pending", lambda _: 1)
        (connection,) = live.services.sessions.connections
        assert connection.transport.read() == 0
        publisher.close()


@pytest.mark.slow
async def test_publisher_nobody_watches_is_read_as_fast_as_it_sends(
    pair: CertificatePair, tmp_path: Path
) -> None:
    """Encoders make a record or more of each message, and are read ten times a second."""

    async with tls_server(tmp_path, pair) as live, witness(live):
        publisher = await live.publisher()
        await publisher.send_video(VIDEO_HEADER)
        started = time.monotonic()
        for number in range(1000):
            await publisher.send_video(FRAME if number % 50 else KEYFRAME, number)
        size = len(VIDEO_HEADER) + 980 * len(FRAME) + 20 * len(KEYFRAME)
        await until(lambda: bytes_in(live, "live/a") == size)
        assert time.monotonic() - started < 45
        publisher.close()


async def test_record_cut_at_any_place_is_whole_again(
    pair: CertificatePair, tmp_path: Path
) -> None:
    async with tls_server(tmp_path, pair) as live, witness(live):
        player = await live.tls_player()
        publisher = await live.publisher()
        assert isinstance(publisher, TlsPeer)
        await publisher.send_video(VIDEO_HEADER)
        await publisher.send_video(KEYFRAME + b"\x01")
        sent, cut = 2, 1
        while True:
            record = publisher.encrypt(message(6, 9, 1, FRAME + b"\x2a", 10 * sent))
            if cut == len(record):
                break
            turns = live.services.poller.turns
            await publisher.send_raw(record[:cut])
            await until(lambda: live.services.poller.turns > turns)  # noqa: B023
            await publisher.send_raw(record[cut:])
            sent, cut = sent + 1, cut + 1
        await publisher.send_raw(record)
        await player.expect_media(sent + 1)
        assert player.media[2:] == [FRAME + b"\x2a"] * (sent - 1)
        assert sent > 35
        publisher.close()
        player.close()


async def test_hello_that_comes_byte_by_byte_is_answered(
    pair: CertificatePair, tmp_path: Path
) -> None:
    async with tls_server(tmp_path, pair) as live, witness(live):
        peer = TlsPeer(await live.raw(), client_context(), "localhost")
        with pytest.raises(ssl.SSLWantReadError):
            peer.tls.do_handshake()
        hello = peer.encrypt(b"")
        for byte in hello[:HELLO_BYTES]:
            turns = live.services.poller.turns
            await peer.send_raw(bytes([byte]))
            await until(lambda: live.services.poller.turns > turns)  # noqa: B023
        await peer.send_raw(hello[HELLO_BYTES:])
        await peer.shake_hands()
        assert peer.tls.version() == "TLSv1.3"
        peer.close()


async def test_record_that_was_tampered_with_ends_the_connection(
    pair: CertificatePair, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with tls_server(tmp_path, pair) as live, witness(live):
        peer = await live.publisher()
        assert isinstance(peer, TlsPeer)
        record = bytearray(peer.encrypt(message(6, 9, 1, FRAME, 0)))
        record[-1] ^= 1
        await peer.send_raw(bytes(record))
        await until(lambda: log_lines(caplog, f"{peer.name} publish live/a lost"))
        (line,) = log_lines(caplog, f"{peer.name} publish live/a lost")
        assert "DECRYPTION_FAILED_OR_BAD_RECORD_MAC" in line
        peer.close()
        await is_empty(live)


# ---------------------------------------------------------------------- ends


async def test_reset_in_the_middle_of_a_record_loses_the_publisher_only(
    pair: CertificatePair, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with tls_server(tmp_path, pair) as live, witness(live):
        publisher = await live.publisher()
        assert isinstance(publisher, TlsPeer)
        record = publisher.encrypt(message(6, 9, 1, KEYFRAME, 0))
        await publisher.send_raw(record[: len(record) // 2])
        publisher.reset()
        await until(lambda: log_lines(caplog, "publish live/a lost"))
        await is_empty(live)


@pytest.mark.parametrize("is_proper", [True, False])
async def test_publisher_that_leaves_is_lost_with_close_notify_and_without(
    is_proper: bool, pair: CertificatePair, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with tls_server(tmp_path, pair) as live, witness(live):
        publisher = await live.publisher()
        assert isinstance(publisher, TlsPeer)
        await publisher.send_video(KEYFRAME + b"\x01")
        if is_proper:
            await publisher.send_raw(publisher.close_notify())
        publisher.close()
        await until(lambda: log_lines(caplog, "publish live/a lost"))
        (line,) = log_lines(caplog, "publish live/a lost")
        assert line.startswith("INFO")
        await is_empty(live)


async def test_server_ends_its_side_with_close_notify(
    pair: CertificatePair, tmp_path: Path
) -> None:
    async with tls_server(tmp_path, pair) as live, witness(live):
        peer = await live.connected()
        assert isinstance(peer, TlsPeer)
        await peer.send(wire("02 000000 000004 01 00000000 00000000"))  # chunk size 0
        await peer.expect_close()
        assert peer.was_told
        peer.close()
        await is_empty(live)


def tls_objects() -> int:
    """Count what OpenSSL holds for connections, at both ends."""
    return sum(type(each).__name__ == "_SSLSocket" for each in gc.get_objects())


@pytest.mark.parametrize("speaks", [False, True])
def test_connection_that_is_gone_holds_no_memory_of_openssl(
    speaks: bool, pair: CertificatePair, tmp_path: Path
) -> None:
    """Not until the collector comes either: it comes seldom, and each is 50 KiB."""

    async def main() -> None:
        async with tls_server(tmp_path, pair) as live, witness(live):
            gc.collect()
            gc.disable()
            before = tls_objects()
            peer = await (live.connected() if speaks else live.peer())
            assert isinstance(peer, TlsPeer)
            assert tls_objects() == before + 2
            peer.close()
            await is_empty(live)
            assert tls_objects() == before + 1  # the peer's own

    try:
        run(main())
    finally:
        gc.enable()


# ---------------------------------------------------------------------- names, certificates


LONGEST_NAME = ".".join(("a" * 63, "b" * 63, "c" * 63, "d" * 63))


@pytest.mark.parametrize("name", [None, LONGEST_NAME, "localhost", "nobody.example", "127.0.0.1"])
async def test_any_name_and_none_is_served(
    name: str | None, pair: CertificatePair, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with tls_server(tmp_path, pair) as live, witness(live):
        publisher = await live.publisher(server_name=name)
        (line,) = log_lines(caplog, "publish live/a accepted")
        # An IP address is not sent: RFC 6066, 3.
        sent = name if name != "127.0.0.1" else None
        assert ("sni=" in line) == (sent is not None)
        assert sent is None or sent[:60] in line
        publisher.close()


# A server's process ignores what Python reports here; pytest has a hook of its own.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
async def test_garbled_name_fails_the_handshake_and_nothing_else(
    pair: CertificatePair, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    hello = client_hello("garbled.example")

    async with tls_server(tmp_path, pair) as live, witness(live):
        peer = await live.raw()
        await peer.send(hello.replace(b"garbled.example", b"\xff\xfe\n\x1b\xc3(\x80.example"))
        await has_closed(peer)
        (line,) = log_lines(caplog, peer.name)
        assert "TLS handshake: the client asks for a name that is not ASCII" in line
        peer.close()
        await is_empty(live)


def showing(what: str, authority: trustme.CA, folder: Path) -> ssl.SSLContext:
    """Make a client that shows a certificate."""
    context = client_context()
    if what == "self-signed":
        own = trustme.CA()
        own.cert_pem.write_to_path(folder / "own.pem")
        own.private_key_pem.write_to_path(folder / "own.key")
        context.load_cert_chain(folder / "own.pem", folder / "own.key")
    elif what != "none":
        end = datetime(2021, 1, 1, tzinfo=UTC) if what == "expired" else None
        signer = trustme.CA() if what == "foreign" else authority
        issued = signer.issue_cert(
            common_name="camera 7", not_before=datetime(2020, 1, 1, tzinfo=UTC), not_after=end
        )
        issued.configure_cert(context)
    return context


async def be_refused(peer: TlsPeer) -> None:
    """Shake hands; in TLS 1.3 a client learns with its first read that the server refuses."""
    await peer.shake_hands()
    await peer.send(C0_C1)
    await peer.receive()
    raise ConnectionResetError if peer.is_closed else AssertionError


CLIENTS = {
    # what the client shows: who lets it in, why the others do not
    "none": ("off optional", "the client showed no certificate"),
    "good": ("off optional required", ""),
    "expired": ("off", "the client's certificate is not valid here"),
    "foreign": ("off", "the client's certificate is not valid here"),
    "self-signed": ("off", "the client's certificate is not valid here"),
}


@pytest.mark.parametrize("mode", ["off", "optional", "required"])
@pytest.mark.parametrize("what", CLIENTS)
@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_client_certificates_are_asked_for_and_checked(
    what: str,
    mode: str,
    version: ssl.TLSVersion,
    pair: CertificatePair,
    authority: trustme.CA,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    modes, reason = CLIENTS[what]
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    settings = (f"tls.client_ca={tmp_path / 'ca.pem'}", f"tls.client_auth={mode}")
    context = showing(what, authority, tmp_path)
    context.maximum_version = version

    async with tls_server(tmp_path, pair, *settings) as live, witness(live.plain):
        if mode in modes.split():
            publisher = await live.publisher(context=context)
            (line,) = log_lines(caplog, "publish live/a accepted")
            assert ("client=camera 7" in line) == (what == "good" and mode != "off")
            publisher.close()
            return
        raw = await live.raw()
        with pytest.raises((ssl.SSLError, ConnectionResetError)):
            await be_refused(TlsPeer(raw, context))
        await until(lambda: log_lines(caplog, raw.name))
        (line,) = log_lines(caplog, raw.name)
        assert line.startswith("WARNING")
        assert reason in line
        raw.close()
        await is_empty(live)


async def test_holder_of_a_client_certificate_takes_his_own_name_over_and_counts(
    pair: CertificatePair, authority: trustme.CA, tmp_path: Path
) -> None:
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    settings = (
        f"tls.client_ca={tmp_path / 'ca.pem'}",
        "tls.client_auth=optional",
        "auth.publish=key",
        "auth.certificates=true",
        "limits.streams_per_key=1",
    )
    context = showing("good", authority, tmp_path)
    publish = command("publish", 3, None, "b?key=another", "live", on=1)

    async with tls_server(tmp_path, pair, *settings) as live:
        first = await live.publisher("a", context=context)
        await live.publisher("a", context=context)
        await first.expect("NetStream.Publish.BadName")
        peer = await live.connected(context=context)
        await peer.send(publish)
        await peer.expect("NetStream.Publish.Denied")
        assert "this key publishes 1 streams, as many as it may" in peer.reasons[-1]


# ---------------------------------------------------------------------- beside running streams


@pytest.mark.slow
async def test_slow_player_skips_to_a_keyframe_in_one_unbroken_tls_stream(
    pair: CertificatePair, tmp_path: Path
) -> None:
    bodies = [
        (FRAME if number % 10 else KEYFRAME) + number.to_bytes(4, "big") + bytes(30_000)
        for number in range(300)
    ]

    async with tls_server(tmp_path, pair) as live, witness(live):
        slow = await live.tls_player(receive_buffer=8192)
        fast = await live.tls_player()
        publisher = await live.publisher()
        await publisher.send_video(VIDEO_HEADER)
        for number, body in enumerate(bodies):
            await publisher.send_video(body, 10 * number)
            await fast.expect_media(number + 2)
        (stream,) = [each for each in streams(live.services) if each.path == "live/a"]
        assert stream.late == 1
        await slow.expect_media(2)
        while slow.media[-1] != bodies[-1]:  # a broken record or chunk would raise
            await slow.receive()
        assert fast.media == [VIDEO_HEADER, *bodies]
        got = [bodies.index(body) for body in slow.media[1:]]
        assert got == sorted(got)
        after_gaps = [b for a, b in pairwise(got) if b != a + 1]
        assert after_gaps
        assert all(number % 10 == 0 for number in after_gaps)
        for peer in (publisher, slow, fast):
            peer.close()


@pytest.mark.slow
async def test_two_hundred_handshakes_lose_no_byte_of_a_stream(
    pair: CertificatePair, tmp_path: Path
) -> None:
    async with tls_server(tmp_path, pair) as live, witness(live):
        for _ in range(20):
            peers = await asyncio.gather(*(live.peer() for _ in range(10)))
            for peer in peers:
                assert peer.tls.version() == "TLSv1.3"
                peer.close()


async def test_certificate_that_is_replaced_leaves_sessions_alone(
    pair: CertificatePair, authority: trustme.CA, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def names(peer: TlsPeer) -> bytes:
        return peer.tls.getpeercert(binary_form=True) or b""

    async with tls_server(tmp_path, pair) as live, witness(live):
        first = names(await live.peer())
        write_pair(tmp_path, authority, "localhost", "new.example")
        live.services.features.reload()
        second = names(await live.peer())
        assert second != first
        pair.cert.write_text("garbage")
        live.services.features.reload()
        assert names(await live.peer()) == second
        assert log_lines(caplog, "certificate not reloaded: ")[0].startswith("ERROR")
        tls = live.services.features[ServedCertificates]
        assert tls.failed_reloads == 1


# ---------------------------------------------------------------------- HTTPS


REQUEST = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"


async def answers(peer: TlsPeer, count: int) -> bytes:
    """Read decrypted bytes until there are so many answers."""
    data: list[bytes] = []
    peer.take = data.append  # type: ignore[method-assign,assignment]
    while (read := b"".join(data)).count(b'{"status": "ok"}') < count:
        assert not peer.is_closed, read
        await peer.receive()
    return read


async def test_requests_follow_each_other_on_one_https_connection(
    pair: CertificatePair, tmp_path: Path
) -> None:
    async with tls_server(tmp_path, pair) as live, witness(live):
        peer = await live.peer()
        for _ in range(5):
            await peer.send(REQUEST)
            answer = await answers(peer, 1)
            assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
        await peer.send(REQUEST * 20)
        await answers(peer, 20)
        await peer.send(REQUEST.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
        await answers(peer, 1)
        await peer.expect_close()
        assert peer.was_told
        peer.close()
        await is_empty(live)


async def test_https_client_that_leaves_in_a_request_is_forgotten(
    pair: CertificatePair, tmp_path: Path
) -> None:
    async with tls_server(tmp_path, pair) as live, witness(live):
        peer = await live.peer()
        await peer.send(REQUEST[:20])
        await until(lambda: live.services.admission.connections == 3)
        peer.reset()
        await is_empty(live)
