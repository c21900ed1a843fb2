"""Streams and sessions as plain values, for the API, for metrics and for programs."""

import asyncio
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Annotated, Final, Literal, cast

from pydantic import ConfigDict, Field

from headend.errors import MediaError
from headend.hub.stream import Stream, StreamState
from headend.live.health import Finding, Ingest, findings
from headend.live.services import Services
from headend.live.session import Measured, Session
from headend.media.codecs import is_description, parse_audio_header, parse_video_header
from headend.media.tag import AUDIO, SCRIPT, VIDEO, Tag, TagKind
from headend.media.track_config import MAX_RECORD, TrackConfig, track_config
from headend.net.figures import Figures
from headend.net.tls_facts import TlsFacts
from headend.outputs.fanout import Fanout
from headend.tls.served import ServedCertificates

TURN: Final = 20  # streams that are described in one turn of the loop

State = Literal["live", "interrupted", "waiting"]


@dataclass(frozen=True, slots=True)
class TrackStatus:
    """A track, as its sequence header tells; what is not known is empty, 0 or null."""

    __pydantic_config__ = ConfigDict(title="Track", extra="forbid")

    kind: Literal["audio", "video"]
    track: int
    codec: str
    codecs: Annotated[str, Field(description="As RFC 6381 writes it.")]
    width: int
    height: int
    frame_rate: float | None
    profile: str | None
    level: str | None
    sample_rate: int
    channels: int


@dataclass(frozen=True, slots=True)
class StreamStatus:
    """A stream by its name."""

    __pydantic_config__ = ConfigDict(title="Stream", extra="forbid")

    path: str
    app: str
    name: str
    title: Annotated[str, Field(description="For people; empty: it has none.")]
    description: str
    state: State
    uptime_s: float | None
    publisher: Annotated[
        str | None, Field(description="Address of the encoder, or what stands in for it.")
    ]
    standbys: Annotated[
        list[str],
        Field(description="The same of publishers that stand by, the next on air first."),
    ]
    tracks: list[TrackStatus]
    viewers: int
    late: Annotated[int, Field(description="Viewers that do not keep up.")]
    skips: Annotated[int, Field(description="How often a late viewer lost media.")]
    bytes_in: int
    repairs: Annotated[dict[str, int], Field(description="Timestamps mended, by cause.")]
    viewers_by_protocol: dict[str, int]
    bit_rate: Annotated[int, Field(description="bit/s published, over the last seconds.")]
    bit_rate_out: Annotated[int, Field(description="bit/s given to all viewers.")]
    frame_rate: float
    audio_rate: float
    keyframe_interval_s: float | None
    is_copy: Annotated[
        bool, Field(description="It is published at another server, and copied from there.")
    ]
    health: list[Finding]
    rules: Annotated[
        list[str],
        Field(
            description="What rules for some streams say of it, such as "
            "`hls.segment_s = 4 (vip/*)`."
        ),
    ]


@dataclass(frozen=True, slots=True)
class SessionStatus:
    """One peer that publishes or watches, that did so before, or that was refused."""

    __pydantic_config__ = ConfigDict(title="Session", extra="forbid")

    id: int
    protocol: str
    peer: str
    connected_s: float
    publishes: list[str]
    plays: list[str]
    bytes_in: int
    bytes_out: int
    user_agent: str | None
    tls: TlsFacts | None
    state: Literal["live", "over", "refused"] = "live"
    code: Annotated[
        str | None,
        Field(description="Code of its newest refusal, as its peer and the log were told."),
    ] = None
    reason: Annotated[
        str | None,
        Field(description="Why it was refused or is over, as its peer and the log were told."),
    ] = None
    network: Annotated[
        Figures | None, Field(description="How the network treats it; null: not known (only SRT).")
    ] = None
    ended_at: Annotated[float | None, Field(description="Unix seconds; null: it goes on.")] = None


@dataclass(frozen=True, slots=True)
class CertificateStatus:
    """A certificate that is served."""

    __pydantic_config__ = ConfigDict(title="Certificate", extra="forbid")

    names: list[str]
    issuer: str
    not_after: str
    expires_in_s: float
    fingerprint: str
    self_signed: bool


def sessions(services: Services, most: int | None = None) -> list[SessionStatus]:
    """Describe sessions that are not about to close, oldest first: all, or the first ones."""
    now = services.loop.time()
    running = [session for session in services.sessions.all() if not session.is_over]
    return [describe(session, now) for session in running[:most]]


def describe(session: Session, now: float) -> SessionStatus:
    """Describe one session; `now` in monotonic seconds."""
    return SessionStatus(
        id=session.id,
        protocol=session.protocol,
        peer=str(session.peer),
        connected_s=round(now - session.started, 3),
        publishes=session.publishing,
        plays=session.playing,
        bytes_in=session.bytes_in,
        bytes_out=session.bytes_out,
        user_agent=session.user_agent,
        tls=session.tls,
        network=session.figures if isinstance(session, Measured) else None,
    )


def certificates(services: Services, now: datetime) -> list[CertificateStatus]:
    """Describe every certificate that is served now; `now` is in UTC."""
    served = services.features.find(ServedCertificates)
    if served is None:
        return []
    return [
        CertificateStatus(
            names=list(certificate.names),
            issuer=certificate.issuer,
            not_after=certificate.not_after.isoformat(),
            expires_in_s=(certificate.not_after - now).total_seconds(),
            fingerprint=certificate.fingerprint,
            self_signed=certificate.is_self_signed,
        )
        for certificate in served.store.certificates
    ]


def listed(services: Services) -> list[Stream]:
    """Return every stream that is live, interrupted or waited for, oldest first."""
    return [each for each in services.registry.streams() if each.state is not StreamState.ENDED]


