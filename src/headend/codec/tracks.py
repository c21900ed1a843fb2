"""The tracks that are packaged, track 0 of each kind, and those that are refused."""

from collections.abc import Callable
from dataclasses import replace
from math import inf
from typing import Final, Literal, NamedTuple

from headend.codec.package import CODECS, Container, Track
from headend.errors import HeadendError, MediaError
from headend.media import amf0
from headend.media.codecs import is_description, track_ids
from headend.media.headers import Codec
from headend.media.nalus import length_size
from headend.media.tag import VIDEO, Tag, TagKind
from headend.media.track_config import (
    MAX_SIZE,
    TrackConfig,
    codec_of,
    color_of,
    needs_header,
    says_nothing,
    track_config,
)


class _Refused(NamedTuple):
    """A track that is not packaged.

    Attributes:
        codec: Whose frames are passed over.
        why: In a line.
        track: Which; None: its codec does not go into the container.
        until: Of the stream's time, ms; then it is tried again.
    """

    codec: Codec
    why: str
    track: Track | None = None
    until: float = inf


class Tracks:
    """The tracks of one stream.

    Attributes:
        known: Those that can be packaged, by kind.
        version: Grows when they change.
        length_size: Bytes of the lengths of the picture's NAL units; 0: its codec has none.
    """

    def __init__(
        self, container: Container | Literal["pyav"], report: Callable[[str], None]
    ) -> None:
        """Know nothing yet.

        Args:
            container: What it is for: not every codec goes into every one.
            report: Called with a line for each track that is refused.
        """
        self._report = report
        self._container = container
        self._codecs = CODECS[container]
        self._refused: dict[TagKind, _Refused] = {}
        self._size: tuple[int, int] | None = None  # of the picture, as metadata says
        self.known: Final[dict[TagKind, Track]] = {}
        self.version = 0
        self.length_size = 0

    def clear(self) -> None:
        """Forget the tracks: another publisher comes."""
        self._refused.clear()
        if self.known:
            self.known.clear()
            self.version += 1

    def learn_size(self, metadata: bytes) -> None:
        """Take note of the picture's size, if the body of a script tag says it."""
        self._size = _metadata_size(metadata) or self._size

    def learn(self, tag: Tag) -> None:
        """Take note of a sequence header; one that cannot be used refuses its track.

        Raises:
            MediaError: It is damaged, and the track goes on as before, or its codec is not known.
        """
        known = self.known.get(tag.kind)
        if known is not None and known.tag.body == tag.body:
            return
        if tag.kind is VIDEO and is_description(tag):
            self._learn_color(tag, known)
            return
        if says_nothing(tag):
            return
        codec = codec_of(tag)
        if codec not in self._codecs:
            self._refuse(tag.kind, codec, self._foreign(codec))
            return
        try:
            self._add(Track(self._config(tag), tag))
        except MediaError as error:
            if known is not None and known.config.codec is codec:
                raise
            self._refuse(tag.kind, codec, str(error))

    def _learn_color(self, tag: Tag, known: Track | None) -> None:
        """Take note of the colours of the picture; that of another track says nothing of it."""
        if known is None or codec_of(tag) is not known.config.codec or 0 not in track_ids(tag):
            return
        try:
            color = color_of(tag)
        except MediaError:
            return  # damaged, or of another kind of metadata
        if color != known.config.color:
            self._add(Track(replace(known.config, color=color), known.tag))

    def _config(self, tag: Tag) -> TrackConfig:
        config = track_config(tag)
        known = self.known.get(tag.kind)
        if known is not None and known.config.codec is config.codec:
            config = replace(config, color=known.config.color)
        if tag.kind is VIDEO and not (config.width and config.height):
            if self._size is None:
                raise MediaError(f"the size of {config.codec} is not known")
            config = replace(config, width=self._size[0], height=self._size[1])
        return config

    def has(self, tag: Tag, codec: Codec, time: int) -> bool:
        """Say whether a frame is of a track that is packaged; false: it is refused.

        Args:
            tag: The frame, which says what the track is if there is no sequence header.
            codec: Of the frame.
            time: Of the stream, ms.

        Raises:
            MediaError: It does not say what its track is, as it should without a sequence header.
        """
        known = self.known.get(tag.kind)
        if known is not None and known.config.codec is codec:
            return True
        refused = self._refused.get(tag.kind)
        if refused is not None and refused.codec is codec:
            if refused.track is None or time < refused.until:
                return False
            self._add(refused.track)
            return True
        if codec not in self._codecs:
            self._refuse(tag.kind, codec, self._foreign(codec))
            return False
        if needs_header(codec):
            self._refuse(tag.kind, codec, f"{codec} comes without a sequence header")
            return False
        self._add(Track(track_config(tag), tag))
        return True

    def refuse(self, track: Track, fault: str, until: float = inf) -> None:
        """Leave a track out until its codec or its sequence header changes, or until a time."""
        codec = track.config.codec
        self._refuse(track.config.kind, codec, f"{codec} is left out: {fault}", track, until)

    @property
    def refusals(self) -> list[str]:
        """Why tracks are not packaged now, a line each."""
        return [refused.why for refused in self._refused.values()]

    def _foreign(self, codec: Codec) -> str:
        if self._container == "pyav":
            return "there is a codec that FFmpeg does not decode"
        return f"{codec} does not go into {self._container}"

    def _refuse(
        self,
        kind: TagKind,
        codec: Codec,
        why: str,
        track: Track | None = None,
        until: float = inf,
    ) -> None:
        self._drop(kind)
        self._refused[kind] = _Refused(codec, why, track, until)
        self._report(why)

    def _add(self, track: Track) -> None:
        config = track.config
        if config.kind is VIDEO:
            self.length_size = length_size(config.codec, config.record)
        self._refused.pop(config.kind, None)
        self.known[config.kind] = track
        self.version += 1

    def _drop(self, kind: TagKind) -> None:
        if self.known.pop(kind, None) is not None:
            self.version += 1


def _metadata_size(body: bytes) -> tuple[int, int] | None:
    """Return width and height of onMetaData, if it has any that make sense."""
    try:
        values = amf0.parse_values(body)
    except HeadendError:
        return None
    for value in values:
        if isinstance(value, dict):
            width, height = value.get("width"), value.get("height")
            if isinstance(width, float) and isinstance(height, float):
                is_size = all(1 <= side <= MAX_SIZE for side in (width, height))
                return (int(width), int(height)) if is_size else None
    return None
