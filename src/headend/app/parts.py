"""The parts of a server, built from its settings."""

import asyncio
import logging
import secrets
import socket
from collections.abc import Mapping, Sequence
from hashlib import sha256
from time import time
from typing import TYPE_CHECKING, Final

from headend import files, logs
from headend.access.access import Access
from headend.events import Event, Events
from headend.features.features import Features
from headend.hub.registry import NameSettings, Registry, RegistrySettings
from headend.hub.standby import FallbackSettings
from headend.hub.stream import StreamSettings
from headend.live.arrivals import Arrivals
from headend.live.bars import Bars
from headend.live.limits import StreamLimits
from headend.live.open_sessions import OpenSessions
from headend.live.rates import Rates
from headend.live.rtmp_settings import RtmpSettings
from headend.live.services import Services
from headend.live.stream_observer import StreamObserver
from headend.live.waiting import give_up
from headend.logs import Repeats
from headend.net.admission import Admission
from headend.net.deadlines import Deadlines
from headend.net.notes import Notes
from headend.net.poller import Poller
from headend.net.pseudonyms import PSEUDONYMS, Pseudonyms
from headend.net.runtime import Runtime
from headend.redaction import Secrets
from headend.rtmp.hops import ID_BYTES
from headend.settings import RuleBook, Settings

if TYPE_CHECKING:
    from headend.workers.worker import Worker

log = logging.getLogger(__name__)

ALONE: Final = "alone"  # node of a server whose database is in its data folder


def services(
    settings: Settings, addresses: Mapping[str, Sequence[str]], worker: "Worker | None" = None
) -> Services:
    """Make the services that all connections share, on the running loop.

    Args:
        settings: Settings at the start.
        addresses: Where the server listens, by listener.
        worker: One of several that serve together; None: there is no other.
    """
    loop = asyncio.get_running_loop()
    live = settings.live

    def report(path: str, error: Exception) -> None:
        runtime.counters.sink_errors += 1
        log.error("stream %s: an output failed and is detached", logs.shown(path), exc_info=error)

    def report_subscriber(event: Event, error: Exception) -> None:
        log.error("event %s: a subscriber failed: a bug", event.name, exc_info=error)

    events = Events(report_subscriber)
    pseudonyms = Pseudonyms()
    runtime = Runtime(
        loop,
        Poller(loop, live.flush_ms / 1000, live.flush),
        Deadlines(loop),
        Admission(settings.limits),
        RuleBook(settings),
        events,
        Notes(events, loop, pseudonyms),
        pseudonyms,
        Secrets(),
    )
    runtime.poller.bulk.is_wanted = live.flush_io_uring
    features = Features(runtime)
    server_id = secrets.token_hex(ID_BYTES)
    registry = Registry(
        registry_settings(settings, runtime.rules),
        report,
        StreamObserver(events, loop, features),
        give_up,
    )
    made = Services(
        runtime=runtime,
        began=loop.time(),
        started=time(),
        registry=registry,
        sessions=OpenSessions(runtime.counters, None if worker is None else worker.next_number),
        arrivals=Arrivals(runtime),
        undecided=Repeats(log, "requests not decided", level=logging.ERROR),
        access=Access(loop, settings, events, pseudonyms),
        rtmp=RtmpSettings(runtime, server_id),
        rates=Rates(runtime, registry, features),
        features=features,
        addresses=addresses,
        server_id=server_id,
        bars=Bars(loop.time),
    )
    limits = StreamLimits(made)
    made.gate.limiters += [made.draining, made.bars, limits]
    made.rates.observers.append(limits.sweep)
    return made


def configure_log(settings: Settings) -> None:
    """Have the log of this process be as the settings want it."""
    logs.configure(settings.log.level, settings.log.format, file=settings.log.file)


def check_log(settings: Settings) -> None:
    """Look whether the file of the log can be written.

    Raises:
        SettingsError: It cannot.
        StorageError: The disk is full or broken.
    """
    if settings.log.file is not None:
        try:
            logs.check_file(settings.log.file)
        except OSError as error:
            raise files.fault(f"log.file {settings.log.file}", error) from error


def node(settings: Settings) -> str:
    """Name this server among those that share its database: by its machine and its folder.

    A database in the data folder belongs to one server, which has a fixed name: the machine's name
    does not count there, because a container that is made anew gets another one.
    """
    if not settings.auth.database.get_secret_value():
        return ALONE
    name = f"{socket.gethostname()}:{settings.data.resolve()}"
    return sha256(name.encode()).hexdigest()[:16]


def show_addresses(made: Services, settings: Settings) -> None:
    """Have log and database show addresses as `privacy.addresses` wants."""
    privacy = settings.privacy
    key = made.access.secret.derive(PSEUDONYMS)
    made.runtime.pseudonyms.configure(key, privacy.addresses, privacy.pseudonym_days)


def registry_settings(settings: Settings, rules: RuleBook) -> RegistrySettings:
    """Return the rules by which the registry gives names to publishers."""

    def of(path: str) -> NameSettings:
        live = rules.of(path).live
        return NameSettings(
            StreamSettings(live.log_s, live.log_bytes, live.reconnect_window_s),
            live.takeover,
            FallbackSettings(live.fallback_after_s, live.fallback_steady_s, live.fallback_hold_s),
        )

    return RegistrySettings(settings.limits.streams, of)
