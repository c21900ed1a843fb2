"""The store of segments that records a stream as fragmented MP4, as the packager makes it.

    add_init, add_part, end_segment ─► Mp4Store: where files begin ─► tape

A file begins with each init segment that is another, after each break of the media, and at the
first keyframe after `record.file_s`.
"""

from headend.hls.store_port import Init, MediaPart
from headend.media.tag import VIDEO
from headend.record.tape import Media, Tape


class Mp4Store:
    """The store that passes segments on to a tape."""

    def __init__(self, tape: Tape) -> None:
        self._tape = tape
        self._init = Init(b"", ())
        self._is_break = True

    def promise(self, target_s: int, part_target_s: float) -> None:
        """Ignore promises, which are made to players and not to a recording."""

    def add_init(self, init: Init) -> None:
        self._is_break = self._is_break or init.body != self._init.body
        self._init = init

    def discontinuity(self) -> None:
        self._is_break = True

    def date(self, seconds: float) -> None:
        self._tape.date(seconds)

    def add_part(self, part: MediaPart) -> None:
        tape = self._tape
        is_due = tape.is_full and part.is_independent and not tape.is_in_segment
        if self._is_break or is_due:
            tape.begin_file(
                self._init.body, _media(self._init), part.start, is_break=self._is_break
            )
            self._is_break = False
        end = part.start + part.duration
        tape.add(part.body, part.start, end, is_keyframe=part.is_independent)

    def end_segment(self) -> None:
        self._tape.end_segment()

    def end(self) -> None:
        self._tape.end()


def _media(init: Init) -> Media:
    video = next((track for track in init.tracks if track.kind is VIDEO), None)
    codecs = ",".join(track.codecs for track in init.tracks)
    return Media(codecs) if video is None else Media(codecs, video.width, video.height)
