"""Tests of RTMPS and HTTPS on one port with programs that speak them."""

import asyncio
import hashlib
import re
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import trustme
from tests.e2e import media
from tests.e2e.conftest import StartServer
from tests.e2e.metrics import samples
from tests.e2e.peers import Peers
from tests.e2e.server import Server, environ
from tests.e2e.wait import LIMIT_S, wait_for
from tests.tls_peers import client_context, write_pair

from headend import client
from headend.client import TlsOptions
from headend.media.tag import VIDEO, Tag
from headend.settings import CertificatePair

pytestmark = pytest.mark.e2e

REQUEST = "GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"

AVC_HEADER = bytes.fromhex("17000000000142c01fffe100046742c01f01000368ce3c")
KEYFRAME = bytes.fromhex("1701000000")
FRAME = bytes.fromhex("2701000000")
FIRST = 1 << 16  # of the numbers in pictures: 1 would be a start code


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def ca(authority: trustme.CA, tmp_path: Path) -> Path:
    """A file with the authority of the servers."""
    path = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(path)
    return path


@pytest.fixture
def pair(authority: trustme.CA, tmp_path: Path) -> CertificatePair:
    """The certificate of the servers, in a folder of its own."""
    folder = tmp_path / "tls"
    folder.mkdir()
    return write_pair(folder, authority, "localhost")


Start = Callable[..., Server]


def certificates(*pairs: CertificatePair) -> str:
    tables = (f'{{cert = "{each.cert}", key = "{each.key}"}}' for each in pairs)
    return f"tls.certificates=[{', '.join(tables)}]"


@pytest.fixture
def start(start_server: StartServer, pair: CertificatePair) -> Start:
    """Start servers with this certificate."""

    def start(*settings: str, pairs: tuple[CertificatePair, ...] = (pair,)) -> Server:
        arguments = ("--tls", "127.0.0.1:0")
        return start_server(certificates(*pairs), *settings, arguments=arguments)

    return start


@pytest.fixture
def server(start: Start) -> Server:
    """A server with RTMPS."""
    return start()


def port(server: Server) -> int:
    return int(server.tls[0].rpartition(":")[2])


def rtmps(server: Server, path: str = "live/a") -> str:
    return f"rtmps://localhost:{port(server)}/{path}"


def served(server: Server, name: str = "localhost") -> bytes:
    """Return the certificate that a server serves for a name."""
    with (
        socket.create_connection(("127.0.0.1", port(server)), LIMIT_S) as sock,
        client_context().wrap_socket(sock, server_hostname=name) as secure,
    ):
        return secure.getpeercert(binary_form=True) or b""


def der(pair: CertificatePair) -> bytes:
    """Return the first certificate of a file."""
    pem = pair.cert.read_text().partition("-----END")[0]
    return ssl.PEM_cert_to_DER_cert(pem + "-----END CERTIFICATE-----\n")


# ---------------------------------------------------------------------- media


@pytest.mark.parametrize("which", ["ffmpeg", "new_ffmpeg"])
def test_what_ffmpeg_publishes_is_played_by_all(
    which: str,
    server: Server,
    peers: Peers,
    clip: Path,
    ca: Path,
    tmp_path: Path,
    request: pytest.FixtureRequest,
) -> None:
    verified = ("-tls_verify", "1", "-ca_file", str(ca))
    url = rtmps(server)
    files = {name: tmp_path / f"{name}.flv" for name in ("ffmpeg", "rtmpdump", "gstreamer")}
    players = [
        peers.play(url, files["ffmpeg"], *verified),
        peers.rtmpdump(url, files["rtmpdump"]),
        # glib-networking takes the authorities of the system and no others.
        peers.gstreamer(
            f"rtmp2src location={url} tls-validation-flags=0 ! filesink "
            f"location={files['gstreamer']}"
        ),
    ]
    server.wait_log("play live/a waits for a publisher TLSv1.3", count=3)
    program = request.getfixturevalue(which)
    peers.publish(clip, url, *verified, ffmpeg=program, is_paced=True).succeed()
    for player in players:
        player.succeed()
    published = media.frames(clip)
    for name, file in files.items():
        # At StreamEOF rtmp2src may drop the last frame.
        media.assert_joined(media.frames(file), published, may_lack=int(name == "gstreamer"))
    assert "sni=localhost" in server.wait_log("publish live/a accepted TLSv1.3")


