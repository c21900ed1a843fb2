"""This module holds every setting: its type, limits, default and one line that explains it."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationInfo, field_validator

from headend.settings.acme_values import DirectoryUrl, Domains, Email
from headend.settings.fallback_values import FallbackRules
from headend.settings.hook_values import (
    Actions,
    ModuleObject,
    OptionalUrl,
    Outgoing,
    Secret,
    Webhooks,
)
from headend.settings.http_values import Hosts, Origins
from headend.settings.relay_values import RelaysIn, RelaysOut
from headend.settings.values import (
    GIB,
    KIB,
    MIB,
    Address,
    Certificates,
    Count,
    Folder,
    Listen,
    Networks,
    OptionalFile,
    Patterns,
    Seconds,
    Size,
    default_data_folder,
    size_text,
)


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Rtmp(_Section):
    """RTMP listeners and what they announce."""

    listen: Listen = Field(default=(Address(port=1935),), description="RTMP addresses; off: none.")
    chunk_size: Size = Field(
        default=65_536,
        ge=128,
        le=0xFFFFFF,
        description="Bytes of a chunk we send, announced to every peer.",
    )
    window_size: Size = Field(
        default=2_500_000,
        ge=4 * KIB,
        le=2**31 - 1,
        description="Bytes until peers must acknowledge.",
    )
    proxy_protocol_from: Networks = Field(
        default=(),
        description="Networks of load balancers that send a PROXY protocol v1 or v2 header.",
    )
    require_tls: Literal["never", "publish", "always"] = Field(
        default="never",
        description="Who is sent from RTMP to RTMPS: nobody (never), publishers or all (always).",
    )
    tls_only: Patterns = Field(
        default=(),
        description='Streams taken and given over TLS only, such as ["vip/*"].',
    )


class Acme(_Section):
    """Certificates that the server gets and renews by itself (RFC 8555)."""

    domains: Domains = Field(
        default=(),
        description='Names to get a certificate for, such as ["live.example.com"]; []: none.',
    )
    email: Email = Field(
        default="", description="Where the authority may write when something is wrong."
    )
    directory: DirectoryUrl = Field(
        default="https://acme-v02.api.letsencrypt.org/directory",
        description="Directory of the authority; naming domains agrees to its terms of service.",
    )
    ca: OptionalFile = Field(
        default=None,
        description="PEM file to trust for a private authority's directory; empty: the usual ones.",
    )


class Tls(_Section):
    """RTMPS and HTTPS listeners."""

    listen: Listen = Field(
        default=(Address(port=1936),), description="RTMPS and HTTPS addresses; off: none."
    )
    certificates: Certificates = Field(
        default=(),
        description='[{ cert = "chain.pem", key = "key.pem" }], first is default; []: self-signed.',
    )
    profile: Literal["intermediate", "modern"] = Field(
        default="intermediate",
        description="Mozilla's profile: intermediate (TLS 1.2 and 1.3) or modern (1.3 only).",
    )
    client_ca: OptionalFile = Field(
        default=None,
        description="PEM file of the authorities whose client certificates are accepted.",
    )
    client_auth: Literal["off", "optional", "required"] = Field(
        default="off",
        description="Whether clients are asked for a certificate: off, optional or required.",
    )
    acme: Acme = Acme()

    @field_validator("client_auth")
    @classmethod
    def _need_authorities(cls, client_auth: str, info: ValidationInfo) -> str:
        # A client_ca that is wrong itself is not in info.data.
        if client_auth != "off" and info.data.get("client_ca", ...) is None:
            raise ValueError("needs tls.client_ca, a file of certificate authorities")
        return client_auth


class Http(_Section):
    """HTTP: streams for browsers, player page, console, API, metrics; the TLS port has it too."""

    listen: Listen = Field(default=(Address(port=8080),), description="HTTP addresses; off: none.")
    origins: Origins = Field(
        default=("*",),
        description='Web pages that may load streams (CORS), such as ["https://example.com"].',
    )
    hosts: Hosts = Field(
        default=(),
        description="Names of this server for API and console, besides addresses and its own name.",
    )
    proxies: Networks = Field(
        default=(),
        description="Networks of HTTP proxies whose X-Forwarded-For and -Proto are believed.",
    )
    thumbnail_s: Seconds = Field(
        default=5, ge=1, le=3600, description="Seconds until a thumbnail is made anew."
    )


class Auth(_Section):
    """Who may do what."""

    publish: Literal["loopback", "key", "open"] = Field(
        default="loopback",
        description="Who needs no key to publish: loopback, key (nobody) or open (everybody).",
    )
    certificates: bool = Field(
        default=False,
        description="A client certificate that tls.client_ca vouches for may publish, like a key.",
    )
    password_apps: Patterns = Field(
        default=(),
        description='Apps whose publishers are asked for user and password, such as ["studio"].',
    )
    password_scheme: Literal["adobe", "llnw"] = Field(
        default="adobe",
        description="How they are asked (authmod): adobe or llnw.",
    )
    private: Patterns = Field(
        default=(),
        description='Streams that are watched with a token only, such as ["vip/*"].',
    )
    jwks: str = Field(
        default="",
        description="JWKS, a file or https URL, with keys of others who sign tokens; empty: none.",
    )
    jwks_refresh_s: Seconds = Field(
        default=300, ge=1, le=86_400, description="Seconds until it is read again."
    )
    database: Secret = Field(
        default=SecretStr(""),
        description="postgresql://USER:PASSWORD@HOST/NAME; empty: SQLite in the data folder.",
    )
    on_database_error: Literal["deny", "allow-known"] = Field(
        default="deny",
        description="Without database: no key is valid (deny) or those seen lately (allow-known).",
    )
    known_s: Seconds = Field(
        default=86_400,
        ge=0,
        le=31_536_000,
        description="Seconds that allow-known believes a key that was valid.",
    )
    wrong_attempts: Count = Field(
        default=20,
        ge=1,
        le=10_000,
        description="Wrong keys, tokens or passwords in a row until an address is shut out.",
    )
    ban_s: Seconds = Field(default=600, ge=1, le=86_400, description="Seconds that it is shut out.")

    @field_validator("database")
    @classmethod
    def _name_a_database(cls, url: SecretStr) -> SecretStr:
        text = url.get_secret_value()
        if text and not text.startswith(("postgresql://", "postgres://", "sqlite:///")):
            raise ValueError("must be postgresql://…, sqlite:///… or empty")
        return url

    callback_url: OptionalUrl = Field(
        default="",
        description="URL that is asked who may publish and play (docs/hooks.md); empty: none.",
    )
    callback_secret: Secret = Field(
        default=SecretStr(""),
        description="Signs what is sent to callback_url, as webhooks are signed; empty: unsigned.",
    )
    callback_actions: Actions = Field(
        default=("publish", "play"),
        description='What is asked about: ["publish", "play"], or one of them.',
    )
    callback_credentials: bool = Field(
        default=False,
        description="Send it keys and tokens as shown, for a backend that checks its own.",
    )
    callback_timeout_s: Seconds = Field(
        default=3, ge=0.1, le=10, description="Seconds that the answer may take."
    )
    callback_calls: Count = Field(
        default=64, ge=1, le=256, description="Questions asked at once; more wait their turn."
    )
    callback_fail: Literal["closed", "open"] = Field(
        default="closed",
        description="What holds without an answer: nobody is let in (closed) or everybody (open).",
    )
    hook_timeout_s: Seconds = Field(
        default=3, ge=0.1, le=10, description="Seconds that a Python hook may take to decide."
    )
    hook_fail: Literal["closed", "open"] = Field(
        default="closed",
        description="What holds when a Python hook fails: nobody is let in (closed) or all (open).",
    )
    outgoing: Outgoing = Field(
        default=(),
        description="Hosts and networks that callback, webhooks, relays, JWKS go to; []: most.",
    )
    outgoing_ca: OptionalFile = Field(
        default=None,
        description="PEM file of authorities that they trust instead of the system's; empty: none.",
    )
    publish_from: Networks = Field(
        default=(), description='Networks that may publish, such as ["10.0.0.0/8"]; []: all.'
    )
    publish_not_from: Networks = Field(
        default=(), description="Networks that may not publish, even if auth.publish_from has them."
    )
    play_from: Networks = Field(default=(), description="Networks that may watch; []: all.")
    play_not_from: Networks = Field(
        default=(), description="Networks that may not watch, even if auth.play_from has them."
    )
    api_from: Networks = Field(
        default=(), description="Networks that may use the API and metrics; []: all."
    )
    api_not_from: Networks = Field(
        default=(), description="Networks that may not, even if auth.api_from has them."
    )


class Audit(_Section):
    """Who did what, kept in the database."""

    retention_days: Count = Field(
        default=365, ge=1, le=36_500, description="Days that the audit trail is kept."
    )


class Privacy(_Section):
    """What is kept about people."""

    addresses: Literal["full", "pseudonymous", "none"] = Field(
        default="full",
        description="IP addresses in logs, history, audit and events: full, pseudonymous or none.",
    )
    pseudonym_days: Count = Field(
        default=1,
        ge=0,
        le=366,
        description="Days after which an address gets another pseudonym; 0: never.",
    )
    history_days: Count = Field(
        default=90,
        ge=0,
        le=36_500,
        description="Days that it is kept who published and watched what; 0: it is not kept.",
    )


class Limits(_Section):
    """What one peer, and all peers together, may use."""

    handshake_s: Seconds = Field(
        default=5, ge=0.1, le=300, description="Seconds for the handshake."
    )
    command_s: Seconds = Field(
        default=10,
        ge=0.1,
        le=300,
        description="Seconds from the start to the connect command.",
    )
    idle_s: Seconds = Field(
        default=60,
        ge=1,
        le=3600,
        description="Seconds that a connection may neither publish nor play.",
    )
    publisher_silence_s: Seconds = Field(
        default=20, ge=1, le=3600, description="Seconds without media until a publisher is closed."
    )
    late_close_s: Seconds = Field(
        default=15,
        ge=1,
        le=600,
        description="Seconds without progress until a late viewer is closed.",
    )
    shutdown_s: Seconds = Field(
        default=10, ge=0, le=300, description="Seconds a stopping server takes at most."
    )
    connections: Count = Field(
        default=20_000, ge=1, le=1_000_000, description="Connections in all."
    )
    connections_per_address: Count = Field(
        default=200,
        ge=1,
        le=1_000_000,
        description="Connections from one IP address; not from loopback.",
    )
    connections_per_minute: Count = Field(
        default=1200,
        ge=0,
        le=1_000_000,
        description="New ones a minute, each a TLS handshake or an attempt; likewise; 0: any.",
    )
    message_bytes: Size = Field(
        default=16 * MIB,
        ge=64 * KIB,
        le=16 * MIB,
        description="Size of an audio, video or data message.",
    )
    command_bytes: Size = Field(
        default=64 * KIB, ge=KIB, le=16 * MIB, description="Size of a command message."
    )
    partial_bytes: Size = Field(
        default=32 * MIB,
        ge=64 * KIB,
        le=GIB,
        description="Bytes of unfinished messages in a connection.",
    )
    chunk_streams: Count = Field(
        default=64,
        ge=4,
        le=65_597,
        description="Chunk streams that a peer may use in a connection.",
    )
    streams_per_connection: Count = Field(
        default=8,
        ge=1,
        le=1000,
        description="Message streams that a peer may create in a connection.",
    )
    commands_per_s: Count = Field(
        default=100, ge=1, le=100_000, description="Commands a second from one connection."
    )
    streams: Count = Field(default=1000, ge=1, le=100_000, description="Live streams in all.")
    streams_per_key: Count = Field(
        default=0,
        ge=0,
        le=100_000,
        description="Live streams of one publish key, token or client certificate; 0: any number.",
    )
    viewers: Count = Field(
        default=0, ge=0, le=1_000_000, description="Viewers of all streams; 0: any number."
    )
    viewers_per_stream: Count = Field(
        default=0, ge=0, le=1_000_000, description="Viewers of one stream; 0: any number."
    )
    publisher_bit_rate: Count = Field(
        default=0,
        ge=0,
        le=10_000_000_000,
        description="bit/s of media that a publisher may send; 0: any.",
    )
    publisher_bit_rate_s: Seconds = Field(
        default=10,
        ge=1,
        le=3600,
        description="Seconds over its bit rate after which a publisher is ended.",
    )
    publisher_duration_s: Seconds = Field(
        default=0,
        ge=0,
        le=31_536_000,
        description="Seconds after which a publisher is ended; 0: never.",
    )
    metrics_streams: Count = Field(
        default=200,
        ge=0,
        le=100_000,
        description="Streams that /metrics names; it shows the rest as one, called *.",
    )
    relays: Count = Field(
        default=500, ge=1, le=10_000, description="Streams sent to and fetched from other servers."
    )
    waiting_requests: Count = Field(
        default=20_000,
        ge=1,
        le=1_000_000,
        description="HTTP requests that wait for a stream or for the next part of one.",
    )

    @field_validator("partial_bytes")
    @classmethod
    def _hold_a_message(cls, partial: int, info: ValidationInfo) -> int:
        # A message_bytes that is wrong itself is not in info.data.
        if partial < (message := info.data.get("message_bytes", 0)):
            raise ValueError(f"must not be less than limits.message_bytes ({size_text(message)})")
        return partial


class Live(_Section):
    """How streams start, go on and end."""

    wait_s: Seconds = Field(
        default=30,
        ge=0,
        le=3600,
        description="Seconds a player waits for a name nobody publishes yet.",
    )
    reconnect_window_s: Seconds = Field(
        default=60,
        ge=0,
        le=1800,
        description="Seconds a stream waits for a publisher that was lost.",
    )
    takeover: Literal["same-key", "always", "never"] = Field(
        default="same-key",
        description="Whether a second publisher takes a name over: same-key, always or never.",
    )
    gop_cache: bool = Field(
        default=True,
        description="Start viewers at the newest keyframe (true) or at the next one (false).",
    )
    log_s: Seconds = Field(
        default=20, ge=0, le=300, description="Seconds of a stream kept for viewers."
    )
    log_bytes: Size = Field(
        default=32 * MIB, ge=64 * KIB, le=4 * GIB, description="Bytes of a stream kept for viewers."
    )
    flush_ms: Count = Field(
        default=30,
        ge=0,
        le=1000,
        description="Milliseconds that viewers' data may wait for a flush.",
    )
    flush: Literal["adaptive", "fixed"] = Field(
        default="adaptive",
        description="Flush at once while load is low (adaptive) or always after flush_ms (fixed).",
    )
    fallback: FallbackRules = Field(
        default=(),
        description="What stands in for a silent publisher: [{ match, sources }] "
        "(docs/fallback.md).",
    )
    fallback_after_s: Seconds = Field(
        default=1.5, ge=0.5, le=60, description="Seconds of silence until something stands in."
    )
    fallback_steady_s: Seconds = Field(
        default=3,
        ge=0,
        le=300,
        description="Seconds that a better source must have been there to come back.",
    )
    fallback_hold_s: Seconds = Field(
        default=3600,
        ge=0,
        le=7 * 86_400,
        description="Seconds that a file or picture stands in for a publisher that is gone.",
    )


class Hls(_Section):
    """HLS and low-latency HLS."""

    start: Literal["request", "publish", "off"] = Field(
        default="request",
        description="When packaging starts: with the first request, with a publisher, or off.",
    )
    container: Literal["fmp4", "mpegts"] = Field(
        default="fmp4",
        description="Form of segments: fmp4 (CMAF, low latency) or mpegts (for old players).",
    )
    segment_s: Seconds = Field(
        default=2, ge=0.5, le=60, description="Seconds of a segment; it ends at the next keyframe."
    )
    longest_s: Seconds = Field(
        default=10,
        ge=1,
        le=120,
        description="Seconds after which a segment ends without a keyframe.",
    )
    part_s: Seconds = Field(
        default=0.2, ge=0, le=2, description="Seconds of a part (low latency); 0: no parts."
    )
    segments: Count = Field(default=7, ge=3, le=1000, description="Segments in a playlist.")
    bytes: Size = Field(
        default=128 * MIB, ge=MIB, le=4 * GIB, description="Bytes of a stream's segments in memory."
    )
    idle_s: Seconds = Field(
        default=30,
        ge=1,
        le=3600,
        description="Seconds after the last request until packaging ends.",
    )

    @field_validator("longest_s")
    @classmethod
    def _hold_a_segment(cls, longest: float, info: ValidationInfo) -> float:
        # A segment_s that is wrong itself is not in info.data.
        if longest < (segment := info.data.get("segment_s", 0)):
            raise ValueError(f"must not be less than hls.segment_s ({segment:g})")
        return longest


class Log(_Section):
    """What is logged, on stderr."""

    level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="Least level that is logged: debug, info, warning or error."
    )
    format: Literal["text", "json"] = Field(
        default="text", description="A line of text or a JSON object for each fact."
    )


class Relay(_Section):
    """Streams that are sent to other servers, and fetched from them."""

    out: RelaysOut = Field(
        default=(),
        description="Where streams are sent: [[relay.out]] with match, url, key, preset.",
    )
    in_: RelaysIn = Field(
        default=(),
        alias="in",
        description="Where streams come from: [[relay.in]] with match, url, on_demand.",
    )
    idle_s: Seconds = Field(
        default=10,
        ge=0,
        le=3600,
        description="Seconds after the last viewer until fetching on demand ends.",
    )
    unknown_s: Seconds = Field(
        default=5,
        ge=0,
        le=3600,
        description="Seconds until a name that the origin does not know is asked for again.",
    )


class Settings(_Section):
    """All settings, validated and frozen."""

    data: Folder = Field(
        default_factory=default_data_folder,
        description="Folder for the server's state; empty: the platform's user data folder.",
    )
    hooks: ModuleObject = Field(
        default="",
        description='Python hooks, such as "my_hooks:hooks" for my_hooks.py beside this file.',
    )
    webhooks: Webhooks = Field(
        default=(),
        description="Who is told what happens: [{ name, url, events, secret }] (docs/hooks.md).",
    )
    rtmp: Rtmp = Rtmp()
    tls: Tls = Tls()
    http: Http = Http()
    auth: Auth = Auth()
    limits: Limits = Limits()
    live: Live = Live()
    hls: Hls = Hls()
    relay: Relay = Relay()
    audit: Audit = Audit()
    privacy: Privacy = Privacy()
    log: Log = Log()
