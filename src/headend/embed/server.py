"""`headend.Server`: a whole server inside any asyncio program.

    async with Server(rtmp={"listen": ":1935"}) as server:
        async with server.stream("live/a") as stream:
            async for tag in stream:
                ...

It changes nothing of the process: no signals, no log handlers, no garbage collector, no limits of
open files. Any number of servers live side by side.
"""

import asyncio
import tempfile
import weakref
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import asdict
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, Literal, Self, TypeVar, overload
from urllib.parse import quote

from headend import app
from headend.app.features import FeatureMaker
from headend.embed.events import MAX_WAITING, EventStream
from headend.embed.given import Given, Values
from headend.embed.streams import MAX_TAGS, EmbeddedPlayer, EmbeddedPublisher
from headend.errors import SettingsError, UsageError
from headend.events import Event
from headend.hooks import Hooks
from headend.live import status
from headend.live.services import Services
from headend.names import stream_path
from headend.outputs.tag_queue import Policy
from headend.settings import LoadedSettings, Settings
from headend.store import admin_token

E = TypeVar("E", bound=Event)

Form = Literal[
    "rtmp", "rtmps", "http-flv", "https-flv", "ws-flv", "wss-flv", "hls", "https-hls", "watch",
    "https-watch", "thumbnail", "https-thumbnail",
]  # fmt: skip
# Listener, and the URL: of its address and of the stream's path.
_FORMS: Final[Mapping[Form, tuple[str, str]]] = MappingProxyType(
    {
        "rtmp": ("rtmp", "rtmp://{}/{}"),
        "rtmps": ("tls", "rtmps://{}/{}"),
        "http-flv": ("http", "http://{}/{}.flv"),
        "https-flv": ("tls", "https://{}/{}.flv"),
        "ws-flv": ("http", "ws://{}/{}.flv"),
        "wss-flv": ("tls", "wss://{}/{}.flv"),
        "hls": ("http", "http://{}/{}/index.m3u8"),
        "https-hls": ("tls", "https://{}/{}/index.m3u8"),
        "watch": ("http", "http://{}/watch/{}"),
        "https-watch": ("tls", "https://{}/watch/{}"),
        "thumbnail": ("http", "http://{}/{}/thumbnail.jpg"),
        "https-thumbnail": ("tls", "https://{}/{}/thumbnail.jpg"),
    }
)


