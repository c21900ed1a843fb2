"""A whole server: what starts it, reloads it and stops it."""

import asyncio
import logging
from collections.abc import Set as AbstractSet
from contextlib import AsyncExitStack
from pathlib import Path
from time import time
from typing import TYPE_CHECKING, Final

from headend import __version__, files, logs
from headend.access.address_lists import AddressCheck
from headend.app import parts
from headend.app.closing import Closing
from headend.app.features import FeatureList, Ground
from headend.app.listeners import Listeners
from headend.app.running_file import RunningFile
from headend.errors import SettingsError
from headend.events import ServerStarted, ServerStopping
from headend.live.services import Services
from headend.settings import (
    NEEDS_RESTART,
    LoadedSettings,
    RuleBook,
    Settings,
    changed_keys,
    secret_values,
)
from headend.store import admin_token, data_folder
from headend.store.recorder import Recorder
from headend.store.records import AuditEntry, Outcome
from headend.tls.folder_watch import FolderWatch

if TYPE_CHECKING:
    from headend.hooks import Hooks
    from headend.http.server import HttpServer

log = logging.getLogger(__name__)

SWEEP_S: Final = 0.5  # how often streams look at the time
# Of `limits.shutdown_s`: until when connections are waited for, and until when all is closed.
PEERS_SHARE: Final = 0.5
PARTS_SHARE: Final = 0.9
LEAST_S: Final = 0.25  # for what closes in no time, and must not be lost with a limit of 0


