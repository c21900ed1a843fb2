"""An HTTP server in a thread beside a test: a receiver of webhooks, a callback."""

import asyncio
import socket
import threading
from concurrent.futures import Future
from typing import Any, Final

from tests.e2e.wait import LIMIT_S, wait_for
from tests.receiver import Answer, Receiver, receiver


def free_port() -> int:
    """Return a port of loopback on which nobody listens now."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


class Backend:
    """Listens from `start` to `stop`, again and again on the same port.

    Attributes:
        url: Of its root.
        received: Whatever it was sent, as JSON, also before it was stopped.
    """

    def __init__(self) -> None:
        self._port: Final = free_port()
        self.url: Final = f"http://127.0.0.1:{self._port}/"
        self.received: Final[list[Any]] = []
        self.answer: Answer | None = None
        self._stop: tuple[asyncio.AbstractEventLoop, asyncio.Event] | None = None
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Listen."""
        started: Future[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = Future()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run(started)), daemon=True)
        self._thread.start()
        self._stop = started.result(LIMIT_S)

    def stop(self) -> None:
        """Listen no more."""
        if self._stop is not None and self._thread is not None:
            loop, stop = self._stop
            loop.call_soon_threadsafe(stop.set)
            self._thread.join(LIMIT_S)
            self._stop = None

    async def _run(
        self, started: "Future[tuple[asyncio.AbstractEventLoop, asyncio.Event]]"
    ) -> None:
        stop = asyncio.Event()
        async with receiver(port=self._port) as there:
            there.answer = self.answer
            there.note = self._note
            started.set_result((asyncio.get_running_loop(), stop))
            await stop.wait()

    def _note(self, there: Receiver) -> None:
        self.received.append(there.received[-1].document)

    def types(self, stream: str) -> list[str]:
        """Names of the events about a stream, in the order in which they first came."""
        found = {each["id"]: each for each in self.received}
        return [each["type"] for each in found.values() if each["data"].get("stream") == stream]

    def wait_types(self, stream: str, *types: str) -> None:
        """Wait until exactly these events about a stream have come, in this order."""
        wait_for(lambda: len(self.types(stream)) >= len(types), f"{types} of {stream}")
        assert self.types(stream) == list(types)
