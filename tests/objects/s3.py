"""A server of S3 that a test starts, kills and starts again; and what stands before it."""

import asyncio
import subprocess
import sys
import urllib.request
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress

from tests.e2e.backend import free_port
from tests.e2e.wait import wait_for

from headend.errors import StoreError
from headend.objects.object_store import Credentials, ObjectStore

MOST = 1024 * 1024 * 1024
KEY_ID, SECRET = "AKIA0TEST", "a-secret-of-the-store"


class S3:
    """One server, with what it is given until it is killed.

    Attributes:
        port: Its TCP port, also after a restart.
    """

    def __init__(self) -> None:
        self.port = free_port()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self, *buckets: str) -> None:
        """Start it, with nothing but empty buckets."""
        run = (
            "import sys; from moto.server import main;"
            f" main(['-H', '127.0.0.1', '-p', '{self.port}'])"
        )
        self._process = subprocess.Popen(
            [sys.executable, "-c", run], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        wait_for(self._answers, "moto_server answers")
        for bucket in buckets:
            self.bucket(bucket)

    def _answers(self) -> bool:
        with suppress(OSError):
            return bool(self._ask("GET", "moto-api/data.json"))
        return False

    def bucket(self, name: str) -> None:
        """Make a bucket."""
        self._ask("PUT", name)

    def read(self, path: str) -> bytes | None:
        """Return an object by BUCKET/KEY; None: there is none."""
        bucket, _, key = path.partition("/")
        store = ObjectStore(f"s3://{bucket}", Credentials(self.endpoint, "", KEY_ID, SECRET))
        try:
            return store.read_now(key, 0, MOST)
        except StoreError:
            return None
        finally:
            store.close()

    def _ask(self, method: str, path: str) -> bytes:
        request = urllib.request.Request(f"{self.endpoint}/{path}", method=method)
        with urllib.request.urlopen(request) as answer:
            body: bytes = answer.read()
            return body

    def kill(self) -> None:
        """End it, with all that it has."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None


@contextmanager
def s3_server() -> Iterator[S3]:
    """Give a server that is killed at the end."""
    server = S3()
    try:
        server.start()
        yield server
    finally:
        server.kill()


class Gate:
    """What passes TCP on to a server, or holds it.

    Attributes:
        endpoint: Where it listens.
        limit: Bytes that may pass to the server; None: all.
        is_cut: What has passed the limit is cut; else it is held.
        is_full: As much as may has passed.
    """

    def __init__(self, port: int) -> None:
        self._to = port
        self.endpoint = ""
        self.limit: int | None = None
        self.is_cut = False
        self.passed = 0
        self._opened = asyncio.Event()
        self._links: set[asyncio.Task[None]] = set()

    @property
    def is_full(self) -> bool:
        return self.limit is not None and self.passed >= self.limit

    def open(self) -> None:
        """Let all pass from now on; what was held goes on."""
        self.limit = None
        self._opened.set()

    async def link(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection."""
        task = asyncio.current_task()
        assert task is not None
        self._links.add(task)
        with suppress(OSError, asyncio.CancelledError):
            there, sender = await asyncio.open_connection("127.0.0.1", self._to)
            back = asyncio.create_task(_pass(there, writer))
            with suppress(OSError, asyncio.CancelledError):
                await self._forward(reader, sender)
            back.cancel()
            sender.close()
        writer.close()
        self._links.discard(task)

    async def _forward(self, reader: asyncio.StreamReader, sender: asyncio.StreamWriter) -> None:
        while data := await reader.read(65536):
            if self.limit is not None:
                self.passed += len(data)
                if self.passed >= self.limit:
                    if self.is_cut:
                        return
                    await self._opened.wait()
            sender.write(data)
            await sender.drain()

    def close(self) -> None:
        for task in list(self._links):
            task.cancel()


async def _pass(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
        writer.close()


@asynccontextmanager
async def gate_to(port: int) -> AsyncIterator[Gate]:
    """Listen before a server."""
    made = Gate(port)
    server = await asyncio.start_server(made.link, "127.0.0.1", 0)
    made.endpoint = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield made
    finally:
        made.close()
        server.close()
