"""Limits of pure objects, as a server makes them of the settings' defaults."""

from dataclasses import replace
from types import SimpleNamespace
from typing import Any, Final, cast

from headend.app.parts import registry_settings
from headend.hls.limits import HlsLimits, limits_of
from headend.hub.registry import NameSettings, RegistrySettings
from headend.hub.stream import StreamSettings
from headend.live.rtmp_settings import RtmpSettings
from headend.net.runtime import Runtime
from headend.outputs.fanout import Clock, Encoder, Fanout
from headend.rtmp.chunks import ChunkLimits, ChunkReader
from headend.rtmp.session import SessionSettings
from headend.settings import RuleBook, Settings

SETTINGS: Final = Settings()
_RUNTIME: Final = cast("Runtime", SimpleNamespace(settings=SETTINGS))
_SESSION: Final = RtmpSettings(_RUNTIME, "").now
_REGISTRY: Final = registry_settings(SETTINGS, RuleBook(SETTINGS))
_NAME: Final = _REGISTRY.of("live/a")


def session_settings(**changes: Any) -> SessionSettings:
    return replace(_SESSION, **changes)


def chunk_limits(**changes: Any) -> ChunkLimits:
    return replace(_SESSION.chunk_limits, **changes)


def chunk_reader() -> ChunkReader:
    return ChunkReader(_SESSION.chunk_limits)


def stream_settings(**changes: Any) -> StreamSettings:
    return replace(_NAME.stream, **changes)


def name_settings(**changes: Any) -> NameSettings:
    return replace(_NAME, **changes)


def names(streams: int = _REGISTRY.streams, **changes: Any) -> RegistrySettings:
    """Give all names the same settings."""
    same = name_settings(**changes)
    return RegistrySettings(streams, lambda path: same)


def hls_limits(**changes: Any) -> HlsLimits:
    return replace(limits_of(SETTINGS.hls), **changes)


def default_fanout(encoder: Encoder, clock: Clock, **changes: Any) -> Fanout:
    live = SETTINGS.live
    return Fanout(encoder, clock, **{"log_s": live.log_s, "log_bytes": live.log_bytes, **changes})
