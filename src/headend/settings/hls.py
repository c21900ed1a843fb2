"""Settings of HLS."""

from typing import Annotated, Final, Literal

from pydantic import AfterValidator, Field, SecretStr, ValidationInfo, field_validator

from headend.settings.section import Section
from headend.settings.storage import OptionalHttpUrl, StoreUrl
from headend.settings.values import GIB, MIB, Count, Seconds, Size

SECRET_CHARACTERS: Final = 16
# Of the server, not of a stream.
SERVER_WIDE: Final = ("store", "public_url", "origin_secret")


def _secret(value: SecretStr) -> SecretStr:
    if 0 < len(value) < SECRET_CHARACTERS:
        raise ValueError(f"must be a text of at least {SECRET_CHARACTERS} characters, or empty")
    return value


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

    store: StoreUrl = Field(
        default="",
        description="Object storage to which segments are uploaded while they are live: "
        "s3://BUCKET/PREFIX, gs://, az:// or file:///FOLDER; if empty, none.",
    )
    public_url: OptionalHttpUrl = Field(
        default="",
        description="Base URL from which players fetch the segments in hls.store (a CDN).",
    )
    origin_secret: Annotated[SecretStr, AfterValidator(_secret)] = Field(
        default=SecretStr(""),
        description="Secret that a CDN shows in the header X-Origin-Secret; without it nobody "
        "gets HLS; empty: everybody may ask.",
    )

    @field_validator("longest_s")
    @classmethod
    def _hold_a_segment(cls, longest: float, info: ValidationInfo) -> float:
        # A segment_s that is wrong itself is not in info.data.
        if longest < (segment := info.data.get("segment_s", 0)):
            raise ValueError(f"must not be less than hls.segment_s ({segment:g})")
        return longest
