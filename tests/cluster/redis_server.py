"""A Redis for tests: Debian's redis-server on a unix socket, in a folder of its own."""

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

LIMIT_S = 60.0


class RedisServer:
    """A server that may be stopped, frozen and started again, empty.

    Attributes:
        url: For `cluster.redis`.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._socket = root / "redis.sock"
        self._process: subprocess.Popen[bytes] | None = None
        self.url = f"unix://{self._socket}"

    def start(self) -> None:
        options = ("--port", "0", "--unixsocket", self._socket, "--save", "", "--appendonly", "no")
        self._process = subprocess.Popen(
            ["redis-server", *options],
            cwd=self._root,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        end = time.monotonic() + LIMIT_S
        while time.monotonic() < end:
            with suppress(OSError), socket.socket(socket.AF_UNIX) as sock:
                sock.connect(str(self._socket))
                return
            time.sleep(0.01)
        raise AssertionError("redis-server does not start")

    def stop(self) -> None:
        """Kill it; what it knew is gone."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None
            self._socket.unlink(missing_ok=True)

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """Have it answer nothing while the block runs."""
        assert self._process is not None
        os.kill(self._process.pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(self._process.pid, signal.SIGCONT)


@contextmanager
def redis_server() -> Iterator[RedisServer]:
    """Run a server."""
    root = Path(tempfile.mkdtemp(prefix="headend-redis-"))
    server = RedisServer(root)
    try:
        server.start()
        yield server
    finally:
        server.stop()
        shutil.rmtree(root, ignore_errors=True)
