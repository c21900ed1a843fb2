"""A whole server: its start, its reload and its stop."""

import asyncio
import logging
from collections.abc import Sequence
from contextlib import AsyncExitStack
from time import time
from typing import TYPE_CHECKING, Final

from headend import __version__, files
from headend.access.address_lists import AddressCheck
from headend.app import parts
from headend.app.closing import Closing
from headend.app.features import FeatureList, FeatureMaker, Ground
from headend.app.listeners import Listeners
from headend.app.running_file import RunningFile
from headend.app.steering import Steering
from headend.events import ServerStarted, ServerStopping
from headend.live.services import Services
from headend.settings import (
    LoadedSettings,
    RuleBook,
    Settings,
    secret_values,
)
from headend.store import admin_token, data_folder

if TYPE_CHECKING:
    from headend.app.crew import Crew
    from headend.hooks import Hooks
    from headend.http.server import HttpServer
    from headend.workers.tether import Tether

log = logging.getLogger(__name__)

SWEEP_S: Final = 0.5  # how often streams look at the time
# Of `limits.shutdown_s`: until when connections are waited for, and until when all is closed.
PEERS_SHARE: Final = 0.5
PARTS_SHARE: Final = 0.9
LEAST_S: Final = 0.25  # for what closes in no time, and must not be lost with a limit of 0


