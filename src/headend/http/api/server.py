"""The API's part about the server as a whole: state, certificates, settings."""

import os
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final, Literal, Protocol, get_args, get_origin

from aiohttp import web

from headend import __version__
from headend.errors import SettingsError, StorageError
from headend.features.routes import Route
from headend.http.api import models
from headend.http.api.auditing import TARGET
from headend.http.api.route import V1, read_body
from headend.http.problems import Problem
from headend.live import status
from headend.live.services import Services
from headend.settings import KEYS, NEEDS_RESTART, is_editable, plain_values, takes


class SettingsSource(Protocol):
    """The source of the server's settings, which can be read again."""

    @property
    def sources(self) -> Mapping[str, str]:
        """Where each setting came from, if not from its default."""

    @property
    def waiting(self) -> list[str]:
        """Keys whose change takes effect with the next start."""

    @property
    def path(self) -> Path | None:
        """The settings file; None: there is none."""

    @property
    def fixed(self) -> str:
        """Why settings cannot be edited here; empty: they can."""

    def reload(self) -> list[str]:
        """Read settings and files again; return what happened, a line each."""

    async def edit(self, changes: Mapping[str, object], *, saves: bool) -> list[str]:
        """Change keys of the settings file, or only look; return what happened, a line each.

        Raises:
            SettingsError: The change is wrong, or the file cannot be written; nothing changed.
            StorageError: The disk is full or broken.
        """


def routes(services: Services, source: SettingsSource) -> Sequence[Route]:
    """List the operations."""
    api = _Server(services, source)
    return (
        Route("GET", f"{V1}/server", "The server as a whole.", api.server, models.Server),
        Route("GET", f"{V1}/certificates", "Certificates that are served.", api.certificates,
              models.Certificates),
        Route("GET", f"{V1}/settings", "Settings in effect; secrets are hidden.", api.settings,
              models.Settings),
        Route("PUT", f"{V1}/settings", "Change settings in the settings file.", api.change_settings,
              models.SettingsChanged, models.SettingsChange, statuses=(409,),
              action="settings.change"),
        Route("POST", f"{V1}/reload", "Read settings and certificates again.", api.reload,
              models.Messages, action="settings.reload"),
    )  # fmt: skip


def describe(services: Services) -> models.Server:
    """Describe the server as it is now."""
    sessions = [session for session in services.sessions if not session.is_over]
    rates = services.rates
    started = datetime.fromtimestamp(services.started, UTC)
    uptime = timedelta(seconds=services.loop.time() - services.began)
    return models.Server(
        version=__version__,
        pid=os.getpid(),
        started=started.isoformat(timespec="seconds"),
        uptime_s=round(uptime.total_seconds(), 3),
        is_stopping=services.sessions.is_stopping,
        is_draining=services.draining.is_on,
        listeners=models.Listeners.model_validate(services.addresses),
        streams=sum(stream.is_live for stream in services.registry.streams()),
        sessions=len(sessions),
        viewers=sum(len(session.watching) for session in sessions),
        bytes_in=services.counters.bytes_in + sum(each.bytes_in for each in sessions),
        bytes_out=services.counters.bytes_out + sum(each.bytes_out for each in sessions),
        bit_rate_in=rates.bit_rate_in,
        bit_rate_out=rates.bit_rate_out,
        memory_bytes=resident_bytes(),
        loop_lag_s=round(rates.loop_lag_s, 4),
        features={name: dict(told) for name, told in services.features.status().items()},
    )


class _Server:
    def __init__(self, services: Services, source: SettingsSource) -> None:
        self._services: Final = services
        self._source: Final = source

    async def server(self, request: web.Request) -> models.Server:
        return describe(self._services)

    async def certificates(self, request: web.Request) -> models.Certificates:
        return models.Certificates(
            certificates=status.certificates(self._services, datetime.now(UTC))
        )

    async def settings(self, request: web.Request) -> models.Settings:
        sources = self._source.sources
        values = plain_values(self._services.settings)
        path, fixed = self._source.path, self._source.fixed
        return models.Settings(
            settings={
                key: _setting(key, value, sources.get(key, "default"))
                for key, value in values.items()
            },
            file=models.SettingsFile(
                path=None if path is None else str(path), is_writable=not fixed, reason=fixed
            ),
            waiting=self._source.waiting,
        )

    async def change_settings(self, request: web.Request) -> models.SettingsChanged:
        wanted = await read_body(request, models.SettingsChange)
        request[TARGET] = ", ".join(wanted.settings)
        if self._source.fixed:
            raise Problem(409, self._source.fixed)
        try:
            messages = await self._source.edit(wanted.settings, saves=not wanted.check_only)
        except SettingsError as error:
            raise Problem(422, "; ".join([str(error), *getattr(error, "__notes__", ())])) from None
        except StorageError as error:
            raise Problem(507, str(error)) from None
        return models.SettingsChanged(messages=messages, waiting=self._source.waiting)

    async def reload(self, request: web.Request) -> models.Messages:
        return models.Messages(messages=self._source.reload())


def _setting(key: str, value: object, source: str) -> models.Setting:
    info = KEYS[key]
    is_choice = get_origin(info.annotation) is Literal
    return models.Setting(
        value=value,
        source=source,
        takes=takes(key, info),
        meaning=info.description or "",
        choices=list(get_args(info.annotation)) if is_choice else [],
        is_editable=is_editable(key),
        needs_restart=key in NEEDS_RESTART,
    )


def resident_bytes() -> int:
    """Return the resident memory of this process; 0 where the system does not tell."""
    try:
        with open("/proc/self/statm", encoding="ascii") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return 0
