"""Tags that tests of the hub send, and a publisher, a sink and an observer that note what comes."""

from collections.abc import Callable, Sequence

from tests.wire import wire

from headend.hub.ports import Loss, StreamChange
from headend.hub.stream import Stream
from headend.media.codecs import audio_tag, script_tag, video_tag
from headend.media.tag import Tag

METADATA = b"\x02\x00\x0aonMetaData\x08\x00\x00\x00\x00\x00\x00\x09"

META = script_tag(0, METADATA)

AVC = video_tag(0, wire("17 00 000000 01640028"))

AVC_2 = video_tag(0, wire("17 00 000000 01640029"))

AAC = audio_tag(0, wire("af 00 1190"))


def key(time: int, size: int = 0) -> Tag:
    return video_tag(time, wire("17 01 000000 65") + bytes(size))


def inter(time: int, size: int = 0) -> Tag:
    return video_tag(time, wire("27 01 000000 41") + bytes(size))


def sound(time: int) -> Tag:
    return audio_tag(time, wire("af 01 de"))


NAMES = {META.body: "meta", AVC.body: "h1", AVC_2.body: "h2", AAC.body: "aac"}


def name(tag: Tag) -> str:
    """`K40`, `v80`, `a41` or `A41` (sound that counts as a keyframe), or the name of a header."""
    if tag.body in NAMES:
        return NAMES[tag.body]
    letter = tag.kind.name[0].lower()
    return f"{letter.upper() if tag.is_keyframe else letter}{tag.timestamp}".replace("V", "K")


class FakeSink:
    """Notes what it is told; raises where it is told to."""

    def __init__(self, raises_on: str = "") -> None:
        self.calls: list[str] = []
        self.tags: list[Tag] = []
        self.raises_on = raises_on
        self.then: Callable[[], None] | None = None

    def start(self, headers: Sequence[Tag]) -> None:
        self._note(" ".join(["start", *map(name, headers)]))

    def push(self, tag: Tag) -> None:
        self.tags.append(tag)
        self._note(name(tag))

    def interrupt(self) -> None:
        self._note("interrupt")

    def resume(self) -> None:
        self._note("resume")

    def end(self) -> None:
        self._note("end")

    def _note(self, call: str) -> None:
        self.calls.append(call)
        if self.then is not None:
            self.then()
        if call == self.raises_on:
            raise ZeroDivisionError(call)


class FakePublisher:
    """Notes whether it is watched, and whether it was replaced."""

    def __init__(self, peer: str = "10.0.0.7:51044") -> None:
        self.peer = peer
        self.calls: list[str] = []
        self.before_watched: Callable[[], None] | None = None

    def watched(self, *, is_watched: bool) -> None:
        self.calls.append("watched" if is_watched else "unwatched")
        if is_watched and self.before_watched is not None:
            self.before_watched()

    def replaced(self) -> None:
        self.calls.append("replaced")


class FakeObserver:
    """Notes what becomes of a stream."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def stream_changed(self, stream: Stream, change: StreamChange, reason: Loss) -> None:
        is_loss = change in (StreamChange.DISCONNECTED, StreamChange.ENDED)
        self.told.append(f"{change.name.lower()} {reason}" if is_loss else change.name.lower())