@pytest.mark.parametrize("which", ["ffmpeg", "new_ffmpeg"])
def test_ffmpeg_that_verifies_does_not_trust_a_foreign_authority(
    which: str, server: Server, peers: Peers, clip: Path, request: pytest.FixtureRequest
) -> None:
    """Debian's is built with GnuTLS, the other one with OpenSSL."""
    program = request.getfixturevalue(which)
    publisher = peers.publish(clip, rtmps(server), "-tls_verify", "1", ffmpeg=program)
    assert publisher.wait() != 0
    assert re.search("certificate (verify failed|failed verification)", publisher.output())


def test_gstreamer_that_verifies_does_not_trust_a_foreign_authority(
    server: Server, peers: Peers
) -> None:
    player = peers.gstreamer(f"rtmp2src location={rtmps(server)} ! fakesink")
    assert player.wait() != 0
    assert "Unacceptable TLS certificate" in player.output()


def test_our_own_commands_publish_and_play(
    server: Server, peers: Peers, clip: Path, ca: Path, tmp_path: Path
) -> None:
    program = (sys.executable, "-m", "headend")
    file = tmp_path / "played.flv"
    player = peers.run(
        *(*program, "play", rtmps(server), "-o", str(file), "--ca", str(ca)), environ=environ()
    )
    server.wait_log("play live/a waits for a publisher")
    pin = hashlib.sha256(served(server)).hexdigest()
    publisher = peers.run(
        *(*program, "publish", str(clip), rtmps(server), "--no-pace", "--fingerprint", pin),
        environ=environ(),
    )
    publisher.succeed()
    player.succeed()
    media.assert_same(media.frames(file), media.frames(clip))


@pytest.mark.parametrize("mode", ["publish", "always"])
def test_plain_rtmp_is_sent_to_rtmps(
    mode: str, start: Start, peers: Peers, clip: Path, tmp_path: Path
) -> None:
    server = start(f"rtmp.require_tls={mode}")
    publisher = peers.publish(clip, server.url("live/a"))
    assert publisher.wait() != 0
    answer = f"plain RTMP is not taken here; use rtmps://HOST:{port(server)}"
    assert answer in publisher.output()
    assert answer in server.wait_log("publish live/a refused")
    peers.publish(clip, rtmps(server), is_endless=True)
    server.wait_media("live/a")
    player = peers.play(server.url("live/a"), tmp_path / "played.flv")
    if mode == "always":
        assert player.wait() != 0
        assert answer in player.output()
    else:
        server.wait_stream("live/a", viewers=1)


# ---------------------------------------------------------------------- HTTPS


def test_curl_asks_for_health_on_the_same_port(server: Server, peers: Peers, ca: Path) -> None:
    url = f"https://localhost:{port(server)}/healthz"
    asked = peers.run("curl", "-sS", "-v", "--cacert", str(ca), *[url] * 4)
    asked.succeed()
    said = asked.output()
    assert said.count('{"status": "ok"}') == 4
    assert said.count("HTTP/1.1 200 OK") == 4
    assert said.count("Re-using existing connection") == 3
    assert "ALPN: server accepted http/1.1" in said
    assert "Strict-Transport-Security" not in said  # the HTTP port of this host is to be reached


def test_who_comes_to_the_rtmp_port_with_something_else_is_told_the_url_in_the_log(
    server: Server, peers: Peers, clip: Path
) -> None:
    encoder = peers.publish(clip, f"rtmps://{server.rtmp[0]}/live/a")
    assert encoder.wait() != 0
    right = f"rtmps://HOST:{port(server)}"
    server.wait_log(f"closed: TLS on a plain RTMP port: use {right}")
    asked = peers.run("curl", "-sS", f"http://{server.rtmp[0]}/healthz")
    assert asked.wait() != 0
    right = f"http://HOST:{server.http[0].rpartition(':')[2]}"
    server.wait_log(f"closed: HTTP (or a PROXY protocol header) on an RTMP port: use {right}")


def test_plain_http_does_not_demand_https(server: Server, peers: Peers) -> None:
    asked = peers.run("curl", "-sS", "-i", f"http://{server.http[0]}/healthz")
    asked.succeed()
    assert "200 OK" in asked.output()
    assert "strict-transport-security" not in asked.output().lower()


