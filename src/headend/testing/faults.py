"""Faults on demand, of a server and of the peers around it.

A fault lasts until its `with` block ends, or until the server stops:

    with headend_server.faults.stall("live/a"):
        ...
"""

import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal, Self

from headend.decisions import AccessRequest
from headend.errors import Refusal, Rejected
from headend.live.session import RtmpPeer
from headend.rtmp.refusals import PUBLISH_DENIED
from headend.testing.loop_thread import WITHIN_S, wait_for
from headend.testing.slow_reader import SlowReader
from headend.tls import self_signed

if TYPE_CHECKING:
    from headend.testing.server import ServerThread

Who = Literal["publisher", "players"]

NAMES: Final = ("localhost", "127.0.0.1", "::1")
EXPIRED: Final = timedelta(days=900)  # ago: longer than a certificate of ours is valid


class Fault:
    """Something that is wrong for a while; `end`, or the end of a `with` block, mends it."""

    def __init__(self, mend: Callable[[], None]) -> None:
        self._mend: Callable[[], None] | None = mend

    def end(self) -> None:
        """Mend it; once more is no fault."""
        mend, self._mend = self._mend, None
        if mend is not None:
            mend()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.end()


class SlowPlayer(Fault):
    """A player that reads slowly, until it ends."""

    def __init__(self, reader: SlowReader, is_served: Callable[[], bool]) -> None:
        """Take a reader that plays already.

        Args:
            reader: Ended with this.
            is_served: Says whether the server has it still. The reader itself can't know while it
                reads nothing.
        """
        super().__init__(reader.end)
        self._reader = reader
        self._is_served = is_served

    @property
    def bytes_in(self) -> int:
        """What it has read since it was let in."""
        return self._reader.bytes_in

    def wait_closed(self, within_s: float = WITHIN_S) -> None:
        """Wait until the server closes it (`limits.late_close_s`).

        Raises:
            AssertionError: The server has not done so.
        """
        wait_for(lambda: not self._is_served(), lambda: "the server keeps a late player", within_s)


class _PublishRefusal:
    """A check of the gate that refuses publishers."""

    def __init__(self, pattern: str, reason: str, code: str) -> None:
        self._pattern = pattern
        self._reason, self._code = reason, code

    def check(self, request: AccessRequest) -> None:
        if request.action == "publish" and fnmatchcase(request.path, self._pattern):
            raise Rejected(Refusal.DENIED, self._reason, code=self._code)


class Faults:
    """What can go wrong at one server; `headend_server.faults`."""

    def __init__(self, server: "ServerThread") -> None:
        self._server = server
        self._active: list[Fault] = []
        self._certificate: Path | None = None

    @property
    def certificate(self) -> Path | None:
        """The certificate that a fault has the server show; None: its own."""
        return self._certificate

    def end(self) -> None:
        """End all faults that last."""
        while self._active:
            self._active.pop().end()

    # ------------------------------------------------------------------ connections

    def stall(self, path: str, within_s: float = WITHIN_S) -> Fault:
        """Read nothing more from a publisher: its sends block, its players get nothing.

        As a network does that takes nothing any more. After `limits.publisher_silence_s` the server
        closes the publisher.

        Args:
            path: `APP/NAME`.
            within_s: How long to wait for a publisher, seconds.

        Raises:
            AssertionError: Nobody publishes it over RTMP.
        """
        connections = self._wait_connections(path, "publisher", within_s)

        def pause() -> None:
            for connection in connections:
                connection.transport.pause_reading()

        def resume() -> None:
            for connection in connections:
                connection.transport.resume_reading()

        self._server.call(pause)
        return self._added(lambda: self._server.call(resume))

    def reset(self, path: str, who: Who = "publisher", within_s: float = WITHIN_S) -> int:
        """Cut the connections that publish or play a stream, so that the other end sees a reset.

        Args:
            path: `APP/NAME`.
            who: The publisher, or all RTMP players.
            within_s: How long to wait for one, seconds.

        Returns:
            How many connections.

        Raises:
            AssertionError: There are none.
        """
        connections = self._wait_connections(path, who, within_s)

        def reset() -> None:
            for connection in connections:
                connection.transport.reset()

        self._server.call(reset)
        return len(connections)

    def slow_reader(self, path: str, bytes_per_s: int = 0) -> SlowPlayer:
        """Have a player that reads slowly play a stream.

        Args:
            path: `APP/NAME`.
            bytes_per_s: How much it reads; 0: nothing at all.

        Raises:
            HeadendError: The server refuses it.
        """
        reader = SlowReader(self._server.url(path), bytes_per_s)

        def is_served() -> bool:
            connections = self._server.server.services.sessions.connections
            return self._server.call(lambda: any(str(c.peer) == reader.name for c in connections))

        player = SlowPlayer(reader, is_served)
        self._active.append(player)
        return player

    def _wait_connections(self, path: str, who: Who, within_s: float) -> list[RtmpPeer]:
        def look() -> list[RtmpPeer]:
            return self._server.call(lambda: self._connections(path, who))

        return wait_for(look, lambda: f"no RTMP {who} of {path}", within_s)

    def _connections(self, path: str, who: Who) -> list[RtmpPeer]:
        connections = self._server.server.services.sessions.connections
        if who == "publisher":
            return [each for each in connections if path in each.publishing]
        return [each for each in connections if path in each.playing]

    # ------------------------------------------------------------------ access

    def refuse_publish(
        self, pattern: str = "*", reason: str = "refused by the test", code: str = PUBLISH_DENIED
    ) -> Fault:
        """Refuse publishers.

        Args:
            pattern: Streams, such as `live/*`.
            reason: What the publisher is told.
            code: What the publisher's program is told, such as `NetStream.Publish.BadName`.
        """
        gate = self._server.call(lambda: self._server.server.services.gate)
        refusal = _PublishRefusal(pattern, reason, code)
        self._server.call(lambda: gate.checks.append(refusal))
        return self._added(lambda: self._server.call(lambda: gate.checks.remove(refusal)))

    # ------------------------------------------------------------------ TLS

    def expired_certificate(self) -> Fault:
        """Show new TLS connections a certificate that expired.

        It is the server's own kind, for localhost and loopback; `headend_server.certificate` names
        its file meanwhile, so that expiry is all that is wrong with it.
        """
        from headend.tls.certificates import CertificateStore
        from headend.tls.served import ServedCertificates

        services = self._server.call(lambda: self._server.server.services)
        served = services.features.find(ServedCertificates)
        assert served is not None, "an expired certificate needs tls.listen, and it is off"
        before, before_certificate = served.store, self._certificate
        with ExitStack() as stack:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="headend-")))
            then = datetime.now(UTC) - EXPIRED
            self_signed.create(folder, NAMES, then)
            pair = self_signed.pair_in(folder)
            store = CertificateStore([pair], data=folder, now=then)
            kept = stack.pop_all()

        def show() -> None:
            served.store = store

        def mend() -> None:
            def put_back() -> None:
                served.store = before

            self._server.call(put_back)
            self._certificate = before_certificate
            kept.close()

        self._server.call(show)
        self._certificate = pair.cert
        return self._added(mend)

    def _added(self, mend: Callable[[], None]) -> Fault:
        fault = Fault(mend)
        self._active.append(fault)
        return fault
