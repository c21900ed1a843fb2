"""The commands of one RTMP peer, answered: its NetConnection and its message streams.

    command ─► Commands ─┬─► messages, the answers
                         └─► events: requests for the application, and what the peer ended

`Commands` knows who publishes and plays what on which message stream; bytes, media and time are the
session's.

Source: RTMP 1.0, 7.2; what real peers send and need: docs/protocol.md.
"""

from collections.abc import Callable, Iterable
from typing import Final

from headend.errors import MediaError, ProtocolError, UsageError
from headend.rtmp import messages as m
from headend.rtmp import replies
from headend.rtmp.chunks import Message
from headend.rtmp.events import (
    BufferChanged,
    CommandRefused,
    ConnectCommand,
    Event,
    PlayChanged,
    PlayCommand,
    PlayEnded,
    PlaySought,
    PublishCommand,
    PublishEnded,
    Request,
    RequestCancelled,
)
from headend.rtmp.net_streams import NetStream, NetStreams, StreamUse
from headend.rtmp.url import StreamTarget, stream_target

BAD_NAME: Final = "NetStream.Publish.BadName"
NO_NAME: Final = "no stream name is given: publish to rtmp://HOST/APP/NAME"
MAX_NAME: Final = 4096  # characters of a name or URL in a command; SRS and FFmpeg cut at 1024