def test_browser_loads_a_page(server: Server, peers: Peers, tmp_path: Path) -> None:
    browser = peers.run(
        "chromium",
        *("--headless", "--no-sandbox", "--disable-gpu", "--no-first-run"),
        *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
        *("--ignore-certificate-errors", f"--user-data-dir={tmp_path / 'profile'}"),
        *("--dump-dom", f"https://localhost:{port(server)}/healthz"),
    )
    browser.succeed(60)
    assert '{"status": "ok"}' in browser.output()


# ---------------------------------------------------------------------- certificates


async def play_all(url: str, tls: TlsOptions, count: int, until: asyncio.Event) -> list[int]:
    """Play with so many players until the stream ends; return the numbers each got."""

    async def play_one() -> list[bytes]:
        async with client.play(url, tls=tls) as stream:
            ready.release()
            return [tag.body async for tag in stream if not tag.is_sequence_header]

    ready = asyncio.Semaphore(0)
    async with asyncio.TaskGroup() as tasks:
        players = [tasks.create_task(play_one()) for _ in range(count)]
        for _ in players:
            await ready.acquire()
        until.set()
    received = [player.result() for player in players]
    assert all(each == received[0] for each in received)
    return [int.from_bytes(body[5:9], "big") - FIRST for body in received[0]]


def test_replaced_certificate_is_served_soon_and_players_lose_no_byte(
    start: Start, pair: CertificatePair, authority: trustme.CA, ca: Path
) -> None:
    # A hundred players of one process shake hands with it at once.
    server = start("limits.handshake_s=30", "limits.command_s=30")
    old = served(server)

    async def publish(is_played: asyncio.Event) -> int:
        number = 0
        async with client.publish(rtmps(server), tls=TlsOptions(ca)) as out:
            await out.write(Tag(VIDEO, 0, AVC_HEADER, False, True))
            await is_played.wait()
            end = None
            while end is None or number < end:
                if number == 50:
                    write_pair(pair.cert.parent, authority, "localhost")
                    replaced = time.monotonic()
                kind = KEYFRAME if number % 25 == 0 else FRAME
                is_keyframe = kind is KEYFRAME
                body = kind + (FIRST + number).to_bytes(4, "big") + bytes(2000)
                await out.write(Tag(VIDEO, number * 20, body, is_keyframe, False))
                number += 1
                await asyncio.sleep(0.02)
                if number > 50 and end is None:
                    assert time.monotonic() - replaced < LIMIT_S
                    if await asyncio.to_thread(served, server) != old:
                        end = number + 50
        return number

    async def main() -> None:
        is_played = asyncio.Event()
        async with asyncio.timeout(60), asyncio.TaskGroup() as tasks:
            publisher = tasks.create_task(publish(is_played))
            numbers = await play_all(rtmps(server), TlsOptions(ca), 100, is_played)
        assert numbers == list(range(publisher.result()))

    asyncio.run(main())
    assert served(server) == der(pair)
    assert "for localhost, until " in server.wait_log(f"certificate {pair.cert} replaced")


def test_certificate_replaced_by_garbage_is_not_served_and_said(
    server: Server, pair: CertificatePair, authority: trustme.CA
) -> None:
    def failures() -> float:
        return samples(server.get("/metrics")[1])["headend_tls_reload_failures_total"]

    old = served(server)
    assert failures() == 0
    pair.cert.write_bytes(b"\x00garbage" * 100)
    assert str(pair.cert) in server.wait_log("ERROR certificate not reloaded: ")
    wait_for(lambda: failures() >= 1, "metrics made after the failure")
    assert served(server) == old
    write_pair(pair.cert.parent, authority, "localhost")
    server.wait_log(f"certificate {pair.cert} replaced")
    assert served(server) == der(pair) != old


def test_sighup_reads_certificates_again(
    server: Server, pair: CertificatePair, authority: trustme.CA
) -> None:
    write_pair(pair.cert.parent, authority, "localhost")
    server.process.send(signal.SIGHUP)
    wait_for(lambda: served(server) == der(pair), "the new certificate")


