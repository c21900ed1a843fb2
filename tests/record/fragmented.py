"""Fragmented MP4 files of ffmpeg, as files of a recording."""

from pathlib import Path

from headend.media.boxes import box_head
from headend.record.head import HeadSource

FRAGMENTED = ("-movflags", "frag_keyframe+empty_moov+default_base_moof")


def recorded(path: Path, start_s: float | None = 0.0) -> HeadSource:
    """Return a fragmented file as one of a recording."""
    data, at = path.read_bytes(), 0
    while True:
        kind, _, size = box_head(data[at : at + 16])
        if kind == b"moof":
            return HeadSource(str(path), at, len(data), start_s)
        at += size
