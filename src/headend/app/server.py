"""This module is a whole server: what starts it, reloads it and stops it."""

import asyncio
import logging
import socket
from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from pathlib import Path
from time import time
from typing import TYPE_CHECKING, Final

from headend import __version__, files, logs
from headend.access.address_lists import AddressCheck
from headend.app import parts
from headend.app.closing import Closing
from headend.app.running_file import RunningFile
from headend.errors import SettingsError
from headend.events import ServerStarted, ServerStopping
from headend.live.rtmp_connection import RtmpConnection
from headend.live.services import Services
from headend.net.listener import Listener, bound_address, listening_text, open_socket
from headend.net.peer import Peer
from headend.net.tls_facts import TlsFacts
from headend.net.tls_transport import TlsTransport
from headend.net.transport import Transport
from headend.notify.integrations import Integrations
from headend.settings import (
    NEEDS_RESTART,
    Address,
    LoadedSettings,
    RuleBook,
    Settings,
    changed_keys,
    secret_values,
)
from headend.store import admin_token, data_folder
from headend.store.records import AuditEntry, Outcome
from headend.tls.folder_watch import FolderWatch

if TYPE_CHECKING:
    from headend.fallback.fallbacks import Fallbacks
    from headend.hooks import Hooks
    from headend.http.server import HttpServer
    from headend.relay.relays import Relays
    from headend.tls.acme import AcmeClient
    from headend.tls.port import TlsPort

log = logging.getLogger(__name__)

