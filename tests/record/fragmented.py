"""Fragmented MP4 files of ffmpeg, as files of a recording."""

import shutil
from dataclasses import replace
from pathlib import Path

from tests.record.made import file, segment
from tests.record.served import Served

from headend.media.boxes import box_head
from headend.record.head import HeadSource
from headend.record.values import Recording

FRAGMENTED = ("-movflags", "frag_keyframe+empty_moov+default_base_moof")


def recorded(path: Path, start_s: float | None = 0.0) -> HeadSource:
    """Return a fragmented file as one of a recording."""
    data, at = path.read_bytes(), 0
    while True:
        kind, _, size = box_head(data[at : at + 16])
        if kind == b"moof":
            return HeadSource(str(path), at, len(data), start_s)
        at += size


async def add(web: Served, clip: Path, whole: Recording, *, times: int = 1) -> None:
    """Add a recording whose files are a clip each."""
    source = recorded(clip)
    for number in range(times):
        each = file(number, whole.id)
        path = web.recordings.places.path_of(each)
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(clip, path)
        made = segment(0, number)._replace(
            offset=source.init_size, size=source.end - source.init_size, start_s=2.0 * number
        )
        known = replace(each, init_size=source.init_size)
        await web.kept.write({whole: False}, [known], [(whole.id, made)], [])
