"""A server as a program: its log, its limits, its signals, its ready file."""

import asyncio
import gc
import logging
import resource
import sys
from collections.abc import Callable, Coroutine
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from headend.app import parts, service_manager
from headend.app.garbage import Collector
from headend.app.ready_file import write_ready_file
from headend.app.server import Server
from headend.app.signals import Signals
from headend.app.urls import web_url
from headend.drain.drain import Drain
from headend.settings import LoadedSettings
from headend.store import admin_token
from headend.tls.policy import ignore_garbled_names

if TYPE_CHECKING:
    from headend.workers.worker import Worker

log = logging.getLogger(__name__)

Companion: TypeAlias = Callable[[Server], Coroutine[None, None, None]]


def run(
    loaded: LoadedSettings,
    ready_file: Path | None = None,
    companion: Companion | None = None,
) -> int:
    """Run a server until SIGTERM or SIGINT, in the main thread; return the exit code.

    A stop takes `limits.shutdown_s` at most; then the process ends here.

    Args:
        loaded: Its settings.
        ready_file: Written once it listens.
        companion: Runs beside the server once it listens; cancelled before the server stops.
            An exception of the companion stops the server.

    Raises:
        SettingsError: The data folder cannot be used.
        StorageError: The disk is full or broken.
        HeadendError: An address cannot be used.
    """
    parts.check_log(loaded.settings)
    parts.configure_log(loaded.settings)
    _raise_descriptor_limit()
    ignore_garbled_names()
    worker = None
    if loaded.settings.workers != 1:
        # A server alone does without.
        from headend.app.workers import count_of, supervise

        if (count := count_of(loaded.settings)) > 1:
            supervised = supervise(loaded, count, ready_file)
            if isinstance(supervised, int):
                return supervised
            worker, ready_file = supervised, None
    with (
        Signals(is_worker=worker is not None) as signals,
        asyncio.Runner(loop_factory=loop_factory()) as runner,
    ):
        code = runner.run(_serve(loaded, ready_file, companion, signals, worker))
    gc.freeze()  # the process ends: looking for cycles once more would take up to seconds
    return code


def loop_factory() -> Callable[[], asyncio.AbstractEventLoop]:
    """Return the maker of uvloop's loop where uvloop is installed, else of asyncio's."""
    try:
        import uvloop
    except ImportError:
        return asyncio.new_event_loop
    return uvloop.new_event_loop


def _raise_descriptor_limit() -> None:
    """Use all the open files we may have: every viewer is one."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < hard:
        with suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


async def _serve(
    loaded: LoadedSettings,
    ready_file: Path | None,
    companion: Companion | None,
    signals: Signals,
    worker: "Worker | None",
) -> int:
    stop = signals.attach()
    tether = None
    if worker is not None:
        from headend.workers.tether import Tether

        tether = Tether(worker, signals.stop)
    server = Server(loaded, tether=tether)
    signals.limit_s = lambda: server.shutdown_s
    if not await _start(server, stop):
        return 0
    collector = Collector(asyncio.get_running_loop())
    collector.start()
    try:
        signals.reload_by(server.reload)
        if tether is None:
            drain = server.services.features[Drain]
            drain.over = signals.stop
            signals.drain_by(drain.begin, lambda: drain.seconds_before_stop)
        if tether is not None:
            tether.ready(server.addresses)
        _tell_admin_token(server, loaded.settings.data)
        if ready_file is not None and not stop.is_set():
            write_ready_file(ready_file, server.addresses)
        if tether is None:  # else the supervisor says it, once all workers serve
            service_manager.notify(service_manager.READY)
        async with asyncio.TaskGroup() as tasks:
            running = [
                tasks.create_task(server.watch_files()),
                tasks.create_task(_fail_with(server)),
            ]
            if companion is not None:
                running.append(tasks.create_task(companion(server)))
            await stop.wait()
            for task in running:
                task.cancel()
    finally:
        collector.stop()
        service_manager.notify(service_manager.STOPPING)
        await server.stop()
    return 0


async def _fail_with(server: Server) -> None:
    """Wait until the server can be of no use any more; raise why."""
    await asyncio.shield(server.services.access.failed)


async def _start(server: Server, stop: asyncio.Event) -> bool:
    """Start a server, unless it is asked to stop before it listens; say whether it runs.

    Raises:
        HeadendError: As `Server.start`.
    """
    starting = asyncio.ensure_future(server.start())
    asked = asyncio.ensure_future(stop.wait())
    await asyncio.wait((starting, asked), return_when=asyncio.FIRST_COMPLETED)
    asked.cancel()
    starting.cancel()  # no more than a word to one that is done
    await asyncio.wait((starting,))
    if starting.cancelled():
        log.info("stopped before it was ready")
        return False
    starting.result()
    return True


def _tell_admin_token(server: Server, data: Path) -> None:
    """Say on stdout how to sign in with the admin token that was made just now.

    A person at a terminal is told the token, everybody else where it lies: what is no terminal is
    kept, by `tee`, a container or a service, and read by others.
    """
    if server.new_admin_token is None:
        return
    told = server.new_admin_token if sys.stdout.isatty() else f"in {data / admin_token.FILE_NAME}"
    if page := web_url(server.addresses):
        told += f"; sign in with it at {page}console"
    with suppress(OSError):  # nobody reads it
        print(f"headend: the new admin token is {told}", flush=True)
