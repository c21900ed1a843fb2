"""A process that reads media files: `python -m` runs it.

Files come from strangers, so it may crash, hang or want too much without harm to the server: it
holds no secrets, and has limits of memory, CPU and what it writes. It ends when the server closes
its input.

    in   a job as a line of JSON, see `FileJob`
    out  a line at the start; then for each job `{}`, or `{"fault": why}`
"""

import json
import os
import sys
from contextlib import suppress
from dataclasses import asdict, replace
from io import BytesIO
from pathlib import Path
from typing import BinaryIO, Final

from headend.codec.confined import allow_cpu, confine, fault_of
from headend.codec.file_cut import cut, cut_text
from headend.codec.file_index import FileIndex, IndexedTrack, OpenMedia, file_index, open_file
from headend.errors import MediaError
from headend.media.boxes import boxes
from headend.media.tag import VIDEO
from headend.media.track_config import track_config
from headend.record.stored_tags import stored_tracks
from headend.vod.values import FileJob, index_of

MEMORY_BYTES: Final = 2 << 30  # the tables of an MP4 file of a day take some hundred MB
WRITTEN_BYTES: Final = 512 << 20  # of one segment
CPU_S: Final = 900  # of one job; the server gives up sooner, unless it is gone
FAULT_CHARACTERS: Final = 300
LOOKED_AT: Final = 10  # segments in which a track may have its first packet
# Sound that needs no configuration: its frames say all.
PLAIN: Final = {b".mp3": "mp4a.40.34", b"mp4a": "mp4a.40.34", b"ac-3": "ac-3", b"ec-3": "ec-3"}


def main() -> None:
    """Serve until the input ends."""
    answers = confine(MEMORY_BYTES, WRITTEN_BYTES)
    answers.write(b"{}\n")
    serve(sys.stdin.buffer, answers)


def serve(jobs: BinaryIO, answers: BinaryIO) -> None:
    """Do every job, until there are no more."""
    reader = FileWorker()
    for line in jobs:
        allow_cpu(CPU_S)
        answer = {}
        try:
            reader.work(FileJob(*json.loads(line)))
        except Exception as error:  # FFmpeg's own, of many kinds
            answer["fault"] = fault_of(error, FAULT_CHARACTERS)
        answers.write(json.dumps(answer).encode() + b"\n")


class FileWorker:
    """Does jobs; the file of the last one stays open."""

    def __init__(self) -> None:
        self._open: tuple[str, OpenMedia, FileIndex] | None = None

    def work(self, job: FileJob) -> None:
        """Do a job.

        Raises:
            MediaError: It cannot be done.
        """
        target = Path(job.target)
        made = target.with_suffix(".part")
        try:
            if job.number is None:
                _check(job)
                index = file_index(job.path)
                made.write_text(json.dumps(asdict(_described(job.path, index))))
            else:
                self._cut(job, job.number, made)
            made.replace(target)
        except BaseException:
            self._close()
            with suppress(OSError):
                made.unlink()
            raise

    def _cut(self, job: FileJob, number: int, made: Path) -> None:
        if not number or self._open is None or self._open[0] != job.index_path:
            self._close()
            _check(job)
            index = index_of(Path(job.index_path).read_bytes())
            self._open = job.index_path, open_file(job.path), index
        _, container, index = self._open
        kinds = {each.number: each.kind for each in index.tracks}
        if kinds[job.tracks[0]] == "text":
            made.write_text(cut_text(container, index, number, job.tracks[0]))
        else:
            cut(container, index, number, job.tracks, str(made))

    def _close(self) -> None:
        if self._open is not None:
            self._open[1].close()
            self._open = None


def _check(job: FileJob) -> None:
    """Return if the file is the one that was asked for."""
    found = os.stat(job.path)
    if [found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns] != list(job.identity):
        raise MediaError("the file has changed")


def _described(path: str, index: FileIndex) -> FileIndex:
    """Add what players are told of tracks; those that cannot be written go."""
    found, left_out = list[IndexedTrack](), [*index.left_out]
    for track in index.tracks:
        try:
            found.append(track if track.kind == "text" else _looked_at(path, index, track))
        except MediaError as error:
            left_out.append(f"track {track.number}: {error}")
    if all(track.kind == "text" for track in found):
        raise MediaError(f"the file holds nothing that can be played: {'; '.join(left_out)}")
    if index.lead not in [replace(each, codecs="", width=0, height=0) for each in found]:
        raise MediaError(f"its video cannot be played: {'; '.join(left_out)}")
    return replace(index, tracks=found, left_out=left_out)


def _looked_at(path: str, index: FileIndex, track: IndexedTrack) -> IndexedTrack:
    moov = _moov(path, index, track)
    stored = next(iter(stored_tracks(moov).values()))
    if stored.header is None:
        return replace(track, codecs=next(name for key, name in PLAIN.items() if key in moov))
    config = track_config(stored.header)
    if stored.kind is VIDEO:
        return replace(track, codecs=config.codecs, width=config.width, height=config.height)
    return replace(track, codecs=config.codecs)


def _moov(path: str, index: FileIndex, track: IndexedTrack) -> bytes:
    """Return what MP4 says of a track, as it is with the first packets of it."""
    for number in range(min(len(index.starts), LOOKED_AT)):
        made = _MadeBytes()
        with suppress(MediaError), open_file(path) as container:
            cut(container, index, number, [track.number], made)
            return next(each for kind, each in boxes(made.getvalue()) if kind == b"moov")
    raise MediaError("it begins too late, or cannot be written as MP4")


class _MadeBytes(BytesIO):
    def seekable(self) -> bool:
        return False


if __name__ == "__main__":
    main()