class Commands:
    """The commands of one RTMP peer.

    Attributes:
        streams: The peer's message streams; the session holds what must wait there.
        messages: To be sent, in order; the session takes them.
        events: For the application; the session takes them.
        is_connected: connect was accepted.
        is_waiting: A request is neither answered nor deferred: nothing else is to be processed.
        is_closing: Nothing more will come: close once everything is sent.
    """

    __slots__ = (
        "_app",
        "_sends_zero",
        "_tc_url",
        "events",
        "is_closing",
        "is_connected",
        "is_waiting",
        "messages",
        "streams",
    )

    def __init__(self, max_streams: int) -> None:
        self._app = ""
        self._tc_url = ""
        self._sends_zero = False  # as the start of whatever it plays
        self.streams: Final = NetStreams(max_streams)
        self.messages: list[Message] = []
        self.events: list[Event] = []
        self.is_connected = False
        self.is_waiting = False
        self.is_closing = False

    # ------------------------------------------------------------------ answers to requests

    def accept_connect(
        self, request: ConnectCommand, announcements: Iterable[Message], server_id: str = ""
    ) -> None:
        """Grant a connect.

        Args:
            request: The one that waits.
            announcements: Sent before the answer: FFmpeg takes the chunk size for its own from what
                it has read by then.
            server_id: Ours, for relays.

        Raises:
            UsageError: The request is not the one that waits.
        """
        self._check_connecting()
        self.is_waiting = False
        self.is_connected = True
        self.messages.extend(announcements)
        self.messages.append(replies.connected(request, server_id))

    def accept(
        self, request: PublishCommand | PlayCommand, *, is_recorded: bool = False
    ) -> list[Message]:
        """Grant a publish or a play.

        Args:
            request: The one that waits.
            is_recorded: What is played is a recording.

        Returns:
            What the peer has sent for it meanwhile; to be processed now.

        Raises:
            UsageError: The request is not the one that waits.
        """
        self._answered(request)
        if isinstance(request, PublishCommand):
            answer = replies.publish_started(request.stream_id, request.target.path)
        else:
            answer = replies.play_started(
                request.stream_id, request.target.path, is_recorded=is_recorded
            )
        self.messages.extend(answer)
        held = self.streams.accept(request, is_recorded=is_recorded)
        self._tell_buffer(request.stream_id)
        return held

    def reject(self, request: Request, code: str, description: str, redirect: str = "") -> None:
        """Refuse a request; `redirect` is the URL at which a publish or play may be asked for.

        Raises:
            UsageError: The request is not the one that waits.
        """
        if isinstance(request, ConnectCommand):
            self._check_connecting()
            answer = replies.connect_rejected(request.transaction_id, code, description)
            self.messages.append(answer)
            self.is_waiting = False
            self.is_closing = True
        else:
            self._answered(request)
            self.end(request.stream_id, code, description, redirect)

    def end(self, stream_id: int, code: str, description: str, redirect: str = "") -> None:
        """End a publish or play from our side; closes unless another message stream is in use."""
        self.streams.reset(stream_id)
        elsewhere = m.elsewhere(redirect) if redirect else {}
        self.messages.append(m.on_status(stream_id, "error", code, description, **elsewhere))
        self.is_closing = self.streams.uses() == {StreamUse.IDLE}

    def close(self, description: str) -> None:
        """End everything from our side."""
        if self.is_connected and not self.is_closing:
            code = "NetConnection.Connect.Closed"
            self.messages.append(m.on_status(0, "status", code, description))
        self.is_closing = True

    def defer(self, request: PublishCommand | PlayCommand) -> None:
        """Have a request wait for its answer while other things go on.

        Raises:
            UsageError: The request is not the one that waits.
        """
        self.streams.defer(request)
        self.is_waiting = False

    def _answered(self, request: PublishCommand | PlayCommand) -> None:
        self.streams.requested(request)
        if request.stream_id not in self.streams.waiting:
            self.is_waiting = False

    def _check_connecting(self) -> None:
        if self.is_connected or not self.is_waiting:
            raise UsageError("connect waits for no answer")

    # ------------------------------------------------------------------ commands

    def handle(self, message: Message) -> None:
        """Take a command message.

        Raises:
            ProtocolError: It is no command, or comes where it must not.
        """
        try:
            name, transaction_id, arguments = m.parse_command(message)
        except MediaError as error:
            raise ProtocolError(f"command: {error}") from error
        if not self.is_connected and name != "connect":
            raise ProtocolError(f"command {name[:64]!r} before connect")
        handler = _COMMANDS.get(name)
        if handler is not None:
            handler(self, replies.Call(name, transaction_id, message.stream_id, arguments))
        elif transaction_id:
            self.messages.append(replies.unknown(transaction_id, name))

    def _ask(self, request: PublishCommand | PlayCommand) -> None:
        self.streams.ask(request)
        self.is_waiting = True
        self.events.append(request)

    def _on_connect(self, call: replies.Call) -> None:
        if self.is_connected:
            raise ProtocolError("second connect on one connection")
        properties = call.object(0)
        lower = {name.lower(): value for name, value in properties.items()}
        app, tc_url = lower.get("app"), lower.get("tcurl")  # `tcurl` is what some pipelines send
        self._app = app[:MAX_NAME] if isinstance(app, str) else ""
        self._tc_url = tc_url[:MAX_NAME] if isinstance(tc_url, str) else ""
        request = ConnectCommand(self._app, self._tc_url, properties, call.transaction_id)
        self.is_waiting = True
        self.events.append(request)
        try:
            stream_target(self._app, self._tc_url, "name")
        except ProtocolError as error:
            self.events.pop()
            code = "NetConnection.Connect.InvalidApp"
            self.reject(request, code, str(error))
            self.events.append(CommandRefused(call.name, code, str(error)))

    def _on_create_stream(self, call: replies.Call) -> None:
        stream_id = self.streams.create()
        if stream_id is not None:
            self._reply(call, float(stream_id))
        elif call.transaction_id:
            text = f"limits.streams_per_connection: at most {self.streams.most}"
            self.messages.append(replies.failed(call.transaction_id, text))

    def _on_publish(self, call: replies.Call) -> None:
        stream = self._stream_of(call)
        if call.names_nothing(1):
            self._on_publish_nothing(call, stream)
            return
        target = self._target_of(call, BAD_NAME)
        if target is None:
            return
        if stream.use is StreamUse.PUBLISHING and stream.target == target:
            # Wirecast publishes again before it unpublishes.
            self.messages.extend(replies.publish_started(call.stream_id, target.path))
            return
        self._leave(call.stream_id)
        self._ask(PublishCommand(call.stream_id, target))

    def _on_publish_nothing(self, call: replies.Call, stream: NetStream) -> None:
        """`publish("")` or `publish(false)` is how Wirecast stops."""
        is_asking = isinstance(stream.request, PublishCommand)
        if stream.use is StreamUse.PUBLISHING or is_asking:
            self._leave(call.stream_id)
        else:
            self._refuse(call, BAD_NAME, NO_NAME)

    def _on_play(self, call: replies.Call) -> None:
        stream = self._stream_of(call)
        if stream.use is StreamUse.PLAYING and call.names_nothing(1):
            self._leave(call.stream_id)  # `play(false)` is how Flash stops
            return
        target = self._target_of(call, "NetStream.Play.StreamNotFound")
        if target is None:
            return
        self._leave(call.stream_id)
        start = call.milliseconds(2)
        if start == 0 and self._sends_zero:
            start = None
        self._ask(PlayCommand(call.stream_id, target, start, call.milliseconds(3)))

    def _on_play2(self, call: replies.Call) -> None:
        """Stream switching, a Flash feature: refused, and the stream goes on."""
        text = "play2 is not supported: close the stream and play the other one"
        self.messages.append(m.on_status(call.stream_id, "error", "NetStream.Play.Failed", text))

    def _on_pause(self, call: replies.Call) -> None:
        stream = self.streams.get(call.stream_id)
        if stream is None or stream.use is not StreamUse.PLAYING:
            return
        stream.is_paused = call.boolean(1, default=True)
        self.messages.extend(replies.paused(call.stream_id, is_paused=stream.is_paused))
        self._changed(call.stream_id, stream)

    def _on_seek(self, call: replies.Call) -> None:
        stream = self.streams.get(call.stream_id)
        if stream is None:
            return
        position = call.milliseconds(1)
        if stream.is_recorded and position is not None:
            self.messages.extend(replies.sought(call.stream_id))
            self.events.append(PlaySought(call.stream_id, position))
        else:
            text = "a live stream cannot be searched"
            self.messages.append(
                m.on_status(call.stream_id, "error", "NetStream.Seek.Failed", text)
            )

    def _on_receive_audio(self, call: replies.Call) -> None:
        stream = self.streams.get(call.stream_id)
        if stream is not None:
            stream.audio = call.boolean(1, default=True)
            self._on_receive(call.stream_id, stream, is_on=stream.audio)

    def _on_receive_video(self, call: replies.Call) -> None:
        stream = self.streams.get(call.stream_id)
        if stream is not None:
            stream.video = call.boolean(1, default=True)
            self._on_receive(call.stream_id, stream, is_on=stream.video)

    def _on_receive(self, stream_id: int, stream: NetStream, *, is_on: bool) -> None:
        if stream.use is not StreamUse.PLAYING:
            return
        if is_on:
            self.messages.extend(replies.medium_resumed(stream_id))
        self._changed(stream_id, stream)

    def _changed(self, stream_id: int, stream: NetStream) -> None:
        self.events.append(PlayChanged(stream_id, stream.is_paused, stream.audio, stream.video))

    def buffer_changed(self, stream_id: int, buffer_ms: int) -> None:
        """Take note of how much a player holds ahead of what it shows.

        librtmp says so of message stream 0 before all else. It starts every play at 0 unless
        somebody asks for another place, or for what is live.
        """
        if not stream_id:
            self._sends_zero = True
        self.streams.set_buffer(stream_id, buffer_ms)
        self._tell_buffer(stream_id)

    def _tell_buffer(self, stream_id: int) -> None:
        """Tell what the player of a recording has said of its buffer, now or before."""
        stream = self.streams.get(stream_id)
        if stream is not None and stream.is_recorded and stream.buffer_ms:
            self.events.append(BufferChanged(stream_id, stream.buffer_ms))

    def _on_close_stream(self, call: replies.Call) -> None:
        self._leave(call.stream_id)

    def _on_delete_stream(self, call: replies.Call) -> None:
        # GStreamer gives the stream's name instead of its number.
        number = call.number(1)
        stream_ids = [int(number)] if number is not None else self.streams.ids()
        for stream_id in stream_ids:
            self._leave(stream_id)
            self.streams.delete(stream_id)

    def _on_fc_publish(self, call: replies.Call) -> None:
        """Announce of a publish; some hardware waits for the notification as well as the result."""
        self._reply(call)
        self._notify(call, "onFCPublish", "NetStream.Publish.Start")

    def _on_fc_unpublish(self, call: replies.Call) -> None:
        publishing = self.streams.all_publishing()
        named = [i for i, each in publishing.items() if self._names(call.text(1), each)]
        for stream_id in named or list(publishing)[:1]:
            self._leave(stream_id)
        self._notify(call, "onFCUnpublish", "NetStream.Unpublish.Success")
        self._reply(call)

    def _on_fc_subscribe(self, call: replies.Call) -> None:
        self._reply(call)
        self._notify(call, "onFCSubscribe", "NetStream.Play.Start")

    def _on_get_stream_length(self, call: replies.Call) -> None:
        self._reply(call, 0.0)

    def _on_known(self, call: replies.Call) -> None:
        """Answer a command that needs an answer and nothing else."""
        self._reply(call)

    def _on_answer(self, call: replies.Call) -> None:
        """Ignore `_result` and `_error`: we call nothing at a peer."""

    def _notify(self, call: replies.Call, method: str, code: str) -> None:
        self.messages.append(replies.fc_notice(method, code, call.text(1)))

    def _reply(self, call: replies.Call, *values: float) -> None:
        """Answer a call; transaction ID 0 wants no answer."""
        if call.transaction_id:
            self.messages.append(replies.result(call.transaction_id, *values))

    def _stream_of(self, call: replies.Call) -> NetStream:
        stream = self.streams.get(call.stream_id)
        if stream is None:
            raise ProtocolError(
                f"{call.name} on message stream {call.stream_id}, which createStream did not return"
            )
        return stream

    def _target_of(self, call: replies.Call, code: str) -> StreamTarget | None:
        """Return what a publish or play names; a wrong name is refused with `code`."""
        try:
            return stream_target(self._app, self._tc_url, call.text(1)[:MAX_NAME])
        except ProtocolError as error:
            self._refuse(call, code, str(error))
            return None

    def _refuse(self, call: replies.Call, code: str, reason: str) -> None:
        """Refuse a publish or play by ourselves; what the message stream did before ends."""
        self._leave(call.stream_id)
        self.end(call.stream_id, code, reason)
        self.events.append(CommandRefused(call.name, code, reason))

    def _names(self, name: str, stream: NetStream) -> bool:
        try:
            return stream.target == stream_target(self._app, self._tc_url, name[:MAX_NAME])
        except ProtocolError:
            return False

    def _leave(self, stream_id: int) -> None:
        """End what the peer does on a message stream; the stream stays."""
        stream = self.streams.reset(stream_id)
        if stream is None:
            return
        if stream.request is not None:
            self.events.append(RequestCancelled(stream_id))
        if stream.use is StreamUse.PUBLISHING:
            self.events.append(PublishEnded(stream_id))
            self.messages.append(replies.unpublished(stream_id))
        elif stream.use is StreamUse.PLAYING:
            self.events.append(PlayEnded(stream_id))


