"""Streams and sessions as plain values, for the API and for metrics."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from datetime import datetime
from functools import lru_cache
from typing import TypedDict

from headend.errors import MediaError
from headend.hub.stream import Stream, StreamState
from headend.live.health import Ingest, findings
from headend.live.rates import StreamRates
from headend.live.services import Services
from headend.live.sessions import Session
from headend.media.codecs import is_description, parse_audio_header, parse_video_header
from headend.media.tag import AUDIO, SCRIPT, VIDEO, Tag, TagKind
from headend.media.track_config import MAX_RECORD, TrackConfig, track_config
from headend.net.tls_facts import TlsFacts
from headend.outputs.fanout import Fanout


class TrackStatus(TypedDict):
    """One track, as its sequence header tells, or a frame of a codec that has none.

    See `TrackConfig`. Unknown: "", 0 or null.
    """

    kind: str
    track: int
    codec: str
    codecs: str
    width: int
    height: int
    frame_rate: float | None
    profile: str | None
    level: str | None
    sample_rate: int
    channels: int


class Finding(TypedDict):
    """One thing to know of a stream's ingest; level: "ok" or "warning"."""

    level: str
    text: str


class StreamStatus(TypedDict):
    """One stream.

    Keys: path; app and name, its parts; state: "waiting", "live" or "interrupted"; uptime_s: since
    the first publisher came, null before; publisher: its address or what stands in for it, null
    without one; standbys: who would be next, likewise; tracks; viewers and, of these, late ones;
    skips: how often a late viewer lost media; bytes_in: bytes of media;
    repairs: timestamp faults mended, by cause; bit_rate and bit_rate_out (bit/s), frame_rate and
    audio_rate (frames a second) of the last few seconds; keyframe_interval_s: the newest, null
    before there is one; health: what to look at; rules: what rules for some streams say of it.
    """

    path: str
    app: str
    name: str
    state: str
    uptime_s: float | None
    publisher: str | None
    standbys: list[str]
    tracks: list[TrackStatus]
    viewers: int
    late: int
    skips: int
    bytes_in: int
    repairs: dict[str, int]
    viewers_by_protocol: dict[str, int]
    bit_rate: int
    bit_rate_out: int
    frame_rate: float
    audio_rate: float
    keyframe_interval_s: float | None
    health: list[Finding]
    rules: list[str]


class TlsStatus(TypedDict):
    """What a TLS handshake agreed on; see `TlsFacts`."""

    version: str
    cipher: str
    server_name: str | None
    resumed: bool
    client_certificate: str | None


class SessionStatus(TypedDict):
    """One RTMP or RTMPS session.

    Keys: id; protocol: "rtmp" or "rtmps"; peer: address and port; connected_s: since it was
    accepted; publishes and plays: paths of streams; bytes_in: received; tls: null without TLS.
    """

    id: int
    protocol: str
    peer: str
    connected_s: float
    publishes: list[str]
    plays: list[str]
    bytes_in: int
    bytes_out: int
    user_agent: str | None
    tls: TlsStatus | None


class CertificateStatus(TypedDict):
    """One certificate that is served; the first is for clients that ask for no known name."""

    names: list[str]
    issuer: str
    not_after: str
    expires_in_s: float
    fingerprint: str
    self_signed: bool


def sessions(services: Services, most: int | None = None) -> list[SessionStatus]:
    """Describe every session that is not about to close, oldest first, or so many of them."""
    now = services.loop.time()
    running = [session for session in services.sessions() if not session.is_over]
    return [describe(session, now) for session in running[:most]]


def describe(session: Session, now: float) -> SessionStatus:
    """Describe one session; `now` in monotonic seconds."""
    return {
        "id": session.id,
        "protocol": session.protocol,
        "peer": str(session.peer),
        "connected_s": round(now - session.started, 3),
        "publishes": session.publishing,
        "plays": session.playing,
        "bytes_in": session.bytes_in,
        "bytes_out": session.bytes_out,
        "user_agent": getattr(session, "user_agent", None),
        "tls": _tls(session.tls),
    }