class Server:
    """A whole server inside a running event loop.

    Attributes:
        new_admin_token: Made at this start, which is the server's first; None: it was there.
        addresses: Where it listens, by listener (`rtmp`, `tls`, `http`); known after `start`.
    """

    def __init__(
        self,
        loaded: LoadedSettings,
        *,
        configures_log: bool = True,
        hooks: "Hooks | None" = None,
    ) -> None:
        """Prepare; `start` and `stop` follow, once each.

        Args:
            loaded: Its settings.
            configures_log: The log of the process is this server's; false for an embedded one.
            hooks: Of the program that embeds the server; they run in its loop.
        """
        self._loaded = loaded
        self._configures_log = configures_log
        self._address_check = AddressCheck(loaded.settings.auth)
        self._hooks = hooks
        self._http: HttpServer | None = None
        self._running: RunningFile | None = None
        self._watch = FolderWatch(self._files_changed)
        self._sweep: asyncio.TimerHandle | None = None
        self.addresses: dict[str, list[str]] = {"rtmp": [], "tls": [], "http": []}
        self.new_admin_token: str | None = None

    @property
    def services(self) -> Services:
        """What the connections share; there after `start`."""
        return self._services

    @property
    def shutdown_s(self) -> float:
        """Seconds that a stop may take."""
        return self._loaded.settings.limits.shutdown_s

    # ------------------------------------------------------------------ start

    async def start(self) -> None:
        """Listen.

        Raises:
            SettingsError: The data folder or a certificate cannot be used.
            HeadendError: An address cannot be used.
            Whatever it raises, nothing is left open.
        """
        settings = self._loaded.settings
        token, is_new = admin_token.load_or_create(settings.data)
        self._listeners = Listeners(settings)
        async with AsyncExitStack() as opened:
            opened.callback(self._listeners.close)
            self._services = services = parts.services(settings, self.reload)
            opened.push_async_callback(self._release)
            services.gate.checks.append(self._address_check)
            parts.show_addresses(services, settings)
            services.runtime.secrets.protect([token, *secret_values(settings)])
            services.addresses = self.addresses
            services.sources = self._loaded.sources
            services.access.configure(services.rules, self._listeners.rtmps)
            self._features = FeatureList(self._ground())
            self._features.make()
            await self._start_http(token)
            self._listeners.begin(services, self._http)
            opened.pop_all()
        self.addresses.update(self._listeners.addresses)
        self._warn_of_open_files()
        services.access.start()
        self._sweep_streams()
        self._running = RunningFile(settings.data, self.addresses)
        services.events.emit(ServerStarted(time=time(), version=__version__))
        if is_new:
            self.new_admin_token = token
            log.info(
                "a new admin token for the API is in %s", settings.data / admin_token.FILE_NAME
            )

    def _ground(self) -> Ground:
        path, has = self._loaded.path, self._listeners.has
        folder = None if path is None else path.parent
        return Ground(self._services, folder, self._hooks, has("http"), has("tls"))

    async def _start_http(self, token: str) -> None:
        if self._listeners.has("http") or self._listeners.has("tls"):
            # Not loaded by a server without HTTP: aiohttp takes a third of a second.
            from headend.http.server import HttpServer

            self._http = HttpServer(self._services, token)
            await self._http.start()

    def _warn_of_open_files(self) -> None:
        """Warn of files with secrets that others may use, and say what mends it."""
        loaded = self._loaded
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
        services.is_stopping = True
        services.events.emit(ServerStopping(time=time()))
        log.info("stopping: %d RTMP connections", len(services.connections))
        self._listeners.close()
        services.registry.end_all()  # players are told by their streams
        for session in services.sessions():
            session.stop()
        loop = services.loop
        began = loop.time()
        end = began + PEERS_SHARE * self.shutdown_s
        try:
            while (services.connections or services.viewers) and loop.time() < end:  # noqa: ASYNC110
                await asyncio.sleep(0.02)
        finally:  # also when whoever embeds us has no more time
            await self._release(began + max(PARTS_SHARE * self.shutdown_s, LEAST_S))
        log.info("stopped")

    async def _release(self, end: float | None = None) -> None:
        """Close what this server has opened, as far as it got.

        Args:
            end: Until when it may take, in seconds of the loop.
        """
        services = self._services
        self._listeners.close()
        for session in services.sessions():
            session.abort()
        if self._running is not None:
            self._running.close()
        if self._sweep is not None:
            self._sweep.cancel()
        closing = Closing(services.loop.time() + self.shutdown_s if end is None else end)
        closing.add("HTTP", None if self._http is None else self._http.close)
        for feature in services.features:
            if not feature.ends_last:
                closing.add(feature.name, feature.stop)
        await closing.run()
        if services.rates is not None:
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
        path = self._loaded.path
        if path is not None:  # its folder, because editors replace files
            self._watch.add({path.parent.resolve()})
        self._watch_files_of_features()
        await self._watch.run()

    def _watch_files_of_features(self) -> None:
        for feature in self._services.features:
            if folders := feature.files():
                self._watch.add(set(folders))

    def _files_changed(self, changed: AbstractSet[str]) -> None:
        path = self._loaded.path
        if path is not None and any(Path(each).name == path.name for each in changed):
            self.reload()  # what features have in files too
        else:
            self._services.features.reload()

    def reload(self) -> list[str]:
        """Read settings and files of features again; what needs no restart takes effect at once.

        A wrong file changes nothing.

        Returns:
            What happened, as logged.
        """
        return [*self._services.features.reload(), *self._reload_settings()]

    def _reload_settings(self) -> list[str]:
        try:
            return self.change(self._loaded.reload())
        except SettingsError as error:
            faults = (str(error), *getattr(error, "__notes__", ()))
            self._note("settings.change", "failed", faults[0])
            return [_say(logging.ERROR, f"settings not reloaded: {fault}") for fault in faults]

    def change(self, loaded: LoadedSettings) -> list[str]:
        """Take other settings; what needs no restart takes effect at once.

        Returns:
            What happened, as logged.

        Raises:
            SettingsError: A certificate is wrong; nothing has changed.
        """
        self._services.features.check(loaded.settings)
        changed = changed_keys(self._loaded.settings, loaded.settings)
        if not changed:
            return [_say(logging.INFO, "settings reloaded: nothing changed")]
        self._loaded = loaded
        self._apply(loaded.settings)
        self._watch_files_of_features()
        self._note("settings.change", "done", ", ".join(changed))
        lines: list[str] = []
        if now := [key for key in changed if key not in NEEDS_RESTART]:
            lines.append(_say(logging.INFO, f"settings reloaded: {', '.join(now)}"))
        if later := [key for key in changed if key in NEEDS_RESTART]:
            lines.append(_say(logging.WARNING, f"settings that need a restart: {', '.join(later)}"))
        return lines

    def _note(self, action: str, outcome: Outcome, detail: str) -> None:
        """Note in the audit trail what was done by a file or a signal."""
        entry = AuditEntry(time(), "settings file", action, "", None, outcome, detail)
        self._services.features[Recorder].note(entry)

    def _apply(self, settings: Settings) -> None:
        services = self._services
        services.runtime.rules = RuleBook(settings)
        services.sources = self._loaded.sources
        services.access.configure(services.rules, self._listeners.rtmps)
        self._address_check.configure(settings.auth)
        parts.show_addresses(services, settings)
        services.runtime.secrets.protect(secret_values(settings))
        services.admission.limits = settings.limits
        # The chunk size is part of encodings that live players share.
        services.session_settings = parts.session_settings(
            settings,
            chunk_size=services.session_settings.chunk_size,
            server_id=services.server_id,
        )
        services.registry.configure(parts.registry_settings(settings, services.rules))
        services.features.configure(settings)
        self._features.make()
        services.poller.configure(settings.live.flush_ms / 1000, settings.live.flush)
        if self._configures_log:
            logs.configure(settings.log.level, settings.log.format)


def _say(level: int, line: str) -> str:
    """Log a line, and return it for whoever asked."""
    log.log(level, "%s", line)
    return line
