"""Settings that limit what one peer, and all peers together, can use."""

from pydantic import Field, ValidationInfo, field_validator

from headend.settings.section import Section
from headend.settings.values import (
    GIB,
    KIB,
    MIB,
    Count,
    Seconds,
    Size,
    size_text,
)


class Limits(Section):
    """Limits on what one peer, and all peers together, can use."""

    handshake_s: Seconds = Field(
        default=5,
        ge=0.1,
        le=300,
        description="Seconds that a handshake, or the head of an HTTP request, may take.",
    )
    command_s: Seconds = Field(
        default=10,
        ge=0.1,
        le=300,
        description="Seconds until RTMP's connect command, or until the body of an HTTP request "
        "is complete.",
    )
    idle_s: Seconds = Field(
        default=60,
        ge=1,
        le=3600,
        description="Seconds after which a connection that neither publishes nor plays is closed.",
    )
    publisher_silence_s: Seconds = Field(
        default=20,
        ge=1,
        le=3600,
        description="Seconds without media after which a publisher is closed.",
    )
    late_close_s: Seconds = Field(
        default=15,
        ge=1,
        le=600,
        description="Seconds without progress after which a late viewer is closed.",
    )
    shutdown_s: Seconds = Field(
        default=10, ge=0, le=300, description="Seconds that the server may take to stop."
    )
    connections: Count = Field(
        default=20_000,
        ge=1,
        le=1_000_000,
        description="Connections in all; when all are taken, new ones replace idle HTTP "
        "connections.",
    )
    connections_per_address: Count = Field(
        default=200,
        ge=1,
        le=1_000_000,
        description="Connections from one IP address; loopback has no such limit.",
    )
    connections_per_minute: Count = Field(
        default=1200,
        ge=0,
        le=1_000_000,
        description="New connections a minute from one IP address; loopback has no such limit; "
        "0: any number.",
    )
    message_bytes: Size = Field(
        default=16 * MIB,
        ge=64 * KIB,
        le=16 * MIB,
        description="Largest size of an audio, video or data message.",
    )
    command_bytes: Size = Field(
        default=64 * KIB, ge=KIB, le=16 * MIB, description="Largest size of a command message."
    )
    partial_bytes: Size = Field(
        default=32 * MIB,
        ge=64 * KIB,
        le=GIB,
        description="Bytes of unfinished messages on one connection.",
    )
    chunk_streams: Count = Field(
        default=64,
        ge=4,
        le=65_597,
        description="Chunk streams that a peer may use on one connection.",
    )
    streams_per_connection: Count = Field(
        default=8,
        ge=1,
        le=1000,
        description="Message streams that a peer may create on one connection.",
    )
    commands_per_s: Count = Field(
        default=100, ge=1, le=100_000, description="Commands a second from one connection."
    )
    streams: Count = Field(default=1000, ge=1, le=100_000, description="Live streams in all.")
    streams_per_key: Count = Field(
        default=0,
        ge=0,
        le=100_000,
        description="Live and held streams of one publish key, token or client certificate; 0: "
        "any number.",
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
        description="Highest bit rate of a publisher's media, in bit/s; 0: any.",
    )
    publisher_bit_rate_s: Seconds = Field(
        default=10,
        ge=1,
        le=3600,
        description="Seconds above the bit rate limit after which a publisher is ended.",
    )
    publisher_duration_s: Seconds = Field(
        default=0,
        ge=0,
        le=31_536_000,
        description="Seconds after which every publisher is ended; 0: never.",
    )
    metrics_streams: Count = Field(
        default=200,
        ge=0,
        le=100_000,
        description="Streams that /metrics names; it adds up all others under the name *.",
    )
    relays: Count = Field(
        default=500,
        ge=1,
        le=10_000,
        description="Streams sent to other servers; as many again may be fetched on demand.",
    )
    waiting_requests: Count = Field(
        default=20_000,
        ge=1,
        le=1_000_000,
        description="HTTP requests that wait for a stream, or for its next part.",
    )

    @field_validator("partial_bytes")
    @classmethod
    def _hold_a_message(cls, partial: int, info: ValidationInfo) -> int:
        # A message_bytes that is wrong itself is not in info.data.
        if partial < (message := info.data.get("message_bytes", 0)):
            raise ValueError(f"must not be less than limits.message_bytes ({size_text(message)})")
        return partial
