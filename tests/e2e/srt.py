"""Servers, clips and peers of the tests of SRT."""

import shutil
import socket
import subprocess
from pathlib import Path

import pytest
from tests.e2e import media
from tests.e2e.conftest import StartServer
from tests.e2e.peers import Peers
from tests.e2e.process import Process
from tests.e2e.server import Server

# FFmpeg and GStreamer close a connection with the last messages in it: so many frames may be lost.
TAIL = 6


def free_port() -> int:
    """Return a UDP port of the loopback that nobody uses now."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def make_clip(ffmpeg: str, file: Path) -> Path:
    """Make some seconds of H.264 with B-frames, and AAC."""
    return media.make(ffmpeg, file, *media.picture(3), *media.tone(3), *media.H264, *media.AAC)


def srt_server(
    start_server: StartServer, *settings: str, arguments: tuple[str, ...] = ()
) -> Server:
    server = start_server(*settings, arguments=("--srt", "127.0.0.1:0", *arguments))
    if not server.srt:
        assert "libsrt is not installed" in server.process.output()
        pytest.skip("libsrt is not installed")
    return server


def url(server: Server, stream_id: str, *options: str) -> str:
    return f"srt://{server.srt[0]}?{'&'.join((*options, f'streamid={stream_id}'))}"


def publish(peers: Peers, clip: Path, to: str) -> Process:
    return peers.run(
        *("ffmpeg", "-nostats", "-re", "-i", str(clip), "-c", "copy", "-f", "mpegts", to)
    )


def pictures(file: Path) -> list[str]:
    """Return the hashes of the pictures that FFmpeg decodes, in their order."""
    command = ("ffmpeg", "-v", "error", "-i", str(file), "-map", "0:v", "-f", "framemd5", "-")
    done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=60)
    lines = done.stdout.splitlines()
    return [line.rpartition(",")[2].strip() for line in lines if not line.startswith("#")]


def assert_played(played: Path, sent: Path) -> None:
    """Check that pictures were played from the first one on, without a gap or damage."""
    got, wanted = pictures(played), pictures(sent)
    assert len(got) >= len(wanted) - TAIL
    sure = len(wanted) - 2 * TAIL  # of the last pictures B-frames may be missing between others
    assert got[:sure] == wanted[:sure]


def live_transmit(peers: Peers, source: str, file: Path) -> Process:
    if shutil.which("srt-live-transmit") is None:
        pytest.skip("srt-live-transmit is not installed")
    return peers.run("sh", "-c", f"exec srt-live-transmit -q -a:no '{source}' file://con > {file}")