def test_name_chooses_the_certificate(
    start: Start, pair: CertificatePair, authority: trustme.CA, tmp_path: Path
) -> None:
    wild = write_pair(tmp_path, authority, "live.example", "*.live.example", stem="wild")
    server = start(pairs=(pair, wild))
    first, second = der(pair), der(wild)
    assert served(server, "localhost") == first
    assert served(server, "live.example") == second
    assert served(server, "EU.live.example") == second
    assert served(server, "a.b.live.example") == first
    assert served(server, "nobody.example") == first
    assert served(server, "127.0.0.1") == first  # no name is sent


def test_garbled_name_leaves_no_traceback(server: Server) -> None:
    outgoing = ssl.MemoryBIO()
    tls = client_context().wrap_bio(ssl.MemoryBIO(), outgoing, server_hostname="garbled.example")
    with pytest.raises(ssl.SSLWantReadError):
        tls.do_handshake()
    hello = outgoing.read().replace(b"garbled.example", b"\xff\xfe\n\x1b\xc3(\x80.example")
    with socket.create_connection(("127.0.0.1", port(server)), LIMIT_S) as sock:
        sock.sendall(hello)
        while sock.recv(4096):
            pass
    server.wait_log("TLS handshake: the client asks for a name that is not ASCII")
    assert server.stop() == 0
    assert "Traceback" not in server.process.output()
    assert "Exception ignored" not in server.process.output()


# ---------------------------------------------------------------------- client certificates


@pytest.mark.parametrize("mode", ["off", "optional", "required"])
def test_client_certificate_names_the_publisher_in_the_log(
    mode: str,
    start: Start,
    peers: Peers,
    clip: Path,
    ca: Path,
    authority: trustme.CA,
    tmp_path: Path,
) -> None:
    server = start(f"tls.client_ca={ca}", f"tls.client_auth={mode}")
    issued = authority.issue_cert(common_name="camera 7")
    issued.private_key_and_cert_chain_pem.write_to_path(tmp_path / "client.pem")
    file = str(tmp_path / "client.pem")
    peers.publish(clip, rtmps(server), "-cert_file", file, "-key_file", file, is_endless=True)
    line = server.wait_log("publish live/a accepted")
    assert ("client=camera 7" in line) == (mode != "off")
    without = peers.publish(clip, rtmps(server, "live/b"))
    if mode == "required":
        assert without.wait() != 0
        server.wait_log("TLS handshake: the client showed no certificate")
    else:
        without.succeed()
        assert "client=" not in server.wait_log("publish live/b accepted")


# ---------------------------------------------------------------------- what is agreed on


