"""This module is the server's side of one RTMP connection, without I/O.

    receive_data ─► handshake ─► chunks ─► messages ─┬─► media, as tags ─► events
                                                     └─► commands ─► replies and events

Bytes go in with the time, events and bytes to send come out. A request (connect, publish, play)
stops the processing of what follows it until `accept` or `reject`.

Source: RTMP 1.0, 7; what real peers send and need: docs/protocol.md.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Final

from headend.errors import LimitExceeded, MediaError, ProtocolError, UsageError
from headend.media.codecs import audio_tag, video_tag
from headend.media.tag import Tag
from headend.rtmp import messages as m
from headend.rtmp import replies
from headend.rtmp.chunks import ChunkLimits, ChunkReader, Message, serialize
from headend.rtmp.data import data_tag
from headend.rtmp.events import (
    ConnectRequest,
    Event,
    MediaReceived,
    PlayChanged,
    PlayEnded,
    PlayRequest,
    PublishEnded,
    PublishRequest,
    Request,
)
from headend.rtmp.handshake import ServerHandshake
from headend.rtmp.url import Target, stream_target

# Bytes of unfinished messages before a publish request is accepted: enough for commands and for the
# first frames of an encoder that does not wait for the answer.
UNTRUSTED_PARTIAL_BYTES: Final = 1024 * 1024
MAX_NAME: Final = 4096  # characters of a name or URL in a command; SRS and FFmpeg cut at 1024


@dataclass(frozen=True, slots=True)
class SessionSettings:
    """What a session needs to know; sizes in bytes, times in seconds.

    Attributes:
        chunk_size: Largest chunk payload we send; announced before the answer to connect.
        window_size: Window acknowledgement size and peer bandwidth we announce.
        chunk_limits: What the peer may make us hold.
        streams: Most message streams of one connection.
        commands_per_s: Most commands and control messages in one second.
        handshake_s: From the start to the end of the handshake.
        command_s: From the start to `connect`.
        idle_s: Longest time connected without publishing or playing.
        publisher_silence_s: Longest time a publisher sends nothing.
    """

    chunk_size: int = 65_536
    window_size: int = 2_500_000
    chunk_limits: ChunkLimits = field(default_factory=ChunkLimits)
    streams: int = 8
    commands_per_s: int = 100
    handshake_s: float = 5
    command_s: float = 10
    idle_s: float = 60
    publisher_silence_s: float = 20


class _State(Enum):
    """What a message stream does."""

    IDLE = auto()
    WAITING = auto()  # a request is not answered yet
    PUBLISHING = auto()
    PLAYING = auto()


class _NetStream:
    """One message stream that createStream returned."""

    __slots__ = ("audio", "is_paused", "state", "target", "video")

    def __init__(self) -> None:
        self.state = _State.IDLE
        self.target: Target | None = None
        self.is_paused = False
        self.audio = True
        self.video = True


class ServerSession:
    """Protocol state of one peer.

    After an exception from `receive_data` or `handle_timeout` the connection must be closed.

    Attributes:
        is_closing: Send what is to be sent, then close: nothing more will come of this session.
        is_waiting: A request is not answered; read no more from the peer until then.
    """

    __slots__ = (
        "_acknowledged",
        "_app",
        "_commands",
        "_connected",
        "_created",
        "_events",
        "_handshake",
        "_held",
        "_last_media",
        "_last_received",
        "_out",
        "_out_chunk_size",
        "_pinged",
        "_reader",
        "_received",
        "_second",
        "_settings",
        "_started",
        "_streams",
        "_tc_url",
        "_window",
        "is_closing",
        "is_waiting",
    )

    def __init__(self, settings: SessionSettings, filler: bytes, now: float) -> None:
        """Start a session.

        Args:
            settings: Shared by all sessions.
            filler: Random bytes for the handshake (`handshake.SERVER_FILLER_SIZE` of them).
            now: Monotonic seconds, as in all other calls.
        """
        self._settings = settings
        self._handshake: ServerHandshake | None = ServerHandshake(filler)
        self._reader = ChunkReader(settings.chunk_limits)
        self._reader.partial_bytes = UNTRUSTED_PARTIAL_BYTES
        self._out: list[bytes] = []
        self._out_chunk_size = 128
        self._events: list[Event] = []
        self._held: list[Message] = []
        self._streams: dict[int, _NetStream] = {}
        self._created = 0
        self._connected = False
        self._app = ""
        self._tc_url = ""
        self._window = settings.window_size
        self._received = 0
        self._acknowledged = 0
        self._started = self._last_received = self._last_media = self._pinged = now
        self._second = now
        self._commands = 0
        self.is_closing = False
        self.is_waiting = False

    # ------------------------------------------------------------------ bytes in, bytes out

    def receive_data(self, data: bytes, now: float) -> None:
        """Take bytes from the peer; fetch `events` and `data_to_send` afterwards.

        Raises:
            ProtocolError: The peer broke the protocol or passed a limit.
        """
        if self.is_closing:
            return
        self._last_received = now
        self._received += len(data)
        if self._handshake is not None:
            rest = self._shake_hands(self._handshake, data)
            if not rest:
                return
            data = rest
        messages = self._reader.receive_data(data)
        if self.is_waiting:
            self._held.extend(messages)
        else:
            self._process(messages, now)
        if self._received - self._acknowledged >= self._window >> 1:
            self._acknowledged = self._received
            self._send(m.acknowledgement(self._received))

    def events(self) -> list[Event]:
        """Return what happened since the last call."""
        events = self._events
        if events:
            self._events = []
        return events

    def data_to_send(self) -> list[bytes]:
        """Return the bytes to send since the last call."""
        out = self._out
        if out:
            self._out = []
        return out

    @property
    def read_size(self) -> int:
        """Most bytes worth reading at once: tiny chunks cost as much time as large ones."""
        return 65_536 if self._reader.chunk_size >= 128 else 4096

    def _shake_hands(self, handshake: ServerHandshake, data: bytes) -> bytes:
        reply = handshake.receive_data(data)
        if reply:
            self._out.append(reply)
        if not handshake.is_done:
            return b""
        self._handshake = None
        return handshake.rest

    def _send(self, message: Message) -> None:
        if message.type_id == m.COMMAND_AMF0:
            chunk_stream = m.STATUS_CHUNK_STREAM if message.stream_id else m.COMMAND_CHUNK_STREAM
        else:
            chunk_stream = m.CONTROL_CHUNK_STREAM
        self._out.append(serialize(message, chunk_stream, self._out_chunk_size))

    # ------------------------------------------------------------------ messages

    def _process(self, messages: Sequence[Message], now: float) -> None:
        """Go through messages in order: runs of media become one event, commands are answered."""
        tags: list[Tag] = []
        current = -1  # message stream of `tags`; 0 while that stream does not publish
        for index, message in enumerate(messages):
            type_id, timestamp, stream_id, payload = message
            if type_id in (m.VIDEO, m.AUDIO, m.DATA_AMF0, m.DATA_AMF3):
                if stream_id != current:
                    self._end_run(current, tags, now)
                    tags = []
                    current = stream_id
                if type_id == m.VIDEO:
                    tags.append(video_tag(timestamp, payload))
                elif type_id == m.AUDIO:
                    tags.append(audio_tag(timestamp, payload))
                else:
                    tag = data_tag(type_id, timestamp, payload)
                    if tag is not None:
                        tags.append(tag)
                continue
            self._end_run(current, tags, now)
            tags = []
            self._handle(message, now)
            if self.is_waiting:
                self._held = list(messages[index + 1 :])
                return
            if self.is_closing:
                return
        self._end_run(current, tags, now)

    def _end_run(self, stream_id: int, tags: list[Tag], now: float) -> None:
        """Report a run of tags of one message stream; what nobody publishes is dropped."""
        if not tags:
            return
        stream = self._streams.get(stream_id)
        if stream is None or stream.state is not _State.PUBLISHING:
            # Older FFmpeg and librtmp send metadata on message stream 0.
            publishing = [i for i, s in self._streams.items() if s.state is _State.PUBLISHING]
            if len(publishing) != 1 or stream_id != 0:
                return
            stream_id = publishing[0]
        self._last_media = now
        self._events.append(MediaReceived(stream_id, tags))

    def _handle(self, message: Message, now: float) -> None:
        type_id = message.type_id
        if type_id == m.AGGREGATE:
            self._process(m.split_aggregate(message), now)
        elif type_id in (m.COMMAND_AMF0, m.COMMAND_AMF3):
            self._charge(now)
            self._command(message)
        elif type_id == m.USER_CONTROL:
            self._charge(now)
            event, value = m.parse_user_control(message.payload)
            if event == m.PING_REQUEST:
                self._send(m.user_control(m.PING_RESPONSE, value))
        elif type_id == m.WINDOW_ACKNOWLEDGEMENT_SIZE:
            # Below a chunk's size every read would be answered.
            self._window = max(m.parse_u32(message.payload), 4096)
        elif type_id not in (m.ACKNOWLEDGEMENT, m.SET_PEER_BANDWIDTH):
            self._charge(now)  # shared objects and unknown types are ignored, but not for free

    def _charge(self, now: float) -> None:
        """Count a message that makes work without carrying media."""
        if now - self._second >= 1:
            self._second = now
            self._commands = 0
        self._commands += 1
        if self._commands > self._settings.commands_per_s:
            raise LimitExceeded(
                "limits.commands_per_s", self._commands, self._settings.commands_per_s
            )

    def _command(self, message: Message) -> None:
        try:
            name, transaction_id, arguments = m.parse_command(message)
        except MediaError as error:
            raise ProtocolError(f"command: {error}") from error
        if not self._connected and name != "connect":
            raise ProtocolError(f"command {name[:64]!r} before connect")
        handler = _COMMANDS.get(name)
        if handler is not None:
            handler(self, replies.Call(name, transaction_id, message.stream_id, arguments))
        elif transaction_id:
            self._send(replies.unknown(transaction_id, name))

    # ------------------------------------------------------------------ answers to requests

    def accept(self, request: Request) -> None:
        """Grant a request; `events` and `data_to_send` are to be fetched again.

        Raises:
            UsageError: The request is not the one that waits.
            ProtocolError: What came behind the request breaks the protocol.
        """
        match request:
            case ConnectRequest():
                self._accept_connect(request)
            case PublishRequest():
                stream = self._requested(request)
                stream.state = _State.PUBLISHING
                self._reader.partial_bytes = self._settings.chunk_limits.partial_bytes
                self._last_media = self._last_received
                self._send_all(replies.publish_started(request.stream_id, request.target.path))
            case PlayRequest():
                stream = self._requested(request)
                stream.state = _State.PLAYING
                self._send_all(replies.play_started(request.stream_id, request.target.path))
        self._go_on()

    def reject(self, request: Request, code: str, description: str) -> None:
        """Refuse a request: the peer is told `code` and `description`.

        The session closes unless another of its streams is in use.

        Raises:
            UsageError: The request is not the one that waits.
        """
        if isinstance(request, ConnectRequest):
            self._send(replies.connect_rejected(request.transaction_id, code, description))
            self.is_waiting = False
            self.is_closing = True
            return
        self._requested(request)
        self.is_waiting = False
        self.end(request.stream_id, code, description)
        if not self.is_closing:
            self._go_on()

    def end(self, stream_id: int, code: str, description: str) -> None:
        """End a publish or play from our side: the peer is told why.

        The session closes unless another of its streams is in use.
        """
        self._streams[stream_id] = _NetStream()
        self._send(m.on_status(stream_id, "error", code, description))
        self.is_closing = self._is_unused()

    def close(self, description: str) -> None:
        """End everything from our side."""
        if self._connected and not self.is_closing:
            self._send(m.on_status(0, "status", "NetConnection.Connect.Closed", description))
        self.is_closing = True

    def _requested(self, request: PublishRequest | PlayRequest) -> _NetStream:
        stream = self._streams.get(request.stream_id)
        if stream is None or stream.state is not _State.WAITING:
            raise UsageError(f"message stream {request.stream_id} waits for no answer")
        return stream

    def _accept_connect(self, request: ConnectRequest) -> None:
        if self._connected or not self.is_waiting:
            raise UsageError("connect waits for no answer")
        self._connected = True
        settings = self._settings
        # Before the answer: FFmpeg takes the chunk size for its own from what it has read by then.
        self._send(m.window_acknowledgement_size(settings.window_size))
        self._send(m.set_peer_bandwidth(settings.window_size))
        self._send(m.set_chunk_size(settings.chunk_size))
        self._out_chunk_size = settings.chunk_size
        self._send(replies.connected(request))

    def _go_on(self) -> None:
        """Process what was held behind the answered request."""
        self.is_waiting = False
        held, self._held = self._held, []
        if held:
            self._process(held, self._last_received)

    def _send_all(self, messages: Sequence[Message]) -> None:
        for message in messages:
            self._send(message)

    def _is_unused(self) -> bool:
        return all(stream.state is _State.IDLE for stream in self._streams.values())

    def _ask(self, request: Request) -> None:
        self.is_waiting = True
        self._events.append(request)

    # ------------------------------------------------------------------ commands

    def _on_connect(self, call: replies.Call) -> None:
        if self._connected:
            raise ProtocolError("second connect on one connection")
        properties = call.object(0)
        lower = {name.lower(): value for name, value in properties.items()}
        app, tc_url = lower.get("app"), lower.get("tcurl")  # `tcurl` is what some pipelines send
        self._app = app[:MAX_NAME] if isinstance(app, str) else ""
        self._tc_url = tc_url[:MAX_NAME] if isinstance(tc_url, str) else ""
        request = ConnectRequest(self._app, self._tc_url, properties, call.transaction_id)
        self._ask(request)
        try:
            stream_target(self._app, self._tc_url, "name")
        except ProtocolError as error:
            self._events.pop()
            self.reject(request, "NetConnection.Connect.InvalidApp", str(error))

    def _on_create_stream(self, call: replies.Call) -> None:
        if len(self._streams) >= self._settings.streams:
            text = f"limits.streams_per_connection: at most {self._settings.streams}"
            self._send(replies.failed(call.transaction_id, text))
            return
        self._created += 1
        self._streams[self._created] = _NetStream()
        self._reply(call, float(self._created))

    def _on_publish(self, call: replies.Call) -> None:
        stream = self._stream_of(call)
        target = self._target_of(call, "NetStream.Publish.BadName")
        if target is None:
            return
        if stream.state is _State.PUBLISHING and stream.target == target:
            # Wirecast publishes again before it unpublishes.
            self._send_all(replies.publish_started(call.stream_id, target.path))
            return
        self._leave(call.stream_id)
        stream = self._streams[call.stream_id]
        stream.state, stream.target = _State.WAITING, target
        self._ask(PublishRequest(call.stream_id, target))

    def _on_play(self, call: replies.Call) -> None:
        self._stream_of(call)
        target = self._target_of(call, "NetStream.Play.StreamNotFound")
        if target is None:
            return
        self._leave(call.stream_id)
        stream = self._streams[call.stream_id]
        stream.state, stream.target = _State.WAITING, target
        self._ask(PlayRequest(call.stream_id, target))

    def _on_play2(self, call: replies.Call) -> None:
        """Stream switching, a Flash feature: refused, and the stream goes on."""
        text = "play2 is not supported: close the stream and play the other one"
        self._send(m.on_status(call.stream_id, "error", "NetStream.Play.Failed", text))

    def _on_pause(self, call: replies.Call) -> None:
        stream = self._streams.get(call.stream_id)
        if stream is None or stream.state is not _State.PLAYING:
            return
        stream.is_paused = call.boolean(1, default=True)
        self._send_all(replies.paused(call.stream_id, is_paused=stream.is_paused))
        self._changed(call.stream_id, stream)

    def _on_seek(self, call: replies.Call) -> None:
        if call.stream_id in self._streams:
            text = "a live stream cannot be searched"
            self._send(m.on_status(call.stream_id, "error", "NetStream.Seek.Failed", text))

    def _on_receive_audio(self, call: replies.Call) -> None:
        stream = self._streams.get(call.stream_id)
        if stream is not None:
            stream.audio = call.boolean(1, default=True)
            self._on_receive(call.stream_id, stream, is_on=stream.audio)

    def _on_receive_video(self, call: replies.Call) -> None:
        stream = self._streams.get(call.stream_id)
        if stream is not None:
            stream.video = call.boolean(1, default=True)
            self._on_receive(call.stream_id, stream, is_on=stream.video)

    def _on_receive(self, stream_id: int, stream: _NetStream, *, is_on: bool) -> None:
        if stream.state is not _State.PLAYING:
            return
        if is_on:
            self._send_all(replies.medium_resumed(stream_id))
        self._changed(stream_id, stream)

    def _changed(self, stream_id: int, stream: _NetStream) -> None:
        self._events.append(PlayChanged(stream_id, stream.is_paused, stream.audio, stream.video))

    def _on_close_stream(self, call: replies.Call) -> None:
        self._leave(call.stream_id)

    def _on_delete_stream(self, call: replies.Call) -> None:
        # GStreamer gives the stream's name instead of its number.
        number = call.number(1)
        stream_ids = [int(number)] if number is not None else list(self._streams)
        for stream_id in stream_ids:
            self._leave(stream_id)
            self._streams.pop(stream_id, None)

    def _on_fc_publish(self, call: replies.Call) -> None:
        """Announce of a publish; some hardware waits for the notification as well as the result."""
        self._reply(call)
        self._send(replies.fc_notice("onFCPublish", "NetStream.Publish.Start", call.text(1)))

    def _on_fc_unpublish(self, call: replies.Call) -> None:
        publishing = [i for i, s in self._streams.items() if s.state is _State.PUBLISHING]
        named = [i for i in publishing if self._names(call.text(1), self._streams[i])]
        for stream_id in named or publishing[:1]:
            self._leave(stream_id)
        self._send(replies.fc_notice("onFCUnpublish", "NetStream.Unpublish.Success", call.text(1)))
        self._reply(call)

    def _on_fc_subscribe(self, call: replies.Call) -> None:
        self._reply(call)
        self._send(replies.fc_notice("onFCSubscribe", "NetStream.Play.Start", call.text(1)))

    def _on_get_stream_length(self, call: replies.Call) -> None:
        self._reply(call, 0.0)

    def _on_known(self, call: replies.Call) -> None:
        """Answer a command that needs an answer and nothing else."""
        self._reply(call)

    def _on_answer(self, call: replies.Call) -> None:
        """Ignore `_result` and `_error`: we call nothing at a peer."""

    def _reply(self, call: replies.Call, *values: float) -> None:
        """Answer a call; transaction ID 0 wants no answer."""
        if call.transaction_id:
            self._send(replies.result(call.transaction_id, *values))

    def _stream_of(self, call: replies.Call) -> _NetStream:
        stream = self._streams.get(call.stream_id)
        if stream is None:
            raise ProtocolError(
                f"{call.name} on message stream {call.stream_id}, which createStream did not return"
            )
        return stream

    def _target_of(self, call: replies.Call, code: str) -> Target | None:
        """Return what a publish or play names; a wrong name is refused with `code`."""
        try:
            return stream_target(self._app, self._tc_url, call.text(1)[:MAX_NAME])
        except ProtocolError as error:
            self._leave(call.stream_id)
            self.end(call.stream_id, code, str(error))
            return None

    def _names(self, name: str, stream: _NetStream) -> bool:
        try:
            return stream.target == stream_target(self._app, self._tc_url, name[:MAX_NAME])
        except ProtocolError:
            return False

    def _leave(self, stream_id: int) -> None:
        """End what the peer does on a message stream; the stream stays."""
        stream = self._streams.get(stream_id)
        if stream is None:
            return
        self._streams[stream_id] = _NetStream()
        if stream.state is _State.PUBLISHING:
            self._events.append(PublishEnded(stream_id))
            self._send(replies.unpublished(stream_id))
        elif stream.state is _State.PLAYING:
            self._events.append(PlayEnded(stream_id))

    # ------------------------------------------------------------------ time

    def deadline(self) -> float | None:
        """Return when `handle_timeout` is to be called, in monotonic seconds; None: not at all."""
        settings = self._settings
        if self._handshake is not None:
            return self._started + settings.handshake_s
        if not self._connected:
            return None if self.is_waiting else self._started + settings.command_s
        states = {stream.state for stream in self._streams.values()}
        if _State.PUBLISHING in states:
            return self._last_media + settings.publisher_silence_s
        if _State.PLAYING in states:
            return max(self._last_received, self._pinged) + settings.idle_s / 2
        if _State.WAITING in states:
            return None
        return self._last_received + settings.idle_s

    def handle_timeout(self, now: float) -> None:
        """Act on a deadline that has passed: ping a quiet player, give up on anybody else.

        Raises:
            ProtocolError: The peer took too long; says for what.
        """
        deadline = self.deadline()
        if deadline is None or now < deadline:
            return
        settings = self._settings
        if self._handshake is not None:
            raise ProtocolError(f"no complete handshake within {settings.handshake_s:g} s")
        if not self._connected:
            raise ProtocolError(f"no connect command within {settings.command_s:g} s")
        states = {stream.state for stream in self._streams.values()}
        if _State.PUBLISHING in states:
            raise ProtocolError(f"publisher sent nothing for {settings.publisher_silence_s:g} s")
        if _State.PLAYING in states:
            # A missing answer is no fault: OBS never answers, and TCP knows when a peer is gone.
            self._pinged = now
            self._send(m.user_control(m.PING_REQUEST, int((now - self._started) * 1000)))
            return
        raise ProtocolError(f"neither publish nor play within {settings.idle_s:g} s")


_COMMANDS: Final[dict[str, Callable[[ServerSession, replies.Call], None]]] = {
    "connect": ServerSession._on_connect,
    "createStream": ServerSession._on_create_stream,
    "publish": ServerSession._on_publish,
    "play": ServerSession._on_play,
    "play2": ServerSession._on_play2,
    "pause": ServerSession._on_pause,
    "pauseRaw": ServerSession._on_pause,
    "seek": ServerSession._on_seek,
    "receiveAudio": ServerSession._on_receive_audio,
    "receiveVideo": ServerSession._on_receive_video,
    "closeStream": ServerSession._on_close_stream,
    "deleteStream": ServerSession._on_delete_stream,
    "releaseStream": ServerSession._on_known,
    "FCPublish": ServerSession._on_fc_publish,
    "FCUnpublish": ServerSession._on_fc_unpublish,
    "FCSubscribe": ServerSession._on_fc_subscribe,
    "FCUnsubscribe": ServerSession._on_known,
    "getStreamLength": ServerSession._on_get_stream_length,
    "_checkbw": ServerSession._on_known,
    "checkBandwidth": ServerSession._on_known,
    "onClientLogin": ServerSession._on_known,
    "setChallenge": ServerSession._on_known,
    "getPageUrl": ServerSession._on_known,
    "set": ServerSession._on_known,
    "ping": ServerSession._on_known,
    "_result": ServerSession._on_answer,
    "_error": ServerSession._on_answer,
    "onStatus": ServerSession._on_answer,
}