def certificates(services: Services, now: datetime) -> list[CertificateStatus]:
    """Describe every certificate that is served now; `now` is in UTC."""
    if services.tls is None:
        return []
    return [
        {
            "names": list(certificate.names),
            "issuer": certificate.issuer,
            "not_after": certificate.not_after.isoformat(),
            "expires_in_s": (certificate.not_after - now).total_seconds(),
            "fingerprint": certificate.fingerprint,
            "self_signed": certificate.is_self_signed,
        }
        for certificate in services.tls.store.certificates
    ]


def _tls(facts: TlsFacts | None) -> TlsStatus | None:
    if facts is None:
        return None
    return {
        "version": facts.version,
        "cipher": facts.cipher,
        "server_name": facts.server_name,
        "resumed": facts.is_resumed,
        "client_certificate": facts.client_subject,
    }


def streams(services: Services) -> list[StreamStatus]:
    """Describe every stream that is live, interrupted or waited for."""
    now = services.loop.time()
    protocols = _protocols(services)
    return [
        _stream(services, stream, now, protocols.get(stream.path, Counter()))
        for stream in services.registry.streams()
        if stream.state is not StreamState.ENDED
    ]


async def streams_in_turns(services: Services, most: int) -> AsyncIterator[list[StreamStatus]]:
    """Describe every stream as `streams` does, at most so many in one turn of the loop."""
    protocols = _protocols(services)
    known = [each for each in services.registry.streams() if each.state is not StreamState.ENDED]
    for start in range(0, len(known), most):
        now = services.loop.time()
        yield [
            _stream(services, each, now, protocols.get(each.path, Counter()))
            for each in known[start : start + most]
            if each.state is not StreamState.ENDED
        ]
        await asyncio.sleep(0)


def _protocols(services: Services) -> dict[str, Counter[str]]:
    """Count the viewers of every stream by protocol."""
    counts: dict[str, Counter[str]] = {}
    for session in services.sessions():
        for path in session.watching:
            counts.setdefault(path, Counter())[session.protocol] += 1
    if services.hls is not None:
        for each in services.hls.packaged():
            if each.viewers:
                counts.setdefault(each.stream.path, Counter())["hls"] += each.viewers
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
    rates = StreamRates() if services.rates is None else services.rates.of(stream.path)
    interval = stream.keyframe_interval
    packaged = None if services.hls is None else services.hls.find(stream.path)
    ingest = Ingest(
        0.0 if stream.began is None else now - stream.began,
        stream.is_live,
        configs,
        rates,
        None if interval is None else interval / 1000,
        sum(stream.timeline.repairs.values()),
        () if packaged is None or packaged.stream is not stream else packaged.findings(),
    )
    return {
        "path": stream.path,
        "app": app or name,
        "name": name if app else "",
        "state": stream.state.name.lower(),
        "uptime_s": None if stream.began is None else round(now - stream.began, 3),
        "publisher": None if publication is None else publication.publisher.peer,
        "standbys": [each.publisher.peer for each in services.registry.standbys(stream.path)],
        "tracks": [_track(config) for config in configs],
        "viewers": sum(protocols.values()),
        "late": sum(fanout.late for fanout in outputs),
        "skips": sum(fanout.skips for fanout in outputs),
        "bytes_in": stream.bytes_in,
        "repairs": {str(cause): count for cause, count in stream.timeline.repairs.items()},
        "viewers_by_protocol": dict(protocols),
        "bit_rate": rates.bit_rate,
        "bit_rate_out": rates.bit_rate_out,
        "frame_rate": rates.frame_rate,
        "audio_rate": rates.audio_rate,
        "keyframe_interval_s": ingest.keyframe_interval_s,
        "health": [{"level": each.level, "text": each.text} for each in findings(ingest)],
        "rules": list(services.rules.of(stream.path).told),
    }


def tracks(stream: Stream) -> list[TrackStatus]:
    """Describe the tracks of a stream."""
    return [_track(config) for config in stream_configs(stream)]


def stream_configs(stream: Stream) -> list[TrackConfig]:
    """Say what the tracks of a stream are, video first."""
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
    return {
        "kind": config.kind.name.lower(),
        "track": 0,
        "codec": str(config.codec),
        "codecs": config.codecs,
        "width": config.width,
        "height": config.height,
        "frame_rate": config.frame_rate,
        "profile": config.profile,
        "level": config.level,
        "sample_rate": config.sample_rate,
        "channels": config.channels,
    }


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
