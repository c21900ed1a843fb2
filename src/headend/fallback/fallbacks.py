"""The feature that makes stand-ins for the publishers of streams, by the settings.

stream begins ─► its rule ─► stand-ins, which the hub puts on air when it is silent
media come    ─► the format of the stream ─► its slate is encoded, before it is needed
"""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from headend.codec.slate import Slate, SlateFormat
from headend.errors import MediaError, Rejected
from headend.events import Event, StreamActive, StreamEnded
from headend.fallback.loop_feed import LoopFeed
from headend.fallback.stand_in import Feed, StandIn
from headend.fallback.stream_feed import StreamFeed
from headend.features.feature import Feature
from headend.hub.stream import Stream
from headend.live.services import Services
from headend.media.headers import Codec
from headend.media.tag import AUDIO, VIDEO, Tag
from headend.media.track_config import TrackConfig, track_config
from headend.settings import StreamRules
from headend.settings.live import FallbackSource
from headend.sources.files import MediaSource, open_source

UNKNOWN: Final = SlateFormat(TrackConfig(VIDEO, Codec.H264), TrackConfig(AUDIO, Codec.AAC))

# Slates by what they show: of a picture in a file, None of our own.
_Slates = dict[Path | None, "asyncio.Task[Slate]"]


class Fallbacks(Feature):
    """The feature: it makes stand-ins for each stream that begins, and slates in its format."""

    name = "fallback"

    def __init__(self, services: Services) -> None:
        """Begin."""
        self._services = services
        self._formats: dict[str, SlateFormat] = {}
        self._slates: dict[str, _Slates] = {}
        self._unsubscribe = services.events.subscribe(self._take)

    async def stop(self) -> None:
        """Make no stand-ins for streams that begin from now on."""
        self._unsubscribe()
        for path in list(self._slates):
            self._forget(path)

    def _take(self, event: Event) -> None:
        if isinstance(event, StreamActive):
            self._note_format(event.stream)
        elif isinstance(event, StreamEnded):
            self._forget(event.stream)

    def _sources(self, path: str) -> Sequence[FallbackSource]:
        return self._services.rules.of(path).fallback

    def stream_began(self, stream: Stream, rules: StreamRules) -> None:
        """Have stand-ins wait for the publisher to fall silent."""
        services, path = self._services, stream.path
        for rank, source in enumerate(rules.fallback, 1):
            if source.kind == "backup":  # comes by itself
                continue
            feed = self._feed(source.of(path), path)
            with suppress(Rejected):  # the name is taken by a publisher of that rank
                StandIn(services, path, str(source), rank, feed).begin()

    def _feed(self, source: FallbackSource, path: str) -> Feed:
        if source.kind == "stream":
            return StreamFeed(self._services.registry, path, source.name)
        if source.kind == "file":
            return LoopFeed(str(source), path, lambda: _opened(source.name))
        picture = Path(source.name) if source.kind == "image" else None
        return LoopFeed(str(source), path, lambda: self._slate(path, picture))

    # ------------------------------------------------------------------ slates

    def _note_format(self, path: str) -> None:
        """Encode slates for what the publisher brings, unless they are there."""
        registry = self._services.registry
        stream, on_air = registry.stream(path), registry.publication(path)
        if stream is None or on_air is None or on_air.place.is_on_demand:
            return
        format = format_of(stream.headers())
        if format == SlateFormat(None, None) or self._formats.get(path) == format:
            return
        self._forget(path)
        self._formats[path] = format
        for source in self._sources(path):
            if source.kind in ("slate", "image"):
                name = source.of(path).name
                self._encode(path, Path(name) if name else None)

    def _encode(self, path: str, picture: Path | None) -> "asyncio.Task[Slate]":
        format = self._formats.get(path, UNKNOWN)
        made = asyncio.create_task(asyncio.to_thread(Slate, format, picture))
        made.add_done_callback(lambda task: task.cancelled() or task.exception())  # told when used
        self._slates.setdefault(path, {})[picture] = made
        return made

    async def _slate(self, path: str, picture: Path | None) -> MediaSource:
        made = self._slates.get(path, {}).get(picture)
        return await (made or self._encode(path, picture))

    def _forget(self, path: str) -> None:
        self._formats.pop(path, None)
        for made in self._slates.pop(path, {}).values():
            made.cancel()


def format_of(headers: Sequence[Tag]) -> SlateFormat:
    """Return the format of a slate for a stream, by its sequence headers."""
    found: dict[int, TrackConfig] = {}
    for tag in headers:
        with suppress(MediaError):
            config = track_config(tag)
            if config is not None and config.kind not in found:
                found[config.kind] = config
    return SlateFormat(found.get(VIDEO), found.get(AUDIO))


async def _opened(name: str) -> MediaSource:
    return await asyncio.to_thread(open_source, name, None, {})