_COMMANDS: Final[dict[str, Callable[[Commands, replies.Call], None]]] = {
    "connect": Commands._on_connect,
    "createStream": Commands._on_create_stream,
    "publish": Commands._on_publish,
    "play": Commands._on_play,
    "play2": Commands._on_play2,
    "pause": Commands._on_pause,
    "pauseRaw": Commands._on_pause,
    "seek": Commands._on_seek,
    "receiveAudio": Commands._on_receive_audio,
    "receiveVideo": Commands._on_receive_video,
    "closeStream": Commands._on_close_stream,
    "deleteStream": Commands._on_delete_stream,
    "releaseStream": Commands._on_known,
    "FCPublish": Commands._on_fc_publish,
    "FCUnpublish": Commands._on_fc_unpublish,
    "FCSubscribe": Commands._on_fc_subscribe,
    "FCUnsubscribe": Commands._on_known,
    "getStreamLength": Commands._on_get_stream_length,
    "_checkbw": Commands._on_known,
    "checkBandwidth": Commands._on_known,
    "onClientLogin": Commands._on_known,
    "setChallenge": Commands._on_known,
    "getPageUrl": Commands._on_known,
    "set": Commands._on_known,
    "ping": Commands._on_known,
    "_result": Commands._on_answer,
    "_error": Commands._on_answer,
    "onStatus": Commands._on_answer,
}
