"""Tags that are packaged for the tests of HLS, and what came of it."""

import re
from collections.abc import Sequence

from tests.defaults import hls_limits
from tests.hls.media import audio_header, video_header
from tests.hls_checker import Checker

from headend.hls.numbers import First
from headend.hls.packager import HlsPackager
from headend.hls.playlists import Playlists
from headend.hls.window import Window
from headend.media.tag import Tag

WALL = 1_800_000_000.0


class Packaged:
    """A packager and what it has told; its wall clock goes with the tags."""

    def __init__(
        self,
        *tags: Tag,
        interval_s: float | None = None,
        first: First | None = None,
        headers: Sequence[Tag] | None = None,
        checker: Checker | None = None,
        **limits: object,
    ) -> None:
        self.now = 0.0
        self.changes = 0
        self.reports: list[str] = []
        self.checker = checker
        wanted = hls_limits(**({"segments": 100} | limits))
        self.window = Window("e", first or First(0, 0), wanted)
        self.window.observers.append(self)
        self.playlists = Playlists(self.window)
        self.packager = HlsPackager(
            wanted,
            self.window,
            self,
            lambda: WALL + self.now,
            keyframe_interval_s=interval_s or 0.0,
        )
        self.packager.start((video_header(), audio_header()) if headers is None else headers)
        self.push(*tags)

    def reported(self, fault: str) -> None:
        self.reports.append(fault)

    def changed(self) -> None:
        self.changes += 1
        if self.checker is not None and self.playlists.is_ready:
            self.checker.check(self.playlist())

    def push(self, *tags: Tag) -> None:
        for tag in tags:
            self.now = tag.timestamp / 1000
            self.packager.push(tag)

    def playlist(self, *, skip: bool = False) -> str:
        return self.playlists.media_playlist(skip=skip, query="")

    @property
    def durations(self) -> list[float]:
        return [float(text) for text in re.findall(r"#EXTINF:([\d.]+)", self.playlist())]

    def find(self, pattern: str) -> list[str]:
        return re.findall(pattern, self.playlist(), re.MULTILINE)

    def parts(self) -> list[tuple[str, str, str]]:
        """Return duration, name and independence of all parts listed."""
        form = r"#EXT-X-PART:DURATION=([\d.]+),URI=\"([^\"]+)\"(,INDEPENDENT=YES)?"
        return re.findall(form, self.playlist())
