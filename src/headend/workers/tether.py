"""What ties a worker to its supervisor: its beat, what both say, and a common end."""

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from headend.errors import ProtocolError
from headend.workers.pipe import Notice
from headend.workers.worker import Worker

log = logging.getLogger(__name__)

BEAT_S: Final = 0.5

Take = Callable[[Notice], None]


class Tether:
    """The tie, in the loop of the worker; `start` and `close` once each.

    Attributes:
        worker: The worker.
    """

    def __init__(self, worker: Worker, gone: Callable[[], None]) -> None:
        """Prepare.

        Args:
            worker: Has the pipe and the board.
            gone: Called if the supervisor is no more: the worker must end too.
        """
        self.worker: Final = worker
        self._gone: Final = gone
        self._loop: Final = asyncio.get_running_loop()
        self._takes: Final[dict[str, Take]] = {}
        self._beat: asyncio.TimerHandle | None = None
        self._is_open = True
        self._waits_to_write = False

    def start(self) -> None:
        """Begin to beat, and to take what the supervisor says."""
        self._loop.add_reader(self.worker.pipe.fileno(), self._read)
        self._turn()

    def on(self, kind: str, take: Take) -> None:
        """Have notices of a kind taken by a function."""
        self._takes[kind] = take

    def send(self, notice: Notice) -> bool:
        """Say something to the supervisor; false: it is lost, see `Pipe.send`."""
        if not self._is_open:
            return False
        is_sent = self.worker.pipe.send(notice)
        self._wait_to_write()
        return is_sent

    def ready(self, addresses: Mapping[str, Sequence[str]]) -> None:
        """Say that this worker serves.

        Args:
            addresses: Where it listens, by listener.
        """
        told = {name: list(found) for name, found in addresses.items()}
        self.send({"kind": "ready", "addresses": told})

    def close(self) -> None:
        """Beat no more."""
        if self._beat is not None:
            self._beat.cancel()
        if self._is_open:
            self._is_open = False
            self._loop.remove_reader(self.worker.pipe.fileno())
            self._loop.remove_writer(self.worker.pipe.fileno())
            self.worker.pipe.close()

    # ------------------------------------------------------------------ inside

    def _turn(self) -> None:
        self.worker.board.beat(self.worker.number, self._loop.time())
        self._beat = self._loop.call_later(BEAT_S, self._turn)

    def _read(self) -> None:
        try:
            notices = self.worker.pipe.receive()
        except EOFError:
            self._end("the supervisor is gone: this worker stops")
            return
        except ProtocolError as error:
            self._end(f"the supervisor: {error}: this worker stops")
            return
        for notice in notices:
            take = self._takes.get(str(notice.get("kind")))
            if take is None:
                continue
            try:
                take(notice)
            except Exception:
                log.exception("a notice of the supervisor failed: a bug")

    def _end(self, why: str) -> None:
        log.error("%s: %s", self.worker, why)
        self.close()
        self._gone()

    def _wait_to_write(self) -> None:
        pipe = self.worker.pipe
        if pipe.has_backlog and not self._waits_to_write:
            self._waits_to_write = True
            self._loop.add_writer(pipe.fileno(), self._write)

    def _write(self) -> None:
        pipe = self.worker.pipe
        pipe.flush()
        if not pipe.has_backlog:
            self._waits_to_write = False
            self._loop.remove_writer(pipe.fileno())
