"""What the API takes and gives; the OpenAPI document is made of it."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Problem(_Model):
    """What went wrong (RFC 9457)."""

    type: str
    title: str
    status: int
    detail: str


class Listeners(_Model):
    """Addresses, HOST:PORT or unix:PATH."""

    rtmp: list[str]
    tls: list[str]
    http: list[str]


class Server(_Model):
    """The server as a whole."""

    version: str
    pid: int
    started: str = Field(description="ISO 8601, UTC.")
    uptime_s: float
    is_stopping: bool
    listeners: Listeners
    streams: int = Field(description="Streams that are live.")
    sessions: int
    viewers: int
    bytes_in: int
    bytes_out: int
    bit_rate_in: int = Field(description="bit/s published, of all streams.")
    bit_rate_out: int = Field(description="bit/s given to all viewers.")
    memory_bytes: int
    loop_lag_s: float


class Track(_Model):
    """A track, as its sequence header tells; what is not known is empty, 0 or null."""

    kind: Literal["audio", "video"]
    track: int
    codec: str
    codecs: str = Field(description="As RFC 6381 writes it.")
    width: int
    height: int
    frame_rate: float | None
    profile: str | None
    level: str | None
    sample_rate: int
    channels: int


class Finding(_Model):
    """What to know of a stream's ingest."""

    level: Literal["ok", "warning"]
    text: str


class Stream(_Model):
    """A stream by its name."""

    path: str
    app: str
    name: str
    state: Literal["live", "interrupted", "waiting"]
    uptime_s: float | None
    publisher: str | None = Field(description="Address of the encoder, or what stands in for it.")
    standbys: list[str] = Field(description="Who would be next on air, likewise.")
    tracks: list[Track]
    viewers: int
    late: int = Field(description="Viewers that do not keep up.")
    skips: int = Field(description="How often a late viewer lost media.")
    bytes_in: int
    repairs: dict[str, int] = Field(description="Timestamps mended, by cause.")
    viewers_by_protocol: dict[str, int]
    bit_rate: int = Field(description="bit/s published, over the last seconds.")
    bit_rate_out: int = Field(description="bit/s given to all viewers.")
    frame_rate: float
    audio_rate: float
    keyframe_interval_s: float | None
    health: list[Finding]
    rules: list[str] = Field(
        description="What rules for some streams say of it, such as `hls.segment_s = 4 (vip/*)`."
    )


class Streams(_Model):
    """A page of streams."""

    streams: list[Stream]
    total: int
    next: str | None = Field(description="What `after` takes for the next page.")


class History(_Model):
    """A stream second by second, oldest first."""

    interval_s: float
    bit_rate: list[int]
    bit_rate_out: list[int]
    frame_rate: list[float]
    viewers: list[int]


class Tls(_Model):
    """What a TLS handshake agreed on."""

    version: str
    cipher: str
    server_name: str | None
    resumed: bool
    client_certificate: str | None


class Session(_Model):
    """One peer that publishes or watches, or did, or was refused."""

    id: int
    protocol: str
    peer: str
    connected_s: float
    publishes: list[str]
    plays: list[str]
    bytes_in: int
    bytes_out: int
    user_agent: str | None
    tls: Tls | None
    state: Literal["live", "over", "refused"] = "live"
    code: str | None = Field(
        default=None, description="Of its newest refusal, as its peer and the log were told."
    )
    reason: str | None = Field(default=None, description="Why it was refused or is over; likewise.")
    ended_at: float | None = Field(default=None, description="Unix seconds; null: it goes on.")


class Sessions(_Model):
    """A page of sessions."""

    sessions: list[Session]
    total: int
    next: str | None = Field(description="What `after` takes for the next page.")


class Certificate(_Model):
    """A certificate that is served."""

    names: list[str]
    issuer: str
    not_after: str
    expires_in_s: float
    fingerprint: str
    self_signed: bool


class Certificates(_Model):
    """All certificates; the first is for clients that ask for no known name."""

    certificates: list[Certificate]


class Setting(_Model):
    """One setting in effect."""

    value: object
    source: str = Field(description="default, file NAME, environment NAME or flag NAME.")


class Settings(_Model):
    """All settings in effect, by key; secrets are hidden."""

    settings: dict[str, Setting]


class Messages(_Model):
    """What happened, a line each."""

    messages: list[str]


class SignIn(_Model):
    """What a browser shows to sign in."""

    token: str = Field(min_length=1, max_length=200, description="The admin token.")


class SignedIn(_Model):
    """A browser's session."""

    csrf: str = Field(description="To be sent as X-CSRF-Token with what changes something.")


class Event(_Model):
    """What an update of /api/v1/events holds."""

    server: Server
    streams: list[Stream]
    sessions: list[Session]
    more_streams: int = Field(description="How many streams there are besides.")
    more_sessions: int = Field(description="How many sessions there are besides.")
