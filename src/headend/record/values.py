"""Values of recordings: a recording, its files, their segments and its publishers.

    recording ─┬─ file 0: ftyp moov │ moof mdat  moof mdat │ moof mdat …
               │          init_size │ segment 0            │ segment 1
               └─ file 1: …          a codec changed, or the file got too long

A file is fragmented MP4 (ISO/IEC 14496-12), playable by itself. A segment is the byte range of all
its parts, `moof mdat` each. The timeline of a recording begins at 0 with its first frame.
"""

from dataclasses import dataclass
from typing import Annotated, Literal, NamedTuple

from pydantic import ConfigDict, Field

State = Literal["recording", "ready", "failed"]
Kind = Literal["recording", "clip"]


@dataclass(frozen=True, slots=True)
class Recording:
    """One recording of a stream."""

    __pydantic_config__ = ConfigDict(extra="forbid")

    id: Annotated[str, Field(description="Unique for good.")]
    stream: Annotated[str, Field(description="APP/NAME.")]
    state: Annotated[
        State,
        Field(
            description="recording: it runs; ready: it is whole; failed: it ended before the "
            "stream did."
        ),
    ]
    started: Annotated[float, Field(description="When its first frame was sent, Unix seconds.")]
    ended: Annotated[float | None, Field(description="Unix seconds; null: it runs.")]
    bytes: Annotated[int, Field(description="Size of all its files.")]
    files: Annotated[int, Field(description="Number of its files.")]
    duration_s: Annotated[float, Field(description="Length of all its segments, seconds.")]
    kind: Annotated[
        Kind, Field(description="recording: of a stream; clip: cut from a recording.")
    ] = "recording"
    origin: Annotated[
        str | None, Field(description="Id of the recording that a clip was cut from.")
    ] = None
    stored: Annotated[int, Field(description="Number of its files that are in record.store.")] = 0


@dataclass(frozen=True, slots=True)
class RecordedFile:
    """One file of a recording.

    Attributes:
        recording_id: Id of its recording.
        number: Number of the file in its recording, from 0 on.
        path: Path relative to `record.folder`.
        init_size: Bytes of `ftyp moov`, with which it begins.
        discontinuity: Timestamps or codecs do not go on from the file before.
        codecs: As RFC 6381 writes them, with commas.
        width: Luma samples; 0: no video.
        height: Luma samples; 0: no video.
        store: URL of the object store that has it, without secrets; empty: none has.
        size: Size of what is in the store, bytes; None: nothing is.
        is_local: It is in `record.folder`.
    """

    recording_id: str
    number: int
    path: str
    init_size: int
    discontinuity: bool
    codecs: str
    width: int
    height: int
    store: str = ""
    size: int | None = None
    is_local: bool = True

    @property
    def key(self) -> str:
        """Key of the object in a store: no other server's recording has the same."""
        name, _, suffix = self.path.rpartition(".")
        return f"{name}.{self.recording_id}.{suffix}"


class RecordedSegment(NamedTuple):
    """One segment of a recording; a day has 43,200 of 2 s.

    Attributes:
        file: Number of its file.
        offset: Offset of its first byte in the file.
        size: Number of bytes.
        start_s: Its start on the timeline of the recording, seconds.
        duration_s: Duration, seconds.
        date: When its first frame was sent, Unix seconds.
        is_keyframe: It begins with a keyframe, or with sound where there is no video.
    """

    file: int
    offset: int
    size: int
    start_s: float
    duration_s: float
    date: float
    is_keyframe: bool


class KeptListing(NamedTuple):
    """The playlist of a long recording that is over; see `headend.record.kept_listing`.

    Attributes:
        packed: The playlist for clients without a query, compressed by gzip.
        about: What else a listing knows, as JSON.
    """

    packed: bytes
    about: str


@dataclass(frozen=True, slots=True)
class RecordedPublisher:
    """A publisher whose media is in a recording.

    Attributes:
        recording_id: Id of the recording.
        session: Id of the publish, unique for good.
        address: Address as `privacy.addresses` wants it; None: not known.
        subject: Id of the publish key, or holder of the token.
    """

    recording_id: str
    session: str
    address: str | None
    subject: str | None