class Server:
    """A whole server inside a running event loop.

    Attributes:
        new_admin_token: Admin token that was made at this start; None: there was one already.
        addresses: Where it listens, by listener (`rtmp`, `tls`, `http`, `srt`); known after
            `start`.
    """

    _services: Services
    _listeners: Listeners
    _features: FeatureList

    def __init__(
        self,
        loaded: LoadedSettings,
        *,
        configures_log: bool = True,
        hooks: "Hooks | None" = None,
        features: Sequence[FeatureMaker] = (),
        tether: "Tether | None" = None,
    ) -> None:
        """Prepare; `start` and `stop` follow, once each.

        Args:
            loaded: Its settings.
            configures_log: The log of the process is this server's; false for an embedded one.
            hooks: Hooks of the program that embeds the server; they run in its loop.
            features: Features of that program; made and started after those of the server.
            tether: Ties a worker to its supervisor; None: this server has no others beside it.
        """
        self._steering = Steering(loaded, lambda: self._services.features, self._apply)
        self._configures_log = configures_log
        self._address_check = AddressCheck(loaded.settings.auth)
        self._hooks = hooks
        self._own_features = features
        self._tether = tether
        self._crew: Crew | None = None
        self._running: RunningFile | None = None
        self._sweep: asyncio.TimerHandle | None = None
        self.addresses: dict[str, list[str]] = {"rtmp": [], "tls": [], "http": [], "srt": []}
        self.new_admin_token: str | None = None

    @property
    def services(self) -> Services:
        """Objects that all connections share; there after `start`."""
        return self._services

    @property
    def shutdown_s(self) -> float:
        """Seconds that a stop may take."""
        return self._steering.loaded.settings.limits.shutdown_s

    # ------------------------------------------------------------------ start

    async def start(self) -> None:
        """Open the listeners and begin to serve.

        Raises:
            SettingsError: The data folder or a certificate cannot be used.
            HeadendError: An address cannot be used.
            Whatever it raises, nothing is left open.
        """
        settings = self._steering.loaded.settings
        token, is_new = admin_token.load_or_create(settings.data)
        if self._tether is not None:
            from headend.app.crew import Crew

            self._crew = Crew(self._tether)
        crew = self._crew
        self._listeners = Listeners(settings, None if crew is None else crew.worker.sockets)
        async with AsyncExitStack() as opened:
            opened.callback(self._listeners.close)
            self._services = services = parts.services(
                settings, self._listeners.addresses, None if crew is None else crew.worker
            )
            opened.push_async_callback(self._release)
            services.gate.checks.append(self._address_check)
            parts.show_addresses(services, settings)
            services.runtime.secrets.protect([token, *secret_values(settings)])
            services.access.configure(services.rules, self._listeners.rtmps)
            if crew is not None:
                crew.join(services, self._steering.reload)
            self._features = FeatureList(self._ground(), self._own_features)
            self._features.make()
            self._add_addresses()
            http = await self._http(token)
            self._listeners.begin(services, http)
            if crew is not None:
                opened.callback(crew.close)
                crew.begin(services, http)
            opened.pop_all()
        self.addresses.update(self._listeners.addresses)
        self._warn_of_open_files()
        services.access.start()
        self._sweep_streams()
        if crew is None:  # else the supervisor writes it
            self._running = RunningFile(
                settings.data,
                self.addresses,
                config=self._steering.loaded.path,
                has_own_database=bool(settings.auth.database.get_secret_value()),
            )
        services.events.emit(ServerStarted(time=time(), version=__version__))
        if is_new:
            self.new_admin_token = token
            log.info(
                "a new admin token for the API is in %s", settings.data / admin_token.FILE_NAME
            )

    def _add_addresses(self) -> None:
        for name, found in self._services.features.addresses().items():
            self._listeners.addresses[name] = list(found)

    def _ground(self) -> Ground:
        path, has = self._steering.loaded.path, self._listeners.has
        folder = None if path is None else path.parent
        return Ground(self._services, folder, self._hooks, has("http"), has("tls"), self._crew)

    async def _http(self, token: str) -> "HttpServer | None":
        """Make what serves HTTP, after the features whose routes it serves."""
        if not (self._listeners.has("http") or self._listeners.has("tls")):
            return None
        # Not loaded by a server without HTTP: aiohttp takes a third of a second.
        from headend.http.server import HttpServer

        http = HttpServer(self._services, token, self._steering)
        await http.set_up()
        self._services.features.add(http, ())
        return http

    def _warn_of_open_files(self) -> None:
        """Warn of files with secrets that others may use, and say what mends it."""
        loaded = self._steering.loaded
        settings = loaded.settings
        lines = data_folder.warnings(settings.data, settings.auth.database.get_secret_value())
        if loaded.path is not None and loaded.has_secrets_in_file:
            lines += files.warnings([loaded.path], files.STRANGERS)
        for line in lines:
            log.warning("%s", line)

    def _sweep_streams(self) -> None:
        loop = self._services.loop
        self._sweep = loop.call_later(SWEEP_S, self._sweep_streams)
        self._services.registry.sweep(loop.time())
        self._services.notes.tick(loop.time())

    # ------------------------------------------------------------------ stop

    async def stop(self) -> None:
        """Stop accepting, tell players and publishers, and close within `limits.shutdown_s`."""
        services = self._services
        sessions = services.sessions
        sessions.is_stopping = True
        services.events.emit(ServerStopping(time=time()))
        log.info("stopping: %d RTMP connections", len(sessions.connections))
        self._listeners.close()
        if services.gate.claiming is not None:
            services.gate.claiming.part()
        services.registry.end_all()  # players are told by their streams
        for session in sessions.all():
            session.stop()
        loop = services.loop
        began = loop.time()
        end = began + PEERS_SHARE * self.shutdown_s
        try:
            while sessions.all() and loop.time() < end:  # noqa: ASYNC110
                await asyncio.sleep(0.02)
        finally:  # also when the embedding program has no more time
            await self._release(began + max(PARTS_SHARE * self.shutdown_s, LEAST_S))
        log.info("stopped")

    async def _release(self, end: float | None = None) -> None:
        """Close what this server has opened, as far as it got.

        Args:
            end: Until when it may take, in seconds of the loop.
        """
        services = self._services
        self._listeners.close()
        if self._crew is not None:
            self._crew.close()
        for session in services.sessions.all():
            session.abort()
        if self._running is not None:
            self._running.close()
        if self._sweep is not None:
            self._sweep.cancel()
        closing = Closing(services.loop.time() + self.shutdown_s if end is None else end)
        for feature in services.features:
            if not feature.ends_last:
                closing.add(feature.name, feature.stop)
        await closing.run()
        services.rates.close()
        services.deadlines.close()
        services.poller.close()
        services.notes.close()
        # These write down how all of that ended, in the database that is closed last.
        for feature in services.features:
            if feature.ends_last:
                closing.add(feature.name, feature.stop)
        await closing.run()
        closing.add("database", services.access.close)
        await closing.run()
        closing.finish()
        services.runtime.secrets.close()

    # ------------------------------------------------------------------ reload

    async def watch_files(self) -> None:
        """Reload settings and certificates when their files change, until cancelled."""
        await self._steering.watch_files()

    def reload(self) -> list[str]:
        """Read settings and certificates again; see `Steering.reload`."""
        return self._steering.reload()

    def change(self, loaded: LoadedSettings) -> list[str]:
        """Take other settings; see `Steering.change`."""
        return self._steering.change(loaded)

    def _apply(self, settings: Settings) -> None:
        services = self._services
        services.runtime.rules = RuleBook(settings)
        services.access.configure(services.rules, self._listeners.rtmps)
        self._address_check.configure(settings.auth)
        parts.show_addresses(services, settings)
        services.runtime.secrets.protect(secret_values(settings))
        services.admission.limits = settings.limits
        services.registry.configure(parts.registry_settings(settings, services.rules))
        services.features.configure(settings)
        services.poller.configure(settings.live.flush_ms / 1000, settings.live.flush)
        services.poller.bulk.is_wanted = settings.live.flush_io_uring
        if self._configures_log:
            parts.configure_log(settings)
        self._features.make_late()
