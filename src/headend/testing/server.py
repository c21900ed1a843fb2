"""A server in a thread of its own, so that any test can use it.

The test may have no event loop, a loop of its own, or peers that are other programs.
"""

from collections.abc import Callable, Coroutine, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Self, TypeVar

from headend.embed.server import Form, Server
from headend.events import Event
from headend.settings import Settings
from headend.testing.faults import Faults
from headend.testing.loop_thread import WITHIN_S, LoopThread, wait_for
from headend.tls import self_signed

T = TypeVar("T")
E = TypeVar("E", bound=Event)

# Every listener on a free port of loopback; a test does not wait for peers that are gone.
DEFAULTS: Final[Mapping[str, object]] = {
    "rtmp.listen": "127.0.0.1:0",
    "tls.listen": "127.0.0.1:0",
    "http.listen": "127.0.0.1:0",
    "srt.listen": "off",
    "limits.shutdown_s": 1,
}


class ServerThread:
    """A server that runs in a thread of its own; `with` starts and stops it.

    Attributes:
        server: What runs; touch it on its own loop only: `call`, `run`.
        faults: What can go wrong, on demand.
    """

    def __init__(self, settings: Mapping[str, object] | None = None, /, **sections: Any) -> None:
        """Prepare.

        Args:
            settings: As those of `headend.Server`, over DEFAULTS.
            sections: Sections of settings, over DEFAULTS too.

        Raises:
            SettingsError: A setting is wrong.
        """
        self.server: Final = Server({**DEFAULTS, **(settings or {})}, **sections)
        self.faults: Final = Faults(self)
        self._loop: LoopThread | None = None
        self._seen: list[Event] = []

    def start(self) -> None:
        """Start; raises what `headend.Server.start` raises."""
        self._loop = LoopThread("headend server")
        try:
            self.run(self.server.start())
            self.call(lambda: self.server.services.events.subscribe(self._seen.append))
        except BaseException:
            self._loop.close()
            raise

    def stop(self) -> None:
        """End the faults and the server."""
        if self._loop is not None:
            try:
                self.faults.end()
                self.run(self.server.stop())
            finally:
                self._loop.close()
                self._loop = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    # ------------------------------------------------------------------ what it is

    def url(self, path: str, form: Form = "rtmp") -> str:
        """Return where to publish and play a stream; `form` as of `headend.Server.url`."""
        return self.server.url(path, form)

    @property
    def addresses(self) -> Mapping[str, Sequence[str]]:
        """Where it listens, by listener: rtmp, tls and http."""
        return self.server.addresses

    @property
    def settings(self) -> Settings:
        return self.server.settings

    @property
    def admin_token(self) -> str:
        """What the API wants as `Authorization: Bearer …`."""
        return self.server.admin_token

    @property
    def certificate(self) -> Path:
        """The file of the certificate that is shown first: for peers to trust."""
        tls = self.settings.tls
        own = self_signed.pair_in(self.settings.data / self_signed.FOLDER)
        pair = tls.certificates[0] if tls.certificates else own
        return self.faults.certificate or pair.cert

    # ------------------------------------------------------------------ what happens there

    def streams(self) -> dict[str, dict[str, Any]]:
        """Return all streams by path, as the API describes them."""
        return {stream["path"]: stream for stream in self.call(self.server.streams)}

    def wait_stream(
        self, path: str, within_s: float = WITHIN_S, **values: object
    ) -> dict[str, Any]:
        """Wait until a stream is live and has these values, such as `viewers=2`; return it.

        Args:
            path: `APP/NAME`.
            within_s: Seconds.
            values: Keys of the API; without `state`, live is wanted.

        Raises:
            AssertionError: It has them not, within that time; says which.
        """
        values = {"state": "live", **values}

        def look() -> dict[str, Any] | None:
            stream = self.streams().get(path)
            return stream if stream is not None and values.items() <= stream.items() else None

        def what() -> str:
            stream: Mapping[str, object] | None = self.streams().get(path)
            if stream is None:
                return f"no stream {path}; there are: {', '.join(self.streams()) or 'none'}"
            wrong = {key: stream.get(key) for key, value in values.items() if stream[key] != value}
            return f"{path} should have {values}, and has {wrong}"

        found = wait_for(look, what, within_s)
        assert found is not None
        return found

    @property
    def events(self) -> list[Event]:
        """What has happened so far."""
        return list(self._seen)

    def wait_event(self, kind: type[E], within_s: float = WITHIN_S, **values: object) -> E:
        """Wait for an event of a kind with these fields, such as `stream="live/a"`; return it.

        Raises:
            AssertionError: There is none within that time; says what happened instead.
        """

        def look() -> E | None:
            for event in self.events:
                if isinstance(event, kind) and all(
                    getattr(event, name) == value for name, value in values.items()
                ):
                    return event
            return None

        def what() -> str:
            seen = "\n  ".join(map(repr, self.events))
            return f"no {kind.__name__} with {values}; there were:\n  {seen}"

        found = wait_for(look, what, within_s)
        assert found is not None
        return found

    # ------------------------------------------------------------------ its loop

    def call(self, function: Callable[[], T]) -> T:
        """Call a function on the server's loop, and return what it returns."""
        return self._running.call(function)

    def run(self, coroutine: Coroutine[Any, Any, T], within_s: float = WITHIN_S) -> T:
        """Run a coroutine on the server's loop, and return what it returns."""
        return self._running.run(coroutine, within_s)

    @property
    def _running(self) -> LoopThread:
        assert self._loop is not None, "the server does not run"
        return self._loop
