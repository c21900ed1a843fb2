"""The message streams of one RTMP peer: what each does, and what waits there.

    createStream ─► IDLE ─► WAITING ─► PUBLISHING or PLAYING ─► IDLE
                               └─ what comes behind a deferred request is held

What a peer sends on a message stream whose publish or play is not answered yet is held, but for
commands that end or replace the request. So is media on message stream 0, which is meant for a
stream that will be published.

Source: RTMP 1.0, 7.2.1.3 and 7.2.2.
"""

from enum import Enum, auto
from typing import Final

from headend.errors import MediaError, ProtocolError, UsageError
from headend.rtmp import messages as m
from headend.rtmp.chunks import Message
from headend.rtmp.events import PlayCommand, PublishCommand
from headend.rtmp.url import StreamTarget

HELD_OVERHEAD: Final = 100  # bytes of a message that waits, besides its payload


class StreamUse(Enum):
    """What a message stream does."""

    IDLE = auto()
    WAITING = auto()  # a request is not answered yet
    PUBLISHING = auto()
    PLAYING = auto()


class NetStream:
    """One message stream that createStream returned."""

    __slots__ = (
        "audio",
        "buffer_ms",
        "held",
        "held_bytes",
        "is_paused",
        "is_recorded",
        "request",
        "target",
        "use",
        "video",
    )

    def __init__(self) -> None:
        self.use = StreamUse.IDLE
        self.request: PublishCommand | PlayCommand | None = None  # that waits for its answer
        self.held: list[Message] = []  # that came behind it
        self.held_bytes = 0
        self.target: StreamTarget | None = None
        self.is_paused = False
        self.is_recorded = False  # what it plays
        self.audio = True
        self.video = True
        self.buffer_ms = 0  # that its player holds; 0: not said


class NetStreams:
    """The message streams of one RTMP peer.

    Attributes:
        most: How many there may be.
        waiting: Those whose publish or play is deferred.
    """

    __slots__ = ("_created", "_streams", "most", "waiting")

    def __init__(self, most: int) -> None:
        self.most: Final = most
        self._streams: dict[int, NetStream] = {}
        self._created = 0
        self.waiting: set[int] = set()

    # ------------------------------------------------------------------ which there are

    def create(self) -> int | None:
        """Add one and return its ID; None: there are as many as may be."""
        if len(self._streams) >= self.most:
            return None
        self._created += 1
        self._streams[self._created] = NetStream()
        return self._created

    def get(self, stream_id: int) -> NetStream | None:
        """Return the one of an ID, if there is one."""
        return self._streams.get(stream_id)

    def ids(self) -> list[int]:
        """Return the IDs of all."""
        return list(self._streams)

    def reset(self, stream_id: int) -> NetStream | None:
        """Make one idle again, and return what it was."""
        stream = self._streams.get(stream_id)
        if stream is not None:
            idle = self._streams[stream_id] = NetStream()
            idle.buffer_ms = stream.buffer_ms
            self.waiting.discard(stream_id)
        return stream

    def delete(self, stream_id: int) -> None:
        """Forget one that is idle; an unknown ID is ignored."""
        self._streams.pop(stream_id, None)

    # ------------------------------------------------------------------ what they do

    def uses(self) -> set[StreamUse]:
        """Return what they do, all together."""
        return {stream.use for stream in self._streams.values()}

    def all_publishing(self) -> dict[int, NetStream]:
        """Return those that publish, by ID."""
        streams = self._streams.items()
        return {i: stream for i, stream in streams if stream.use is StreamUse.PUBLISHING}

    def set_buffer(self, stream_id: int, buffer_ms: int) -> None:
        """Take note of how much a player holds ahead; an unknown ID is ignored."""
        stream = self._streams.get(stream_id)
        if stream is not None:
            stream.buffer_ms = buffer_ms

    def publishing(self, stream_id: int) -> int | None:
        """Return the message stream that media sent on `stream_id` belongs to, if one publishes.

        Older FFmpeg and librtmp send metadata on message stream 0.
        """
        stream = self._streams.get(stream_id)
        if stream is not None and stream.use is StreamUse.PUBLISHING:
            return stream_id
        publishing = self.all_publishing()
        return next(iter(publishing)) if stream_id == 0 and len(publishing) == 1 else None

    # ------------------------------------------------------------------ requests

    def ask(self, request: PublishCommand | PlayCommand) -> None:
        """Have the message stream of a request wait for the answer."""
        stream = self._streams[request.stream_id]
        stream.use, stream.request, stream.target = StreamUse.WAITING, request, request.target

    def defer(self, request: PublishCommand | PlayCommand) -> None:
        """Hold what comes for a message stream until its request is answered.

        Raises:
            UsageError: The request is not the one that waits.
        """
        self.requested(request)
        self.waiting.add(request.stream_id)

    def requested(self, request: PublishCommand | PlayCommand) -> NetStream:
        """Return the message stream that waits for the answer to a request.

        Raises:
            UsageError: The request is not the one that waits.
        """
        stream = self._streams.get(request.stream_id)
        if stream is None or stream.request != request:
            raise UsageError(f"message stream {request.stream_id} waits for no answer")
        return stream

    def accept(
        self, request: PublishCommand | PlayCommand, *, is_recorded: bool = False
    ) -> list[Message]:
        """Have the message stream do what was requested; return what was held there.

        Args:
            request: The one that waits.
            is_recorded: What is played is a recording.

        Raises:
            UsageError: The request is not the one that waits.
        """
        stream = self.requested(request)
        is_publish = isinstance(request, PublishCommand)
        stream.use = StreamUse.PUBLISHING if is_publish else StreamUse.PLAYING
        stream.request = None
        stream.is_recorded = is_recorded
        self.waiting.discard(request.stream_id)
        held, stream.held, stream.held_bytes = stream.held, [], 0
        return held

    # ------------------------------------------------------------------ what is held

    def hold(self, message: Message) -> bool:
        """Keep a message that must wait until a deferred request is answered.

        Returns:
            Whether it is kept; else it is to be processed now.
        """
        stream = self._holder(message)
        if stream is None:
            return False
        stream.held.append(message)
        stream.held_bytes += HELD_OVERHEAD + len(message.payload)
        return True

    @property
    def held_bytes(self) -> int:
        """How much waits for an answer."""
        return sum(self._streams[stream_id].held_bytes for stream_id in self.waiting)

    def _holder(self, message: Message) -> NetStream | None:
        stream_id = message.stream_id
        if stream_id in self.waiting:
            if message.type_id in (m.COMMAND_AMF0, m.COMMAND_AMF3) and _replaces(message):
                return None
            return self._streams[stream_id]
        if not stream_id and message.type_id in m.MEDIA and not self.all_publishing():
            return self._streams[min(self.waiting)]
        return None


def _replaces(message: Message) -> bool:
    """Say whether a command ends or replaces a request that waits; a broken one does."""
    try:
        name = m.parse_command(message)[0]
    except (MediaError, ProtocolError):
        return True  # its handler says what is wrong
    return name in ("publish", "play", "closeStream", "deleteStream")
