"""Settings of streams: how they live, how viewers get them, and where relays send them."""

from typing import Literal

from pydantic import Field, ValidationInfo, field_validator

from headend.settings.fallback_values import FallbackRules
from headend.settings.relay_values import RelaysIn, RelaysOut
from headend.settings.section import Section
from headend.settings.values import (
    GIB,
    KIB,
    MIB,
    Count,
    Seconds,
    Size,
)


class Live(Section):
    """How streams start, continue and end."""

    wait_s: Seconds = Field(
        default=30,
        ge=0,
        le=3600,
        description="Seconds that a player waits for a name that nobody publishes yet.",
    )
    reconnect_window_s: Seconds = Field(
        default=60,
        ge=0,
        le=1800,
        description="Seconds that a stream waits for a lost publisher to come back.",
    )
    takeover: Literal["same-key", "always", "never"] = Field(
        default="same-key",
        description="When a second publisher of a name takes it over: same-key, always or never.",
    )
    gop_cache: bool = Field(
        default=True,
        description="Viewers start at the newest keyframe (true) or at the next one (false).",
    )
    log_s: Seconds = Field(
        default=20,
        ge=0,
        le=300,
        description="Seconds of a stream that the server keeps in memory for viewers.",
    )
    log_bytes: Size = Field(
        default=32 * MIB,
        ge=64 * KIB,
        le=4 * GIB,
        description="Bytes of a stream that the server keeps in memory for viewers.",
    )
    flush_ms: Count = Field(
        default=30,
        ge=0,
        le=1000,
        description="Milliseconds that data for viewers may wait before it is sent.",
    )
    flush: Literal["adaptive", "fixed"] = Field(
        default="adaptive",
        description="Send at once while load is low (adaptive), or flush_ms after the first byte "
        "that waits (fixed).",
    )
    fallback: FallbackRules = Field(
        default=(),
        description="What stands in for a silent publisher: [{ match, sources }] "
        "(docs/fallback.md).",
    )
    fallback_after_s: Seconds = Field(
        default=1.5,
        ge=0.5,
        le=60,
        description="Seconds of silence after which the next source stands in.",
    )
    fallback_steady_s: Seconds = Field(
        default=3,
        ge=0,
        le=300,
        description="Seconds without a gap after which a better source is on air again.",
    )
    fallback_hold_s: Seconds = Field(
        default=3600,
        ge=0,
        le=7 * 86_400,
        description="Seconds for which a file, picture or stream stands in for a publisher that "
        "is gone.",
    )


class Hls(Section):
    """HLS and low-latency HLS."""

    start: Literal["request", "publish", "off"] = Field(
        default="request",
        description="When packaging starts: at the first request (request), with a publisher "
        "(publish), never (off).",
    )
    container: Literal["fmp4", "mpegts"] = Field(
        default="fmp4",
        description="Format of segments: fmp4 (CMAF, low latency) or mpegts (for old players).",
    )
    segment_s: Seconds = Field(
        default=2,
        ge=0.5,
        le=60,
        description="Length of a segment in seconds; the segment ends at the next keyframe.",
    )
    longest_s: Seconds = Field(
        default=30,
        ge=1,
        le=120,
        description="Seconds that a segment waits for a keyframe; if none comes, HLS of the "
        "stream ends.",
    )
    part_s: Seconds = Field(
        default=0.2,
        ge=0,
        le=2,
        description="Length of a part in seconds (low latency); 0: no parts.",
    )
    segments: Count = Field(
        default=7, ge=3, le=1000, description="Number of segments in a playlist."
    )
    bytes: Size = Field(
        default=128 * MIB,
        ge=MIB,
        le=4 * GIB,
        description="Bytes of a stream's segments that the server keeps in memory.",
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


class Relay(Section):
    """Streams that are sent to other servers, and fetched from them."""

    out: RelaysOut = Field(
        default=(),
        description="Servers to send streams to: [[relay.out]] tables with match, url, key, "
        "preset.",
    )
    in_: RelaysIn = Field(
        default=(),
        alias="in",
        description="Servers to fetch streams from: [[relay.in]] tables with match, url, "
        "on_demand.",
    )
    idle_s: Seconds = Field(
        default=10,
        ge=0,
        le=3600,
        description="Seconds after the last viewer left until the server stops fetching a stream "
        "on demand.",
    )
    unknown_s: Seconds = Field(
        default=5,
        ge=0,
        le=3600,
        description="Seconds until the server asks again for a name that the origin does not know.",
    )