CERTIFICATE_CHECK_S: Final = 24 * 3600.0
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
        self._addresses = AddressCheck(loaded.settings.auth)
        self._hooks = hooks
        self._listeners: list[Listener] = []
        self._http: HttpServer | None = None
        self._tls: TlsPort | None = None
        self._acme: AcmeClient | None = None
        self._fallbacks: Fallbacks | None = None
        self._relays: Relays | None = None
        self._running: RunningFile | None = None
        self._watch = FolderWatch(self._files_changed)
        self._sweep: asyncio.TimerHandle | None = None
        self._certificate_check: asyncio.TimerHandle | None = None
        self.addresses: dict[str, list[str]] = {"rtmp": [], "tls": [], "http": []}
        self.new_admin_token: str | None = None

    @property
    def services(self) -> Services:
        """What the connections share; there after `start`."""
        return self._services

    async def start(self) -> None:
        """Listen.

        Raises:
            SettingsError: The data folder or a certificate cannot be used.
            HeadendError: An address cannot be used.
            Whatever it raises, nothing is left open.
        """
        settings = self._loaded.settings
        token, is_new = admin_token.load_or_create(settings.data)
        async with AsyncExitStack() as opened:
            rtmp = _open(settings.rtmp.listen, opened)
            tls = _open(settings.tls.listen, opened)
            http = _open(settings.http.listen, opened)
            self._services = parts.services(settings, self.reload)
            self._services.gate.checks.append(self._addresses)
            parts.show_addresses(self._services, settings)
            self._services.runtime.secrets.protect([token, *secret_values(settings)])
            opened.push_async_callback(self._release)
            self._join(settings)
            self._services.addresses = self.addresses
            self._services.sources = self._loaded.sources
            self._listeners.append(Listener(self._services.runtime, "rtmp", rtmp, self._take_rtmp))
            if tls or http:
                # Not loaded by a server without HTTP: aiohttp takes a third of a second.
                from headend.http.server import HttpServer

                self._http = HttpServer(self._services, token)
                await self._http.start()
                if http:
                    self._listeners.append(
                        Listener(
                            self._services.runtime,
                            "http",
                            http,
                            self._http.take,
                            has_proxy_header=False,
                        )
                    )
                if tls:
                    self._start_tls(tls, self._http)
            opened.pop_all()
        for name, sockets in (("rtmp", rtmp), ("tls", tls), ("http", http)):
            self.addresses[name] = [bound_address(sock) for sock in sockets]
            for sock in sockets:
                log.info("%s listens on %s", name, listening_text(sock))
        self._warn_of_open_files()
        self._services.access.configure(self._services.rules, self._rtmps())
        self._services.access.start()
        recorder = self._services.recorder
        assert recorder is not None
        recorder.start(self._services.access.database, parts.node(settings))
        self._provide_fallbacks(settings)
        self._provide_relays(settings)
        self._sweep_streams()
        self._running = RunningFile(settings.data, self.addresses)
        self._services.events.emit(ServerStarted(time=time(), version=__version__))
        if is_new:
            self.new_admin_token = token
            log.info(
                "a new admin token for the API is in %s", settings.data / admin_token.FILE_NAME
            )

    def _warn_of_open_files(self) -> None:
        """Warn of files with secrets that others may use, and say what mends it."""
        loaded = self._loaded
        settings = loaded.settings
        lines = data_folder.warnings(settings.data, settings.auth.database.get_secret_value())
        if loaded.path is not None and loaded.has_secrets_in_file:
            lines += files.warnings([loaded.path], files.STRANGERS)
        for line in lines:
            log.warning("%s", line)

    def _join(self, settings: Settings) -> None:
        """Join other programs, before anybody asks for what they have a say in."""
        services, access = self._services, self._services.access
        path = self._loaded.path
        integrations = services.integrations = Integrations(
            services.loop,
            services.events,
            access.gate.authorizers,
            access.database,
            parts.node(settings),
        )
        integrations.start(settings, None if path is None else path.parent, self._hooks)

    def _start_tls(self, sockets: Sequence[socket.socket], http: "HttpServer") -> None:
        # Not loaded by a server without TLS.
        from headend.tls.port import TlsPort

        store = parts.certificates(self._loaded.settings)
        port = self._tls = TlsPort(
            self._services.runtime, store, self._take_secure_rtmp, http.take_secure
        )
        self._services.tls = port
        self._listeners.append(Listener(self._services.runtime, "tls", sockets, port.take))
        if self._loaded.settings.tls.acme.domains:
            # Not loaded by a server without ACME: its library takes a quarter of a second.
            from headend.tls.acme import AcmeClient

            has_http = bool(self._loaded.settings.http.listen)
            self._acme = AcmeClient(self._services.runtime, port, has_http=has_http)
            self._acme.start()
        if store.is_self_signed:
            log.info(
                "tls serves a self-signed certificate: SHA-256 fingerprint %s",
                store.certificates[0].fingerprint,
            )
        self._warn_of_certificates()

    def _take_rtmp(self, sock: socket.socket, peer: Peer) -> None:
        connection = RtmpConnection(self._services, peer)
        connection.start(Transport(sock, self._services.poller, connection))

    @property
    def shutdown_s(self) -> float:
        """Seconds that a stop may take."""
        return self._loaded.settings.limits.shutdown_s

    def _take_secure_rtmp(
        self, transport: TlsTransport, data: bytes, peer: Peer, facts: TlsFacts
    ) -> None:
        connection = RtmpConnection(self._services, peer, facts)
        transport.hand_over(connection)
        connection.start(transport)
        connection.data_received(data)

    async def stop(self) -> None:
        """Stop accepting, tell players and publishers, and close within `limits.shutdown_s`."""
        services = self._services
        services.is_stopping = True
        services.events.emit(ServerStopping(time=time()))
        log.info("stopping: %d RTMP connections", len(services.connections))
        for listener in self._listeners:
            listener.close()
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
        for listener in self._listeners:
            listener.close()
        for session in services.sessions():
            session.abort()
        for part in (self._running, self._fallbacks):
            if part is not None:
                part.close()
        for timer in (self._sweep, self._certificate_check):
            if timer is not None:
                timer.cancel()
        closing = Closing(services.loop.time() + self.shutdown_s if end is None else end)
        closing.add("relays", None if self._relays is None else self._relays.close)
        closing.add("ACME", None if self._acme is None else self._acme.stop)
        closing.add("HTTP", None if self._http is None else self._http.close)
        await closing.run()
        if services.rates is not None:
            services.rates.close()
        services.deadlines.close()
        services.poller.close()
        services.notes.close()
        # These write down how all of that ended, in the database that is closed last.
        closing.add("audit trail", None if services.recorder is None else services.recorder.close)
        joined = services.integrations
        closing.add("webhooks and hooks", None if joined is None else joined.close)
        await closing.run()
        closing.add("database", services.access.close)
        await closing.run()
        closing.finish()
        services.runtime.secrets.close()

    # ------------------------------------------------------------------ what changes on disk

    async def watch_files(self) -> None:
        """Reload settings and certificates when their files change, until cancelled."""
        path = self._loaded.path
        if path is not None:  # its folder, because editors replace files
            self._watch.add({path.parent.resolve()})
        self._watch_certificates()
        await self._watch.run()

    def _watch_certificates(self) -> None:
        if self._tls is not None:
            self._watch.add(self._tls.store.watch_paths())

    def _files_changed(self, changed: AbstractSet[str]) -> None:
        path = self._loaded.path
        if path is not None and any(Path(each).name == path.name for each in changed):
            self.reload()  # the certificates too
        else:
            self.reload_certificates()

    def reload_certificates(self) -> list[str]:
        """Serve certificates that changed on disk; one that is wrong is not served.

        Returns:
            What happened, as logged; nothing where nothing changed.
        """
        lines: list[str] = []
        if self._tls is not None:
            from headend.tls.certificate_events import tell_reloaded

            for result in self._tls.store.reload(datetime.now(UTC)):
                tell_reloaded(self._services.events, result)
                if result.outcome == "kept":
                    self._tls.failed_reloads += 1
                if result.outcome != "unchanged":
                    level = logging.ERROR if result.outcome == "kept" else logging.INFO
                    lines.append(_say(level, str(result)))
        return lines

    def _check_certificates(self) -> None:
        """Once a day: renew our own certificate, warn of any that is about to expire."""
        self.reload_certificates()
        self._warn_of_certificates()

    def _warn_of_certificates(self) -> None:
        """Warn now, and check again in a day."""
        # Not loaded by a server without TLS.
        from headend.tls.certificate_events import tell_expiring

        assert self._tls is not None
        tell_expiring(self._services.events, self._tls.store.certificates, datetime.now(UTC))
        for line in self._tls.store.warnings(datetime.now(UTC)):
            log.warning("%s", line)
        self._certificate_check = self._services.loop.call_later(
            CERTIFICATE_CHECK_S, self._check_certificates
        )

    def reload(self) -> list[str]:
        """Read settings and certificates again; what needs no restart takes effect at once.

        A wrong file changes nothing.

        Returns:
            What happened, as logged.
        """
        return [*self.reload_certificates(), *self._reload_settings()]

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
        if self._tls is not None and loaded.settings.tls != self._loaded.settings.tls:
            self._tls.store = parts.certificates(loaded.settings)
            self._watch_certificates()
            if self._acme is not None:
                self._acme.serve_last()
        changed = changed_keys(self._loaded.settings, loaded.settings)
        if not changed:
            return [_say(logging.INFO, "settings reloaded: nothing changed")]
        self._loaded = loaded
        self._apply(loaded.settings)
        self._note("settings.change", "done", ", ".join(changed))
        lines: list[str] = []
        if now := [key for key in changed if key not in NEEDS_RESTART]:
            lines.append(_say(logging.INFO, f"settings reloaded: {', '.join(now)}"))
        if later := [key for key in changed if key in NEEDS_RESTART]:
            lines.append(_say(logging.WARNING, f"settings that need a restart: {', '.join(later)}"))
        return lines

    def _note(self, action: str, outcome: Outcome, detail: str) -> None:
        """Note in the audit trail what was done by a file or a signal."""
        recorder = self._services.recorder
        if recorder is not None:
            recorder.note(AuditEntry(time(), "settings file", action, "", None, outcome, detail))

    def _apply(self, settings: Settings) -> None:
        services = self._services
        services.runtime.rules = RuleBook(settings)
        services.sources = self._loaded.sources
        services.access.configure(services.rules, self._rtmps())
        if services.integrations is not None:
            services.integrations.configure(settings)
        self._addresses.configure(settings.auth)
        parts.show_addresses(services, settings)
        services.runtime.secrets.protect(secret_values(settings))
        services.admission.limits = settings.limits
        if services.recorder is not None:
            services.recorder.retention_days = settings.audit.retention_days
            services.recorder.history_days = settings.privacy.history_days
        # The chunk size is part of encodings that live players share.
        services.session_settings = parts.session_settings(
            settings,
            chunk_size=services.session_settings.chunk_size,
            server_id=services.server_id,
        )
        services.registry.configure(parts.registry_settings(settings, services.rules))
        self._provide_fallbacks(settings)
        self._provide_relays(settings)
        services.poller.configure(settings.live.flush_ms / 1000, settings.live.flush)
        if self._configures_log:
            logs.configure(settings.log.level, settings.log.format)

    def _provide_fallbacks(self, settings: Settings) -> None:
        if self._services.rules.uses("live.fallback") and self._fallbacks is None:
            # Not loaded by a server without them: it encodes.
            from headend.fallback.fallbacks import Fallbacks

            self._fallbacks = Fallbacks(self._services)

    def _provide_relays(self, settings: Settings) -> None:
        if self._relays is not None:
            self._relays.reload(settings)
        elif settings.relay.out or settings.relay.in_ or self._http is not None:
            # Not loaded by a server that has none, and no API to add any.
            from headend.relay.relays import Relays

            self._services.relays = self._relays = Relays(self._services, parts.node(settings))
            self._relays.start()

    def _rtmps(self) -> str:
        """Say what a peer is told to use that must come over TLS."""
        tls = self.addresses["tls"]
        return f"rtmps://HOST:{tls[0].rpartition(':')[2]}" if tls else "rtmps://"

    def _sweep_streams(self) -> None:
        loop = self._services.loop
        self._sweep = loop.call_later(SWEEP_S, self._sweep_streams)
        self._services.registry.sweep(loop.time())
        self._services.notes.tick(loop.time())


def _say(level: int, line: str) -> str:
    """Log a line, and return it for whoever asked."""
    log.log(level, "%s", line)
    return line


def _open(addresses: Sequence[Address], opened: AsyncExitStack) -> list[socket.socket]:
    return [opened.enter_context(open_socket(address)) for address in addresses]
