"""What a session tells the application: requests to answer, and facts.

A request is answered with `accept` or `reject`, or put off with `defer`; until then the session
processes nothing more.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple, TypeAlias

from headend.media.amf0 import Value
from headend.media.tag import Tag
from headend.rtmp.url import StreamTarget

# Bits of `capsEx`, which both sides tell at connect.
CAPS_RECONNECT: Final = 1
CAPS_MULTITRACK: Final = 2
CAPS_MODEX: Final = 4
CAPS_TIMESTAMP_NANO_OFFSET: Final = 8
MOST_CAPS: Final = 0xFFFF_FFFF


@dataclass(frozen=True, slots=True)
class ConnectCommand:
    """A peer wants to connect to an app.

    Attributes:
        app: As sent; may hold a query.
        tc_url: As sent, empty where the peer sent none. Never a reason to refuse.
        properties: The whole command object.
        transaction_id: For the answer.
    """

    app: str
    tc_url: str
    properties: Mapping[str, Value]
    transaction_id: float

    @property
    def flash_version(self) -> str:
        """What the peer calls itself, such as `FMLE/3.0 (compatible; FMSc/1.0)`; may be empty."""
        value = self.properties.get("flashVer")
        return value if isinstance(value, str) else ""

    @property
    def can_move(self) -> bool:
        """The peer connects anew when it is asked to (Enhanced RTMP v2, `capsEx`)."""
        return bool(self._caps & CAPS_RECONNECT)

    @property
    def knows_tracks(self) -> bool:
        """The peer knows several tracks of a kind."""
        return bool(self._caps & CAPS_MULTITRACK)

    @property
    def _caps(self) -> int:
        value = self.properties.get("capsEx")
        if isinstance(value, int | float) and 0 <= value <= MOST_CAPS:  # which NaN is not
            return int(value)
        return 0


@dataclass(frozen=True, slots=True)
class PublishCommand:
    """A peer wants to publish.

    Attributes:
        stream_id: Message stream it will publish on.
        target: App, name and credentials, checked.
    """

    stream_id: int
    target: StreamTarget


@dataclass(frozen=True, slots=True)
class PlayCommand:
    """A peer wants to play.

    Attributes:
        stream_id: Message stream it wants the media on.
        target: App, name and credentials, checked.
        start_ms: Where in a recording it wants to start; None: what is live, if it is.
        length_ms: How much of a recording it wants; None: all of it.
    """

    stream_id: int
    target: StreamTarget
    start_ms: int | None = None
    length_ms: int | None = None


@dataclass(frozen=True, slots=True)
class CommandRefused:
    """A request was refused already, for an app or a name that cannot be; no answer is wanted.

    Attributes:
        command: connect, publish or play.
        code: Sent to the peer.
        description: Sent to the peer; says what is wrong without repeating it.
    """

    command: str
    code: str
    description: str


@dataclass(frozen=True, slots=True)
class RequestCancelled:
    """The peer wants no answer to its request any more: it has ended or replaced it."""

    stream_id: int


class MediaReceived(NamedTuple):
    """Tags of one published stream, in the order they came; at least one."""

    stream_id: int
    tags: Sequence[Tag]


@dataclass(frozen=True, slots=True)
class PublishEnded:
    """The publisher said that it ends (FCUnpublish, closeStream, deleteStream)."""

    stream_id: int


@dataclass(frozen=True, slots=True)
class PlayEnded:
    """The player said that it wants no more (closeStream, deleteStream)."""

    stream_id: int


@dataclass(frozen=True, slots=True)
class PlayChanged:
    """The player paused or resumed, or switched a medium on or off.

    Attributes:
        stream_id: Message stream of the play.
        is_paused: Nothing is wanted until it resumes.
        audio: Audio is wanted.
        video: Video is wanted.
    """

    stream_id: int
    is_paused: bool
    audio: bool
    video: bool


@dataclass(frozen=True, slots=True)
class PlaySought:
    """The player wants to go on elsewhere in the recording that it plays.

    Attributes:
        stream_id: Message stream of the play.
        position_ms: Where, from the recording's start.
    """

    stream_id: int
    position_ms: int


@dataclass(frozen=True, slots=True)
class BufferChanged:
    """The player of a recording says how much it holds ahead, or that it is another length now.

    Attributes:
        stream_id: Message stream of the play.
        buffer_ms: How much it holds ahead of what it shows.
    """

    stream_id: int
    buffer_ms: int


Request: TypeAlias = ConnectCommand | PublishCommand | PlayCommand
Event: TypeAlias = (
    Request
    | CommandRefused
    | RequestCancelled
    | MediaReceived
    | PublishEnded
    | PlayEnded
    | PlayChanged
    | PlaySought
    | BufferChanged
)