def streams(services: Services) -> list[StreamStatus]:
    """Describe every stream that is live, interrupted or waited for."""
    now, counts = services.loop.time(), viewers(services)
    return [_stream(services, each, now, counts[each.path]) for each in listed(services)]


def stream(services: Services, path: str) -> StreamStatus | None:
    """Describe one stream, as `streams` does; None if there is none."""
    found = services.registry.stream(path)
    if found is None or found.state is StreamState.ENDED:
        return None
    return _stream(services, found, services.loop.time(), viewers(services, path)[path])


async def in_turns(services: Services, known: Sequence[Stream]) -> list[StreamStatus]:
    """Describe these streams as `streams` does, TURN of them in one turn of the loop."""
    counts = viewers(services)
    described: list[StreamStatus] = []
    for start in range(0, len(known), TURN):
        if start:
            await asyncio.sleep(0)
        now = services.loop.time()
        described += [
            _stream(services, each, now, counts[each.path])
            for each in known[start : start + TURN]
            if each.state is not StreamState.ENDED
        ]
    return described


def viewers(services: Services, only: str | None = None) -> Mapping[str, Counter[str]]:
    """Count the viewers of every stream, or of one only, by protocol."""
    counts: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for session in services.sessions:
        for path in session.watching:
            if only in (None, path):
                counts[path][session.protocol] += 1
    return counts


def fanouts(stream: Stream) -> list[Fanout]:
    """Return the fan-outs of a stream: its sinks that have viewers."""
    return [sink for sink in stream.sinks() if isinstance(sink, Fanout)]


def _stream(
    services: Services, stream: Stream, now: float, protocols: Counter[str]
) -> StreamStatus:
    app, _, name = stream.path.rpartition("/")
    outputs = fanouts(stream)
    publication = services.registry.publication(stream.path)
    configs = stream_configs(stream)
    rates = services.rates.of(stream.path)
    interval = stream.keyframe_interval
    about = services.titles.of(stream, services.rules.of(stream.path).live)
    ingest = Ingest(
        0.0 if stream.began is None else now - stream.began,
        stream.is_live,
        configs,
        rates,
        None if interval is None else interval / 1000,
        sum(stream.timeline.repairs.values()),
        services.features.findings(stream),
        publication is not None and publication.has_start_codes,
    )
    return StreamStatus(
        path=stream.path,
        app=app or name,
        name=name if app else "",
        title=about.title,
        description=about.description,
        state=cast("State", stream.state.name.lower()),
        uptime_s=None if stream.began is None else round(now - stream.began, 3),
        publisher=None if publication is None else publication.publisher.peer,
        standbys=[each.publisher.peer for each in services.registry.standbys(stream.path)],
        tracks=[_track(config) for config in configs],
        viewers=sum(protocols.values()),
        late=sum(fanout.late for fanout in outputs),
        skips=sum(fanout.skips for fanout in outputs),
        bytes_in=stream.bytes_in,
        repairs={str(cause): count for cause, count in stream.timeline.repairs.items()},
        viewers_by_protocol=dict(protocols),
        bit_rate=rates.bit_rate,
        bit_rate_out=rates.bit_rate_out,
        frame_rate=rates.frame_rate,
        audio_rate=rates.audio_rate,
        keyframe_interval_s=ingest.keyframe_interval_s,
        is_copy=stream.is_copy,
        health=findings(ingest),
        rules=list(services.rules.of(stream.path).told),
    )


def tracks(stream: Stream) -> list[TrackStatus]:
    """Describe the tracks of a stream."""
    return [_track(config) for config in stream_configs(stream)]


def stream_configs(stream: Stream) -> list[TrackConfig]:
    """Return the tracks of a stream, video first."""
    configs = [config for tag in stream.headers() for config in _configs(tag.kind, tag.body)]
    for kind in (VIDEO, AUDIO):
        told = _config_by_frame(stream.frame(kind))
        if told is not None:
            configs = [each for each in configs if each.kind is not kind] + [told]
    return sorted(configs, key=lambda each: each.kind is AUDIO)


def _config_by_frame(frame: Tag | None) -> TrackConfig | None:
    """Say what a track is whose codec has no sequence header; None: it has one, or is damaged."""
    if frame is None:
        return None
    try:
        return track_config(frame)
    except MediaError:
        return None


def _track(config: TrackConfig) -> TrackStatus:
    return TrackStatus(
        kind="audio" if config.kind is AUDIO else "video",
        track=0,
        codec=str(config.codec),
        codecs=config.codecs,
        width=config.width,
        height=config.height,
        frame_rate=config.frame_rate,
        profile=config.profile,
        level=config.level,
        sample_rate=config.sample_rate,
        channels=config.channels,
    )


def _configs(kind: TagKind, body: bytes) -> tuple[TrackConfig, ...]:
    """Read a sequence header; one that is damaged names the codec only."""
    if len(body) > MAX_RECORD:  # refused at once, and too large to be kept
        return _read_configs.__wrapped__(kind, body)
    return _read_configs(kind, body)


@lru_cache(maxsize=1024)
def _read_configs(kind: TagKind, body: bytes) -> tuple[TrackConfig, ...]:
    if kind is SCRIPT:
        return ()
    tag = Tag(kind, 0, body, False, True)
    if is_description(tag):
        return ()
    try:
        return (track_config(tag),)
    except MediaError:
        pass
    try:
        header = parse_video_header(body) if kind is VIDEO else parse_audio_header(body)
    except MediaError:
        return ()  # relayed untouched, and not ours to judge
    return tuple(TrackConfig(kind, track.codec) for track in header.tracks)
