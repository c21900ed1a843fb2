"""Metrics as Prometheus reads them: made at most once a second, a piece in each turn of the loop.

    who asks ─► what is there is young ─► the same text
                └─ else: streams, 20 in a turn ─► families ─► samples, 40 in a turn ─► text

Whoever may not know which streams there are gets those that are open to all by name, and the
others as one.
"""

import asyncio
import json
from collections.abc import Iterable
from typing import Final

from prometheus_client import CollectorRegistry, PlatformCollector, ProcessCollector
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector
from pydantic import TypeAdapter

from headend.http import metrics
from headend.http.api.together import merged_streams
from headend.http.passing import Passing
from headend.http.summing import plain, summed
from headend.live import status
from headend.live.services import Services

FRESH_S: Final = 1.0
SAMPLES: Final = 40  # written in one turn: under a millisecond
CONTENT_TYPE: Final = CONTENT_TYPE_LATEST
MEMBERS_ROUTE: Final = "/worker/metrics"  # for worker 0 alone
NAMES_ALL: Final = "names_all"  # its parameter
_STREAMS: Final = TypeAdapter(list[status.StreamStatus])


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
        texts = []
        for family in await self._families(names_all=names_all):
            for start in range(0, max(len(family.samples), 1), SAMPLES):
                texts.append(_written(family, start))
                await asyncio.sleep(0)
        return b"".join(texts)

    async def _families(self, *, names_all: bool) -> list[Metric]:
        """Read all metrics; of several workers, those of all."""
        services, passing = self._services, self._services.features.find(Passing)
        may_name = _any if names_all else services.gate.is_open
        streams = await status.in_turns(services, status.listed(services))
        if passing is None:
            return [*_process(), *metrics.collect(services, streams, may_name)]
        answers = await passing.ask("GET", f"{MEMBERS_ROUTE}?{NAMES_ALL}={int(names_all)}")
        documents = {each.member.worker: each.document() for each in answers if each.status == 200}
        described = _STREAMS.dump_python(streams, mode="json")
        described += [each for document in documents.values() for each in document["streams"]]
        streams = _STREAMS.validate_python(merged_streams(described))
        own = [*_process(), *metrics.collect(services, streams, may_name)]
        return summed(own, {number: each["families"] for number, each in documents.items()})

    async def for_first(self, *, names_all: bool) -> bytes:
        """Return the metrics of this worker for worker 0, which puts them together."""
        services = self._services
        may_name = _any if names_all else services.gate.is_open
        streams = await status.in_turns(services, status.listed(services))
        families = [*_process(), *metrics.collect_own(services, may_name)]
        document = {
            "families": plain(families),
            "streams": _STREAMS.dump_python(streams, mode="json"),
        }
        return json.dumps(document).encode()


def _process() -> list[Metric]:
    process = CollectorRegistry()
    ProcessCollector(registry=process)
    PlatformCollector(registry=process)
    return list(process.collect())


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
