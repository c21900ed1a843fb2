"""Tests of where the server listens, and whom it takes a peer for."""

import socket
from pathlib import Path

import pytest
from tests.e2e import media
from tests.e2e.conftest import StartServer
from tests.e2e.peers import Peers
from tests.e2e.raw import RawPeer, amf
from tests.e2e.server import Server
from tests.wire import wire

from headend.media import flv

pytestmark = pytest.mark.e2e


def has_ipv6() -> bool:
    try:
        with socket.create_server(("::1", 0), family=socket.AF_INET6):
            return True
    except OSError:
        return False


@pytest.mark.skipif(not has_ipv6(), reason="no IPv6 here")
def test_several_addresses_serve_the_same_streams(
    start_server: StartServer, peers: Peers, clip: Path, tmp_path: Path
) -> None:
    server = start_server(arguments=("--rtmp", "127.0.0.1:0", "--rtmp", "[::1]:0"))
    first, second = server.rtmp
    assert second.startswith("[::1]:")
    player = peers.play(f"rtmp://{second}/live/a", tmp_path / "played.flv")
    assert "rtmp [::1]:" in server.wait_log("play live/a waits")
    peers.publish(clip, f"rtmp://{first}/live/a").succeed()
    player.succeed()
    media.assert_same(media.frames(tmp_path / "played.flv"), media.frames(clip))


def test_publisher_on_a_unix_socket_is_watched_over_tcp(
    start_server: StartServer, peers: Peers, clip: Path, tmp_path: Path
) -> None:
    path = tmp_path / "s"
    server = start_server(arguments=("--rtmp", f"unix:{path}", "--rtmp", "127.0.0.1:0"))
    assert server.rtmp[0] == f"unix:{path}"
    player = peers.play(f"rtmp://{server.rtmp[1]}/live/a", tmp_path / "played.flv")
    server.wait_log("play live/a waits")
    publisher = RawPeer.unix(str(path))
    publisher.publish("a")
    server.wait_log("rtmp unix publish live/a accepted")
    reader = flv.Reader()
    reader.receive_data(clip.read_bytes())
    publisher.send_tags(reader.tags())
    publisher.command(amf("deleteStream", 4.0, None, 1.0), 0)
    player.succeed()
    media.assert_same(media.frames(tmp_path / "played.flv"), media.frames(clip))
    publisher.close()
    server.stop()
    assert not path.exists()


def test_ffmpeg_publishes_and_plays_over_tls(
    start_server: StartServer, peers: Peers, clip: Path, tmp_path: Path
) -> None:
    server = start_server(arguments=("--tls", "127.0.0.1:0"))
    url = f"rtmps://{server.tls[0]}/live/a"
    player = peers.play(url, tmp_path / "played.flv")
    server.wait_log("play live/a waits")
    peers.publish(clip, url).succeed()
    player.succeed()
    media.assert_same(media.frames(tmp_path / "played.flv"), media.frames(clip))


V1 = b"PROXY TCP4 203.0.113.7 198.51.100.1 56324 1935\r\n"
V2 = wire(
    """
    0d0a0d0a000d0a515549540a    # signature
    21 21 0024                  # version 2, PROXY; TCP over IPv6; 36 bytes
    20010db8000000000000000000000007 20010db8000000000000000000000001 dc04 078f
    """
)


@pytest.mark.parametrize(
    ("header", "source"),
    [(V1, "203.0.113.7:56324"), (V2, "[2001:db8::7]:56324")],
    ids=["v1", "v2"],
)
def test_peer_behind_a_proxy_is_known_by_its_own_address(
    header: bytes, source: str, start_server: StartServer
) -> None:
    server = start_server("rtmp.proxy_protocol_from=127.0.0.0/8")
    peer = RawPeer.tcp(server.rtmp[0], header)
    peer.play("a")
    server.wait_log(f"rtmp {source} play live/a waits for a publisher")
    # Not from loopback, so it may not publish without a key.
    publisher = RawPeer.tcp(server.rtmp[0], header)
    publisher.connect()
    publisher.command(amf("publish", 3.0, None, "a", "live"))
    publisher.read_status("NetStream.Publish.Denied")
    server.wait_log(f"rtmp {source} publish live/a refused: publishing from another machine")
    publisher.close()
    peer.close()


def test_proxy_header_of_a_stranger_is_no_handshake(server: Server) -> None:
    host, port = server.rtmp[0].split(":")
    with socket.create_connection((host, int(port)), 10) as sock:
        sock.sendall(V1 + bytes(1537))
        server.wait_log("closed:")
    assert not any("203.0.113.7" in line for line in server.log())
