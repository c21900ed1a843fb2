"""Settings of media files that are played on demand."""

from pydantic import Field

from headend.settings.section import Section
from headend.settings.values import GIB, TIB, OptionalFolder, Size


class Vod(Section):
    """On demand: media files of one's own."""

    folder: OptionalFolder = Field(
        default=None,
        description="Folder of media files (MP4, MKV, FLV, TS) that are played as vod/PATH; if "
        "empty, none are.",
    )
    cache_bytes: Size = Field(
        default=2 * GIB,
        ge=0,
        le=1024 * TIB,
        description="Bytes of indexes and segments of media files that are kept in the data "
        "folder.",
    )
