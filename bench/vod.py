"""Viewers of a recording over HLS: CPU of the server, beside nginx with ranges of the same file.

python -m bench.vod [VIEWERS]     each fetches a segment of 2 s, 2.65 Mbit/s, every 2 s
"""

import asyncio
import os
import random
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from contextlib import suppress
from pathlib import Path
from typing import Final

from bench.proc import process_tree, total_cpu_s
from headend.record.tables import RecordingTables
from headend.record.values import RecordedFile, RecordedSegment, Recording
from headend.store.database import Database

SEGMENTS: Final = 100
SEGMENT_S: Final = 2.0
SEGMENT_BYTES: Final = 662_500
INIT_BYTES: Final = 1000
SETTLE_S: Final = 4.0
SECONDS: Final = 20.0
NGINX: Final = """daemon off; user root; pid {folder}/nginx.pid; error_log stderr;
worker_processes 1; worker_rlimit_nofile 20000; events {{ worker_connections 4000; }}
http {{ access_log off; sendfile on; tcp_nopush on; keepalive_requests 100000;
server {{ listen 127.0.0.1:{port}; location / {{ alias {files}/; }} }} }}
"""


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


async def fill(data: Path) -> Path:
    """Give a data folder a recording; return its file."""
    path = data / "recordings" / "live" / "a" / "x.mp4"
    path.parent.mkdir(parents=True)
    path.write_bytes(os.urandom(INIT_BYTES + SEGMENTS * SEGMENT_BYTES))
    length, size = SEGMENTS * SEGMENT_S, path.stat().st_size
    whole = Recording("r1", "live/a", "ready", 100.0, 100.0 + length, size, 1, length)
    file = RecordedFile("r1", 0, "live/a/x.mp4", INIT_BYTES, False, "avc1.42c00b", 1280, 720)
    rows = []
    for number in range(SEGMENTS):
        at, start = INIT_BYTES + number * SEGMENT_BYTES, number * SEGMENT_S
        segment = RecordedSegment(0, at, SEGMENT_BYTES, start, SEGMENT_S, 100.0 + start, True)
        rows.append(("r1", segment))
    database = Database("", data)
    await database.open()
    await RecordingTables(database, "alone").write({whole: False}, [file], rows, [])
    await database.close()
    return path


async def view(port: int, path: str, until: float, took: list[float]) -> None:
    """Fetch one segment after the other, one every two seconds."""
    loop = asyncio.get_running_loop()
    with socket.socket() as sock:
        sock.setblocking(False)
        await loop.sock_connect(sock, ("127.0.0.1", port))
        buffer, number = bytearray(1 << 20), random.randrange(SEGMENTS)
        due = time.monotonic() + SEGMENT_S * random.random()
        while due < until:
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            first = INIT_BYTES + SEGMENT_BYTES * (number % SEGMENTS)
            wanted = f"Range: bytes={first}-{first + SEGMENT_BYTES - 1}"
            began = time.monotonic()
            request = f"GET {path} HTTP/1.1\r\nHost: bench\r\n{wanted}\r\n\r\n"
            await loop.sock_sendall(sock, request.encode())
            left = None
            while left is None or left > 0:
                size = await loop.sock_recv_into(sock, buffer)
                if left is None:
                    head = bytes(buffer[:size])
                    assert head[9:12] == b"206", head[:200]
                    left = SEGMENT_BYTES + head.index(b"\r\n\r\n") + 4
                left = left - size if size else 0
            took.append(1000 * (time.monotonic() - began))
            number, due = number + 1, due + SEGMENT_S


async def measure(name: str, port: int, path: str, pids: list[int], viewers: int) -> float:
    """Let viewers view; return and print CPU in percent of a core."""
    took: list[float] = []
    until = time.monotonic() + SETTLE_S + SECONDS
    tasks = [asyncio.create_task(view(port, path, until, took)) for _ in range(viewers)]
    await asyncio.sleep(SETTLE_S)
    began, before = time.monotonic(), total_cpu_s(pids)
    await asyncio.sleep(SECONDS - 2)
    cpu = 100 * (total_cpu_s(pids) - before) / (time.monotonic() - began)
    await asyncio.gather(*tasks)
    p99 = statistics.quantiles(took, n=100)[98]
    middle = statistics.median(took)
    print(f"{name}: {cpu:.1f} % CPU, a segment takes {middle:.1f} ms, p99 {p99:.0f} ms")
    return cpu


def wait_for(url: str) -> None:
    """Wait until an address answers with 200."""
    while True:
        with suppress(OSError):
            urllib.request.urlopen(url).close()
            return
        time.sleep(0.1)


def main() -> None:
    """Run both servers, one after the other, twice."""
    viewers = int(sys.argv[1]) if len(sys.argv) > 1 else 500
    with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
        data, port, other = Path(folder) / "data", free_port(), free_port()
        file = asyncio.run(fill(data))
        (Path(folder) / "nginx.conf").write_text(
            NGINX.format(folder=folder, port=other, files=file.parent)
        )
        listen = ("--set", f"http.listen=127.0.0.1:{port}", "--set", "rtmp.listen=127.0.0.1:0")
        command = [sys.executable, "-m", "headend", "serve", "--data", str(data), *listen]
        nginx = ["nginx", "-c", f"{folder}/nginx.conf", "-p", folder]
        ours = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        theirs = subprocess.Popen(nginx, stderr=subprocess.DEVNULL)
        try:
            wait_for(f"http://127.0.0.1:{port}/recordings/r1/index.m3u8")
            wait_for(f"http://127.0.0.1:{other}/x.mp4")
            for _ in range(2):
                path, pids = "/recordings/r1/0.mp4", process_tree(ours.pid)
                cpu = asyncio.run(measure("headend", port, path, pids, viewers))
                pids = process_tree(theirs.pid)
                cpu /= asyncio.run(measure("nginx", other, "/x.mp4", pids, viewers))
                print(f"ratio: {cpu:.1f}")
        finally:
            for process in (ours, theirs):
                process.terminate()
                process.wait()


if __name__ == "__main__":
    main()
