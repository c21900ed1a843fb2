"""Metrics as Prometheus reads them: made at most once a second, a piece in each turn of the loop.

    who asks ─► what is there is young ─► the same text
                └─ else: streams, 20 in a turn ─► families ─► samples, 40 in a turn ─► text

Whoever may not know which streams there are gets those that are open to all by name, and the
others as one.
"""

import asyncio
from collections.abc import Iterable
from typing import Final

from prometheus_client import CollectorRegistry, PlatformCollector, ProcessCollector
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from headend.http import metrics
from headend.live import status
from headend.live.services import Services

FRESH_S: Final = 1.0
SAMPLES: Final = 40  # written in one turn: under a millisecond
CONTENT_TYPE: Final = CONTENT_TYPE_LATEST


class Exposition:
    """The text of the metrics."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._making = asyncio.Lock()
        self._made: dict[bool, tuple[float, bytes]] = {}

    async def text(self, *, names_all: bool) -> bytes:
        """Return the metrics of now, or of a second ago.

        Args:
            names_all: Name private streams too.
        """
        async with self._making:
            now = self._services.loop.time()
            at, made = self._made.get(names_all, (-FRESH_S, b""))
            if not made or now - at >= FRESH_S:
                made = await self._make(names_all=names_all)
                self._made[names_all] = self._services.loop.time(), made
            return made

    async def _make(self, *, names_all: bool) -> bytes:
        process = CollectorRegistry()
        ProcessCollector(registry=process)
        PlatformCollector(registry=process)
        texts = [generate_latest(process)]
        streams = await status.in_turns(self._services, status.listed(self._services))
        may_name = _any if names_all else self._services.gate.is_open
        for family in metrics.collect(self._services, streams, may_name):
            for start in range(0, max(len(family.samples), 1), SAMPLES):
                texts.append(_written(family, start))
                await asyncio.sleep(0)
        return b"".join(texts)


def _any(path: str) -> bool:
    return True


class _Piece(Collector):
    """Some samples of a family."""

    def __init__(self, family: Metric) -> None:
        self._family = family

    def collect(self) -> Iterable[Metric]:
        return (self._family,)


def _written(family: Metric, start: int) -> bytes:
    """Write some samples of a family, and its head before the first."""
    piece = Metric(family.name, family.documentation, family.type, family.unit)
    piece.samples = family.samples[start : start + SAMPLES]
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Piece(piece))
    text = generate_latest(registry)
    if not start:
        return text
    return b"".join(line for line in text.splitlines(keepends=True) if not line.startswith(b"#"))
