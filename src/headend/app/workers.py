"""A server of several workers: what is loaded before they are forked, and what is told after it."""

import importlib
import logging
import os
import socket
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from headend import logs
from headend.app import service_manager
from headend.app.ready_file import write_ready_file
from headend.app.running_file import RunningFile
from headend.settings import LoadedSettings, Settings
from headend.workers import systemd
from headend.workers.ports import SharedPorts
from headend.workers.supervisor import Supervisor
from headend.workers.switch import TableSwitch
from headend.workers.worker import Worker

log = logging.getLogger(__name__)

# What a server loads sooner or later: once here, so that all workers share the memory.
_ALWAYS: Final = (
    "headend.app.crew",
    "headend.workers.tether",
    "headend.http.server",
    "headend.hls.streams",
    "headend.hls.viewers",
    "headend.record.recordings",
    "headend.record.recorders",
    "headend.record.played",
    "headend.relay.relays",
    "headend.thumbnails.thumbnails",
    "headend.relay.api",
    "headend.record.api",
    "headend.notify.api",
    "headend.notify.integrations",
    "headend.notify.webhooks",
    "headend.net.outgoing",
    "headend.store.keys",
    "headend.store.database",
    "headend.store.audit",
    "headend.store.history",
    "headend.store.relay_store",
    "joserfc.jwk",
    "uvloop",
)


def count_of(settings: Settings) -> int:
    """Return how many workers the settings ask for; 1: no supervisor is needed."""
    return (os.cpu_count() or 1) if settings.workers == "auto" else settings.workers


def supervise(loaded: LoadedSettings, count: int, ready_file: Path | None) -> Worker | int:
    """Run workers until SIGTERM or SIGINT.

    Returns:
        The exit code; and in each process of a worker, what it is.

    Raises:
        HeadendError: An address or the data folder cannot be used.
    """
    settings = loaded.settings
    _load(settings)
    logs.write_without_thread()
    running: list[RunningFile] = []

    def ready(addresses: Mapping[str, Sequence[str]]) -> None:
        told = {name: list(found) for name, found in addresses.items()}
        running.append(
            RunningFile(
                settings.data,
                told,
                config=loaded.path,
                has_own_database=bool(settings.auth.database.get_secret_value()),
            )
        )
        if ready_file is not None:
            write_ready_file(ready_file, told)
        service_manager.notify(service_manager.READY)

    ports = SharedPorts(settings, count, systemd.handed_over())
    supervisor = Supervisor(
        ports,
        count,
        TableSwitch(ports, socket.gethostname()),
        shutdown_s=settings.limits.shutdown_s,
        ready=ready,
    )
    worker = supervisor.run()
    for each in running:
        if isinstance(worker, int):
            each.close()
        else:
            each.leave()
    return worker


def _load(settings: Settings) -> None:
    for name in _ALWAYS:
        try:
            importlib.import_module(name)
        except ModuleNotFoundError:
            if name.startswith("headend."):
                raise
