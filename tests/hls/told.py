"""A listener of the segment store that notes what it is told."""

from typing import Any

from headend.hls.store_port import Init, MediaPart


class Told:
    """A store that keeps what it was told."""

    def __init__(self) -> None:
        self.calls: list[tuple[Any, ...]] = []

    def promise(self, target_s: int, part_target_s: float) -> None:
        self.calls.append(("promise", target_s, part_target_s))

    def add_init(self, init: Init) -> None:
        self.calls.append(("add_init", init))

    def discontinuity(self) -> None:
        self.calls.append(("discontinuity",))

    def date(self, seconds: float) -> None:
        self.calls.append(("date", seconds))

    def add_part(self, part: MediaPart) -> None:
        self.calls.append(("add_part", part))

    def end_segment(self) -> None:
        self.calls.append(("end_segment",))

    def end(self) -> None:
        self.calls.append(("end",))
