"""Settings of recordings."""

from typing import Literal

from pydantic import Field

from headend.settings.section import Section
from headend.settings.storage import OptionalHttpUrl, StoreUrl
from headend.settings.values import (
    GIB,
    TIB,
    Count,
    OptionalFolder,
    Patterns,
    Seconds,
    Size,
)


class Record(Section):
    """Recordings: streams written to disk."""

    match: Patterns = Field(
        default=(), description='Streams that the server records, such as ["live/*"].'
    )
    folder: OptionalFolder = Field(
        default=None,
        description="Folder of recordings; if empty, recordings in the data folder. Files are "
        "APP/NAME/YYYY-MM-DDTHH-MM-SSZ.mp4.",
    )
    format: Literal["mp4", "flv"] = Field(
        default="mp4",
        description="Form of files: fragmented MP4 (mp4), or every message as it came (flv).",
    )
    part_s: Seconds = Field(
        default=1,
        ge=0.2,
        le=60,
        description="Seconds of media that are written and synced to the disk at a time; a crash "
        "loses at most these.",
    )
    file_s: Seconds = Field(
        default=3600,
        ge=10,
        le=86_400,
        description="Seconds after which a new file begins, at a keyframe.",
    )
    keep_days: Count = Field(
        default=0,
        ge=0,
        le=36_500,
        description="Days until the server deletes a recording; 0: never.",
    )
    keep_bytes: Size = Field(
        default=0,
        ge=0,
        le=1024 * TIB,
        description="Bytes of all recordings, or in a rule of those of its streams together; over "
        "this, the server deletes the oldest ones; 0: no limit.",
    )
    min_free_bytes: Size = Field(
        default=GIB,
        ge=0,
        le=1024 * TIB,
        description="Free bytes of the disk below which recording stops; streams go on.",
    )
    store: StoreUrl = Field(
        default="",
        description="Object storage to which finished files are uploaded: s3://BUCKET/PREFIX, "
        "gs://, az:// or file:///FOLDER; if empty, none.",
    )
    keep_local: bool = Field(
        default=True,
        description="Files stay here after they are in the store (true), or are deleted (false).",
    )
    upload_rate: Count = Field(
        default=0,
        ge=0,
        le=100_000_000_000,
        description="Highest bit rate of all uploads to the store together, in bit/s; 0: any.",
    )
    public_url: OptionalHttpUrl = Field(
        default="",
        description="Base URL from which players fetch what is in the store (a CDN); if empty, "
        "they get it through this server.",
    )
    presigned_s: Count = Field(
        default=0,
        ge=0,
        le=604_800,
        description="Seconds for which players are sent to a presigned URL of the store; 0: they "
        "get it through this server.",
    )
