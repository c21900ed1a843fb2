"""This module holds the settings of what one peer, and all peers together, may use."""

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
    """What one peer, and all peers together, may use."""

    handshake_s: Seconds = Field(
        default=5,
        ge=0.1,
        le=300,
        description="Seconds for a handshake, or the head of an HTTP request.",
    )
    command_s: Seconds = Field(
        default=10,
        ge=0.1,
        le=300,
        description="Seconds from the start to connect, or of an HTTP request from head to body.",
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
        default=20_000,
        ge=1,
        le=1_000_000,
        description="Connections in all; idle ones over HTTP give way to new ones.",
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
        description="Live and held streams of a publish key, token or client certificate; 0: any.",
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
        default=500,
        ge=1,
        le=10_000,
        description="Streams sent to other servers; as many more are fetched on demand.",
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
