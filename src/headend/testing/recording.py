"""What a player got, and checks of it that say what is wrong.

Every check returns the recording, so that they can be chained:

    recording.assert_starts_with_keyframe().assert_no_gap().assert_decodes()
"""

from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Final, Self

from headend.codec.demux import decode_all
from headend.errors import MediaError
from headend.media import flv
from headend.media.codecs import is_description
from headend.media.tag import AUDIO, SCRIPT, VIDEO, Tag, TagKind
from headend.media.track_config import TrackConfig, track_config

HALF: Final = 0x8000_0000


class Recording:
    """Tags in the order they came.

    Attributes:
        tags: All of them.
    """

    def __init__(self, tags: Iterable[Tag]) -> None:
        self.tags: Final[Sequence[Tag]] = tuple(tags)

    def __len__(self) -> int:
        return len(self.tags)

    def __repr__(self) -> str:
        kinds = ", ".join(f"{len(self.media(kind))} {kind.name.lower()}" for kind in (VIDEO, AUDIO))
        return f"<Recording of {self.duration_ms} ms: {kinds}>"

    def media(self, kind: TagKind) -> list[Tag]:
        """Return the tags of a kind without sequence headers."""
        return [tag for tag in self.tags if tag.kind is kind and not tag.is_sequence_header]

    @property
    def duration_ms(self) -> int:
        """From the first to the last picture or sound."""
        times = [tag.timestamp for tag in self.tags if _is_media(tag)]
        return _after(times[0], times[-1]) if times else 0

    @property
    def bit_rate(self) -> int:
        """bit/s of pictures and sound; 0 for less than two of them."""
        size = sum(len(tag.body) for tag in self.tags if _is_media(tag))
        return size * 8000 // self.duration_ms if self.duration_ms else 0

    @property
    def keyframe_intervals(self) -> list[int]:
        """From each keyframe to the next one, ms."""
        times = [tag.timestamp for tag in self.media(VIDEO) if tag.is_keyframe]
        return [_after(before, after) for before, after in pairwise(times)]

    @property
    def tracks(self) -> list[TrackConfig]:
        """What the sequence headers say of the tracks: codec, size, rates; the newest of each."""
        found: dict[TagKind, TrackConfig] = {}
        for tag in self.tags:
            if tag.is_sequence_header and not is_description(tag):
                try:
                    found[tag.kind] = track_config(tag)
                except MediaError as error:
                    raise AssertionError(
                        f"the {tag.kind.name.lower()} sequence header at {tag.timestamp} ms cannot "
                        f"be read: {error}"
                    ) from None
        return list(found.values())

    def to_flv(self) -> bytes:
        """Return an FLV file, with time from 0 on."""
        first = next((tag.timestamp for tag in self.tags if _is_media(tag)), 0)
        kinds = {tag.kind for tag in self.tags}
        body = (
            flv.serialize_tag(tag._replace(timestamp=max(0, _after(first, tag.timestamp))))
            for tag in self.tags
        )
        head = flv.serialize_header(has_audio=AUDIO in kinds, has_video=VIDEO in kinds)
        return head + b"".join(body)

    # ------------------------------------------------------------------ checks

    def assert_starts_with_keyframe(self) -> Self:
        """Check that a decoder can start with the first picture."""
        headers = 0
        for number, tag in enumerate(self.tags):
            if tag.kind is VIDEO and tag.is_sequence_header:
                headers += not is_description(tag)
            elif tag.kind is VIDEO:
                _check(tag.is_keyframe, f"the first picture (tag {number}) is no keyframe")
                _check(headers > 0, f"no sequence header before the first picture (tag {number})")
                return self
        raise AssertionError(f"no picture among {len(self)} tags")

    def assert_no_gap(self, longest_ms: int = 500) -> Self:
        """Check that time goes forward in each track, and that no step is too long.

        Args:
            longest_ms: From one picture to the next, and from one sound to the next.
        """
        for kind in (VIDEO, AUDIO):
            for before, after in pairwise(self.media(kind)):
                step = _after(before.timestamp, after.timestamp)
                where = f"{kind.name.lower()} goes from {before.timestamp} to {after.timestamp} ms"
                _check(step >= 0, f"{where}: back")
                _check(step <= longest_ms, f"{where}: a gap of {step} ms, over {longest_ms}")
        return self

    def assert_keyframe_interval(self, at_most_ms: int) -> Self:
        """Check how far keyframes are apart; there must be two."""
        intervals = self.keyframe_intervals
        _check(bool(intervals), "less than two keyframes")
        longest = max(intervals)
        _check(
            longest <= at_most_ms,
            f"{longest} ms from one keyframe to the next, over {at_most_ms}; all: {intervals}",
        )
        return self

    def assert_bit_rate(self, at_least: int = 0, at_most: int | None = None) -> Self:
        """Check the bit rate of the whole recording, bit/s."""
        rate = self.bit_rate
        _check(rate >= at_least, f"{rate} bit/s, below {at_least}")
        _check(at_most is None or rate <= at_most, f"{rate} bit/s, over {at_most}")
        return self

    def assert_tracks(self, *codecs: str, width: int = 0, height: int = 0) -> Self:
        """Check what the tracks are.

        Args:
            codecs: How the names of the tracks (RFC 6381) start, such as `avc1` and `mp4a.40.2`.
            width: Pixels; 0: any.
            height: Pixels; 0: any.
        """
        names = [track.codecs or str(track.codec) for track in self.tracks]
        for codec in codecs:
            _check(any(each.startswith(codec) for each in names), f"no {codec} among {names}")
        for track in self.tracks:
            if track.kind is VIDEO and (width or height):
                size = f"the picture is {track.width}x{track.height}, not {width}x{height}"
                _check((track.width, track.height) == (width, height), size)
        return self

    def assert_decodes(self) -> Self:
        """Decode every picture and sound with FFmpeg, which complains of any that is spoilt."""
        seen, failure = decode_all(self.to_flv())
        _check(failure is None, f"decoding fails after {seen} frames: {failure}")
        wanted = len(self.media(VIDEO))
        _check(seen >= wanted > 0, f"{seen} frames decoded, with {wanted} pictures received")
        return self

    def assert_same_media(self, published: Iterable[Tag], *, may_lack: int = 0) -> Self:
        """Check that this is what was published from some keyframe on, without a gap.

        Timestamps are not compared: a server may give a stream a timeline of its own.

        Args:
            published: All tags that were published.
            may_lack: How many pictures, and how many sounds, may be missing at the end.
        """
        source = Recording(published)
        for kind in (VIDEO, AUDIO):
            sent = [tag.body for tag in source.media(kind)]
            got = [tag.body for tag in self.media(kind)]
            name = kind.name.lower()
            if not sent:
                _check(not got, f"{len(got)} {name} tags, and none was published")
                continue
            _check(bool(got), f"no {name}; {len(sent)} tags were published")
            _check_run(name, got, sent, may_lack)
        return self


def _is_media(tag: Tag) -> bool:
    return tag.kind is not SCRIPT and not tag.is_sequence_header


def _after(before: int, after: int) -> int:
    """Return the difference of two timestamps, which wrap at 2**32."""
    return ((after - before + HALF) & 0xFFFF_FFFF) - HALF


def _check_run(name: str, got: list[bytes], sent: list[bytes], may_lack: int) -> None:
    """Check that `got` is what was sent from some place on; media in a loop has several."""
    starts = [number for number, body in enumerate(sent) if body == got[0]]
    _check(bool(starts), f"the first {name} tag was never published")
    same, start = max((_same(got, sent[start:]), start) for start in starts)
    _check(same == len(got), f"{name} differs from what was published: tag {same} of {len(got)}")
    lacking = len(sent) - start - len(got)
    _check(lacking <= may_lack, f"the last {lacking} {name} tags are missing")


def _same(one: list[bytes], other: list[bytes]) -> int:
    """Return how many bodies are the same from the start on."""
    pairs = enumerate(zip(one, other, strict=False))
    return next((n for n, (a, b) in pairs if a != b), min(len(one), len(other)))


def _check(is_so: bool, otherwise: str) -> None:
    if not is_so:
        raise AssertionError(otherwise)
