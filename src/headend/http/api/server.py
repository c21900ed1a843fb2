"""The API's part about the server as a whole: state, certificates, settings."""

import os
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final, Protocol

from aiohttp import web

from headend import __version__
from headend.features.routes import Route
from headend.http.api import models
from headend.http.api.route import V1
from headend.live import status
from headend.live.services import Services
from headend.settings.keys import plain_values


class SettingsSource(Protocol):
    """The source of the server's settings, which can be read again."""

    @property
    def sources(self) -> Mapping[str, str]:
        """Where each setting came from, if not from its default."""

    def reload(self) -> list[str]:
        """Read settings and files again; return what happened, a line each."""


def routes(services: Services, source: SettingsSource) -> Sequence[Route]:
    """List the operations."""
    api = _Server(services, source)
    return (
        Route("GET", f"{V1}/server", "The server as a whole.", api.server, models.Server),
        Route("GET", f"{V1}/certificates", "Certificates that are served.", api.certificates,
              models.Certificates),
        Route("GET", f"{V1}/settings", "Settings in effect; secrets are hidden.", api.settings,
              models.Settings),
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
        return models.Settings(
            settings={
                key: models.Setting(value=value, source=sources.get(key, "default"))
                for key, value in values.items()
            }
        )

    async def reload(self, request: web.Request) -> models.Messages:
        return models.Messages(messages=self._source.reload())


def resident_bytes() -> int:
    """Return the resident memory of this process; 0 where the system does not tell."""
    try:
        with open("/proc/self/statm", encoding="ascii") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return 0
