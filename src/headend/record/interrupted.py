"""Recordings that a crash has cut short: they go on when their publisher is back in time.

journal ─► Interrupted ─► the publisher is back within live.reconnect_window_s ─► its next file
"""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from headend.record.journal import Unfinished
from headend.record.values import Recording


@dataclass(slots=True, eq=False)
class Interrupted:
    """A recording that ran when the server ended.

    Attributes:
        recording: As it began, or with all that was found in its files.
        number: Number of its last file.
        suffix: Suffix of that file.
        end_s: Where its media ends at the latest, seconds on its timeline.
        ended: When something was written last, Unix seconds.
    """

    recording: Recording
    number: int
    suffix: str
    end_s: float
    ended: float


def interrupted(folder: Path, found: Iterable[Unfinished]) -> dict[str, Interrupted]:
    """Return the newest recording of each stream that has a journal; reads the disk."""
    newest: dict[str, Interrupted] = {}
    for unfinished in found:
        made = _interrupted(folder, unfinished)
        if made is None:
            continue
        known = newest.get(made.recording.stream)
        if known is None or known.ended < made.ended:
            newest[made.recording.stream] = made
    return newest


def _interrupted(folder: Path, unfinished: Unfinished) -> Interrupted | None:
    if not unfinished.files:
        return None
    last = unfinished.files[-1]
    path = folder / last.file.path
    try:
        ended = path.stat().st_mtime
    except OSError:
        return None
    end_s = last.start_s + max(0.0, ended - last.date)
    return Interrupted(
        unfinished.recording, last.file.number, path.suffix.removeprefix("."), end_s, ended
    )
