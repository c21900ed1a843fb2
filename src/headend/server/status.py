"""This module describes streams and sessions as plain values, for the API and for metrics."""

from datetime import datetime
from typing import TypedDict

from headend.errors import MediaError
from headend.hub.stream import Stream, StreamState
from headend.media.codecs import parse_audio_header, parse_video_header
from headend.media.tag import AUDIO, VIDEO, Tag
from headend.outputs.fanout import Fanout
from headend.server.services import Services
from headend.server.tls_facts import TlsFacts


class TrackStatus(TypedDict):
    """One track, as its sequence header tells."""

    kind: str
    track: int
    codec: str


class StreamStatus(TypedDict):
    """One stream.

    Keys: path; app and name, its parts; state: "waiting", "live" or "interrupted"; uptime_s: since
    the first publisher came, null before; publisher: its address, null without one; tracks; viewers
    and, of these, late ones; skips: how often a late viewer lost media; bytes_in: bytes of media;
    repairs: timestamp faults mended, by cause.
    """

    path: str
    app: str
    name: str
    state: str
    uptime_s: float | None
    publisher: str | None
    tracks: list[TrackStatus]
    viewers: int
    late: int
    skips: int
    bytes_in: int
    repairs: dict[str, int]


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
    tls: TlsStatus | None


class CertificateStatus(TypedDict):
    """One certificate that is served; the first is for clients that ask for no known name."""

    names: list[str]
    issuer: str
    not_after: str
    expires_in_s: float
    fingerprint: str
    self_signed: bool


def sessions(services: Services) -> list[SessionStatus]:
    """Describe every RTMP and RTMPS session, oldest first."""
    now = services.loop.time()
    return [
        {
            "id": session.id,
            "protocol": "rtmp" if session.tls is None else "rtmps",
            "peer": str(session.peer),
            "connected_s": round(now - session.started, 3),
            "publishes": session.publishing,
            "plays": session.playing,
            "bytes_in": session.bytes_in,
            "tls": _tls(session.tls),
        }
        for session in sorted(services.connections, key=lambda session: session.id)
    ]


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
    return [
        _stream(services, stream, now)
        for stream in services.registry.streams()
        if stream.state is not StreamState.ENDED
    ]


def fanouts(stream: Stream) -> list[Fanout]:
    """Return the fan-outs of a stream: its sinks that have viewers."""
    return [sink for sink in stream.sinks() if isinstance(sink, Fanout)]


def _stream(services: Services, stream: Stream, now: float) -> StreamStatus:
    app, _, name = stream.path.rpartition("/")
    outputs = fanouts(stream)
    publication = services.registry.publication(stream.path)
    return {
        "path": stream.path,
        "app": app or name,
        "name": name if app else "",
        "state": stream.state.name.lower(),
        "uptime_s": None if stream.began is None else round(now - stream.began, 3),
        "publisher": None if publication is None else publication.publisher.peer,
        "tracks": [track for tag in stream.headers() for track in _tracks(tag)],
        "viewers": sum(len(fanout) for fanout in outputs),
        "late": sum(fanout.late for fanout in outputs),
        "skips": sum(fanout.skips for fanout in outputs),
        "bytes_in": stream.bytes_in,
        "repairs": {str(cause): count for cause, count in stream.timeline.repairs.items()},
    }


def _tracks(tag: Tag) -> list[TrackStatus]:
    try:
        if tag.kind is VIDEO:
            header = parse_video_header(tag.body)
            return [
                {"kind": "video", "track": track.track_id, "codec": str(header.codec)}
                for track in header.tracks
            ]
        if tag.kind is AUDIO:
            audio = parse_audio_header(tag.body)
            return [
                {"kind": "audio", "track": track.track_id, "codec": str(audio.codec)}
                for track in audio.tracks
            ]
    except MediaError:
        pass  # relayed untouched, and not ours to judge
    return []