class Server:
    """A whole server inside an asyncio program. `start` and `stop` do what `async with` does."""

    def __init__(
        self,
        settings: Settings | LoadedSettings | Values | None = None,
        /,
        *,
        hooks: Hooks | str | None = None,
        features: Sequence[FeatureMaker] = (),
        watch_files: bool = False,
        **sections: Any,
    ) -> None:
        """Prepare a server; nothing is opened yet.

        Args:
            settings: Values by section (`{"rtmp": {"listen": ":1935"}}`) or by key
                (`{"rtmp.listen": ":1935"}`); then nothing listens that is not named, and without
                `data` the state lies in a temporary folder. A `Settings` object, or what
                `load_settings` returns, is taken as it is.
            hooks: Who may publish and play, and what is told of what happens: functions that run in
                this program's loop (plain ones in threads). A text is the setting of that name.
            features: Of this program, such as a class that inherits `headend.Feature`: each is
                called with `services` and started with the server.
            watch_files: Reload when the settings file or a certificate changes.
            sections: Values by section as keywords: `rtmp={"listen": ":1935"}`.

        Raises:
            SettingsError: A setting is wrong; says which.
        """
        if isinstance(hooks, str):
            sections["hooks"] = hooks
        self._hooks = hooks if isinstance(hooks, Hooks) else None
        self._features = tuple(features)
        self._given = Given(settings, sections)
        if self._given.loaded.settings.workers != 1:
            raise SettingsError("workers: a server inside a program is one process; leave it at 1")
        self._watches_files = watch_files
        self._app: app.Server | None = None
        self._opened = AsyncExitStack()
        self._event_streams: weakref.WeakSet[EventStream[Any]] = weakref.WeakSet()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    # ------------------------------------------------------------------ start and stop

    async def start(self) -> None:
        """Listen; once it returns, publishers and players are taken.

        Whatever it raises, nothing is left open.

        Raises:
            SettingsError: The data folder or a certificate cannot be used.
            HeadendError: An address cannot be used.
            UsageError: It runs already.
        """
        if self._app is not None:
            raise UsageError("the server runs already")
        async with AsyncExitStack() as opened:
            if self._given.needs_folder:
                folder = tempfile.TemporaryDirectory(prefix="headend-")
                self._given.use_folder(Path(opened.enter_context(folder)))
            server = app.Server(
                self._given.loaded,
                configures_log=False,
                hooks=self._hooks,
                features=self._features,
            )
            await server.start()
            opened.push_async_callback(server.stop)
            if self._watches_files:
                watching = asyncio.create_task(server.watch_files(), name="headend: watch files")
                opened.push_async_callback(_end, watching)
            self._opened = opened.pop_all()
            self._app = server

    async def stop(self) -> None:
        """Tell players and publishers, and close everything within `limits.shutdown_s`.

        Streams and events of this process end. A server that does not run stays as it is.
        """
        self._app = None
        try:
            await self._opened.aclose()
        finally:
            for events in list(self._event_streams):
                events.close()

    @property
    def _running(self) -> app.Server:
        if self._app is None:
            raise UsageError("the server does not run")
        return self._app

    @property
    def services(self) -> Services:
        """Objects that all connections share; internal, may change with any version."""
        return self._running.services

    # ------------------------------------------------------------------ streams

    def stream(
        self, path: str, *, policy: Policy = "newest", limit: int = MAX_TAGS
    ) -> EmbeddedPlayer:
        """Play a stream in this process, over no socket: `async with`, then `async for`.

        Args:
            path: `APP/NAME`.
            policy: Over the limit, `newest` goes on at the newest keyframe and counts it in
                `skips`; `all` leaves nothing out, and fails.
            limit: Most tags that wait to be taken.

        Raises:
            ProtocolError: No stream can have such a path.
            UsageError: The server does not run.
        """
        return EmbeddedPlayer(self.services, path, policy, limit)

    def publish(self, path: str, *, key: str | None = None) -> EmbeddedPublisher:
        """Publish a stream from this process, over no socket: `async with`, then `write`.

        Args:
            path: `APP/NAME`.
            key: Publishers with the same key take the name over from each other.

        Raises:
            ProtocolError: No stream can have such a path.
            UsageError: The server does not run.
        """
        return EmbeddedPublisher(self.services, path, key)

    def streams(self) -> list[dict[str, Any]]:
        """Describe every stream, with the keys and values that the API gives."""
        return [asdict(each) for each in status.streams(self.services)]

    # ------------------------------------------------------------------ events

    @overload
    def events(self, *, limit: int = MAX_WAITING) -> EventStream[Event]: ...

    @overload
    def events(self, *kinds: type[E], limit: int = MAX_WAITING) -> EventStream[E]: ...

    def events(self, *kinds: type[Event], limit: int = MAX_WAITING) -> EventStream[Any]:
        """Receive what happens from now until the server stops: `async for`.

        Args:
            kinds: Classes of `headend.events`; none: all of them.
            limit: Most events that wait to be taken; then the oldest are left out, and counted.

        Raises:
            UsageError: The server does not run.
        """
        stream: EventStream[Any] = EventStream(self.services.events, kinds or (Event,), limit)
        self._event_streams.add(stream)
        return stream

    # ------------------------------------------------------------------ addresses

    @property
    def addresses(self) -> Mapping[str, Sequence[str]]:
        """Addresses of its listeners, `HOST:PORT` or `unix:PATH`: rtmp, tls and http."""
        return self._running.addresses

    def url(self, path: str, form: Form = "rtmp") -> str:
        """Return the URL at which others on this machine find a stream.

        Args:
            path: `APP/NAME`.
            form: The protocol.

        Raises:
            ProtocolError: No stream can have such a path.
            SettingsError: The listener for it is off.
            UsageError: The server does not run.
        """
        listener, url = _FORMS[form]
        addresses = [each for each in self.addresses[listener] if not each.startswith("unix:")]
        if not addresses:
            raise SettingsError(f"{form} needs {listener}.listen, and it is off")
        name = stream_path(path)
        # RTMP takes paths literally.
        return url.format(addresses[0], name if form in ("rtmp", "rtmps") else quote(name))

    @property
    def admin_token(self) -> str:
        """The admin token, for the management API."""
        return admin_token.load_or_create(self.settings.data)[0]

    # ------------------------------------------------------------------ settings

    @property
    def settings(self) -> Settings:
        """The settings in effect."""
        return self._given.loaded.settings if self._app is None else self.services.settings

    def reload(
        self, settings: Settings | LoadedSettings | Values | None = None, /, **sections: Any
    ) -> list[str]:
        """Change settings, and read again what lies in files; what needs no restart holds at once.

        Args:
            settings: As at the start; values go on top of those given before. None: only files.
            sections: Values by section as keywords, as at the start.

        Returns:
            What happened, a line each; it is in the log too.

        Raises:
            SettingsError: A setting is wrong; nothing has changed.
            UsageError: The server does not run.
        """
        server = self._running
        if settings is None and not sections:
            return server.reload()
        given = self._given.changed(settings, sections)
        lines = server.change(given.loaded)
        self._given = given
        return lines


async def _end(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.wait([task])
