"""Playlists of recordings: byte ranges of their files.

    file 0   #EXT-X-MAP            0.mp4, its first bytes
             #EXTINF               0.mp4, a segment
             …
    file 1   #EXT-X-DISCONTINUITY  where timestamps or codecs do not go on
             #EXT-X-MAP …

A recording that runs has an EVENT playlist: lines are added, and none goes.

Source: RFC 8216, 4.3.2 and 4.3.3.
"""

from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from headend.hls.playlist import date_text
from headend.record.values import RecordedFile, RecordedSegment

VERSION: Final = 7  # EXT-X-MAP with a byte range; players of fragmented MP4 expect no less
GAP_S: Final = 0.2  # on the timeline: media does not go on
DRIFT_S: Final = 0.1  # of the wall clock, that is told anew
FROM_START: Final = "#EXT-X-START:TIME-OFFSET=0"  # players would begin at the end of what runs
# They stand in the lines for what differs with who asks: where the file is, and with what query.
PLACE: Final = "\x01"
QUERY: Final = "\x02"


class SegmentList:
    """The segments of a recording as lines of a playlist.

    Attributes:
        duration_s: Duration of all segments, seconds.
        size: Number of characters of the lines.
        count: Number of segments.
        last: File and offset of the last segment; None: there is none.
        starts: Start of each file by its number, seconds on the timeline of the recording.
        jumps: Places after each hole, in seconds of what a player plays and of the timeline.
    """

    def __init__(self) -> None:
        """Make a listing without segments."""
        self.duration_s = 0.0
        self.size = 0
        self.count = 0
        self.last: tuple[int, int] | None = None
        self.starts: dict[int, float] = {}
        self.jumps: list[tuple[float, float]] = []
        self._pieces: list[str] = []
        self._unpack: Callable[[], str] | None = None
        self._longest = 0.0
        self._end = 0.0  # of the last one, on the timeline of the recording
        self._date = 0.0  # end of the last one, by the wall clock as it was told last

    def about(self) -> dict[str, Any]:
        """Return all but the text, as values of JSON; see `restored`."""
        names = ("duration_s", "size", "count", "last", "jumps", "_longest")
        return {name: getattr(self, name) for name in names} | {"starts": [*self.starts.items()]}

    @classmethod
    def restored(cls, about: Mapping[str, Any], unpack: Callable[[], str]) -> "SegmentList":
        """Return a listing to which nothing is added.

        Args:
            about: What `about` returned.
            unpack: Returns the lines once they are wanted.
        """
        made = cls()
        for name, value in about.items():
            setattr(made, name, value)
        file, offset = about["last"]
        made.last, made.starts = (file, offset), dict(about["starts"])
        made._unpack = unpack
        return made

    @property
    def target_s(self) -> int:
        """Target duration, seconds: no segment is longer, rounded."""
        return max(1, int(self._longest + 0.5))

    def add(self, files: Mapping[int, RecordedFile], segments: Iterable[RecordedSegment]) -> None:
        """Add segments at the end; segments of a file that is not known are left out.

        Args:
            files: Files of the recording, by number.
            segments: The segments, in their order.
        """
        lines: list[str] = []
        in_file = -1 if self.last is None else self.last[0]
        for file, offset, size, start, duration, date, _ in segments:
            is_hole = abs(start - self._end) > GAP_S
            if file != in_file:
                if file not in files:
                    continue
                is_gap = is_hole or files[file].discontinuity
                lines += self._head(date, is_gap=is_gap and in_file >= 0)
                in_file = file
                self.starts[file] = start
                init = files[file].init_size
                map = f'URI="{PLACE}{file}.mp4{QUERY}",BYTERANGE="{init}@0"'
                lines.append(f"#EXT-X-MAP:{map}")
            elif is_hole:
                lines += self._head(date, is_gap=True)
            elif abs(date - self._date) > DRIFT_S:
                lines += self._head(date, is_gap=False)
            if is_hole:
                self.jumps.append((self.duration_s, start))
            lines.append(
                f"#EXTINF:{duration:.5f},\n#EXT-X-BYTERANGE:{size}@{offset}\n"
                f"{PLACE}{file}.mp4{QUERY}"
            )
            self.last = file, offset
            self.count += 1
            self.duration_s += duration
            self._longest = max(self._longest, duration)
            self._end = start + duration
            self._date += duration
        if lines:
            piece = "\n".join([*lines, ""])
            self._pieces.append(piece)
            self.size += len(piece)

    def _head(self, date: float, *, is_gap: bool) -> list[str]:
        self._date = date
        told = f"#EXT-X-PROGRAM-DATE-TIME:{date_text(date)}"
        return ["#EXT-X-DISCONTINUITY", told] if is_gap else [told]

    def text(self, place: str, query: str) -> str:
        """Return the lines.

        Args:
            place: URI of the files' folder, seen from the playlist; empty, or with a slash at
                its end.
            query: Carried into every URI, with its question mark.
        """
        if self._unpack is not None:
            self._pieces, self._unpack = [self._unpack()], None
        if len(self._pieces) > 1:
            self._pieces = ["".join(self._pieces)]
        text = self._pieces[0] if self._pieces else ""
        return text.replace(PLACE, place).replace(QUERY, query)


class PlacedListing(NamedTuple):
    """A recording in a playlist.

    Attributes:
        listing: Its segments.
        place: URI of its files' folder; see `SegmentList.text`.
        urls: URLs of files that are elsewhere, by number.
    """

    listing: SegmentList
    place: str
    urls: Mapping[int, str] = MappingProxyType({})

    def text(self, query: str) -> str:
        """Return the lines; `query` is for what is fetched through us."""
        text = self.listing.text(self.place if not self.urls else PLACE, query)
        if not self.urls:
            return text
        for number, url in self.urls.items():
            text = text.replace(f"{PLACE}{number}.mp4{query}", url)
        return text.replace(PLACE, self.place)


def playlist(lists: Iterable[PlacedListing], query: str, *, is_over: bool) -> str:
    """Write a playlist of one recording, or of several that follow each other.

    Args:
        lists: The recordings.
        query: Carried into every URI, with its question mark.
        is_over: Nothing follows.
    """
    lists = [each for each in lists if each.listing.last is not None]
    target = max((each.listing.target_s for each in lists), default=1)
    head = [
        "#EXTM3U",
        f"#EXT-X-VERSION:{VERSION}",
        f"#EXT-X-TARGETDURATION:{target}",
        f"#EXT-X-PLAYLIST-TYPE:{'VOD' if is_over else 'EVENT'}",
        "#EXT-X-MEDIA-SEQUENCE:0",
        *([] if is_over else [FROM_START]),
        "",
    ]
    text = "#EXT-X-DISCONTINUITY\n".join(each.text(query) for each in lists)
    return "\n".join(head) + text + ("#EXT-X-ENDLIST\n" if is_over else "")