def s_client(server: Server, *options: str, said: str = REQUEST) -> str:
    """Have OpenSSL's client connect and say something; return what it shows."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed")
    command = ("openssl", "s_client", "-connect", f"127.0.0.1:{port(server)}")
    done = subprocess.run(
        [*command, "-servername", "localhost", *options],
        input=said.encode(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=LIMIT_S,
        check=False,
    )
    return done.stdout.decode(errors="replace")


@pytest.mark.parametrize("version", ["-tls1", "-tls1_1"])
def test_old_versions_are_refused(version: str, server: Server) -> None:
    said = s_client(server, version, "-cipher", "ALL:@SECLEVEL=0")
    assert "alert protocol version" in said
    server.wait_log("the client offers only TLS versions that are too old")


@pytest.mark.parametrize(("option", "version"), [("-tls1_2", "TLSv1.2"), ("-tls1_3", "TLSv1.3")])
def test_both_good_versions_are_served(option: str, version: str, server: Server, ca: Path) -> None:
    said = s_client(server, option, "-ign_eof", "-CAfile", str(ca), "-verify_return_error")
    assert f"New, {version}, Cipher is " in said
    assert "Verify return code: 0 (ok)" in said
    assert "Compression: NONE" in said
    assert '{"status": "ok"}' in said


def test_modern_profile_has_no_tls_1_2(start: Start) -> None:
    server = start("tls.profile=modern")
    assert "alert protocol version" in s_client(server, "-tls1_2")
    assert "New, TLSv1.3" in s_client(server, "-tls1_3")


def test_renegotiation_is_refused(server: Server) -> None:
    said = s_client(server, "-tls1_2", said="R\n")
    assert "RENEGOTIATING" in said
    assert "no renegotiation" in said


def test_session_of_tls_1_2_is_resumed(server: Server, tmp_path: Path) -> None:
    file = str(tmp_path / "session.pem")
    assert "New, TLSv1.2" in s_client(server, "-tls1_2", "-ign_eof", "-sess_out", file)
    said = s_client(server, "-tls1_2", "-ign_eof", "-sess_in", file)
    assert "Reused, TLSv1.2" in said
    assert '{"status": "ok"}' in said


def test_session_of_tls_1_3_is_resumed_by_clients_that_say_they_speak_http(
    server: Server, tmp_path: Path
) -> None:
    file = str(tmp_path / "session.pem")
    alpn = ("-tls1_3", "-ign_eof", "-alpn", "http/1.1")
    assert "New, TLSv1.3" in s_client(server, *alpn, "-sess_out", file)
    said = s_client(server, *alpn, "-sess_in", file)
    assert "Reused, TLSv1.3" in said
    assert '{"status": "ok"}' in said


def test_no_ticket_follows_a_handshake_of_tls_1_3_without_alpn(server: Server) -> None:
    said = s_client(server, "-tls1_3", "-ign_eof")
    assert '{"status": "ok"}' in said
    assert "New Session Ticket" not in said
    assert "TLS session ticket:" not in said


def test_only_ciphers_with_forward_secrecy_and_authentication_are_agreed_on(
    server: Server,
) -> None:
    everything = client_context()
    everything.set_ciphers("ALL:COMPLEMENTOFALL:@SECLEVEL=0")
    accepted = set()
    for cipher in everything.get_ciphers():
        if cipher["name"].startswith("TLS_"):  # of TLS 1.3, where all are good
            continue
        context = client_context()
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        context.set_ciphers(f"{cipher['name']}:@SECLEVEL=0")
        try:
            with (
                socket.create_connection(("127.0.0.1", port(server)), LIMIT_S) as sock,
                context.wrap_socket(sock) as secure,
            ):
                agreed = secure.cipher()
                assert agreed is not None
                accepted.add(agreed[0])
        except (ssl.SSLError, ConnectionResetError):
            pass
    # The certificate's key is ECDSA.
    assert accepted == {
        "ECDHE-ECDSA-AES128-GCM-SHA256",
        "ECDHE-ECDSA-AES256-GCM-SHA384",
        "ECDHE-ECDSA-CHACHA20-POLY1305",
    }


# ---------------------------------------------------------------------- memory


IDLE_PLAYERS = 100
SETTLED_S = 2.0  # the server writes down who came in batches, one a second
SETTLED_BYTES = 64 * 1024
MOST_BYTES_PER_PLAYER = 60 * 1024


def resident_bytes(pid: int) -> int:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * 4096


def settled_bytes(pid: int) -> int:
    """Wait until nothing is loaded beside what the test does; return the memory then."""
    steady = (time.monotonic(), resident_bytes(pid))

    def look() -> int:
        nonlocal steady
        now, size = time.monotonic(), resident_bytes(pid)
        if size > steady[1] + SETTLED_BYTES:
            steady = (now, size)
        return size if now - steady[0] > SETTLED_S else 0

    return wait_for(look, "memory that grows no more")


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="needs /proc")
async def test_idle_player_takes_little_memory(
    start: Start, ca: Path, record_property: Callable[[str, object], None]
) -> None:
    server = start("live.wait_s=600")
    tls = TlsOptions(ca)

    async def stay(number: int) -> None:
        async with client.play(rtmps(server, f"live/{number % 2}"), tls=tls):
            ready.release()
            await leave.wait()

    async def join(count: int) -> None:
        for number in range(count):
            tasks.create_task(stay(number))
            await ready.acquire()

    ready, leave = asyncio.Semaphore(0), asyncio.Event()
    async with asyncio.timeout(60), asyncio.TaskGroup() as tasks:
        await join(10)  # what the first ones load is no player's, nor is the database
        await asyncio.to_thread(server.wait_log, "database is open")
        before = await asyncio.to_thread(settled_bytes, server.process.pid)
        await join(IDLE_PLAYERS)
        each = (resident_bytes(server.process.pid) - before) / IDLE_PLAYERS
        record_property("bytes_per_idle_player", each)
        leave.set()
    print(f"{each / 1024:.1f} KiB per idle player")
    assert each < MOST_BYTES_PER_PLAYER
