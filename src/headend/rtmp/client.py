"""The client's side of one RTMP connection, without I/O: publish or play one stream.

    handshake ─► Set Chunk Size, connect ─► createStream ─► publish or play ─► Started
                                            before it, to publish: releaseStream, FCPublish

Bytes go in with the time, events and bytes to send come out, as in `headend.rtmp.session`. What a
server sends beyond that is ignored, as clients of all kinds do: servers greet in many ways.

Source: RTMP 1.0, 7.2; Enhanced RTMP v2; what real servers send and need: docs/protocol.md.
"""

from collections.abc import Callable, Mapping, Sequence
from enum import IntEnum
from typing import Final

from headend.errors import MediaError, ProtocolError, UsageError
from headend.media.amf0 import Value
from headend.media.codecs import audio_tag, video_tag
from headend.media.tag import Tag
from headend.rtmp import client_requests, replies
from headend.rtmp import messages as m
from headend.rtmp.chunks import (
    DEFAULT_CHUNK_SIZE,
    ChunkReader,
    Message,
    append_chunks,
)
from headend.rtmp.client_events import ClientEvent, Ended, MoveRequested, Refused, Started
from headend.rtmp.client_requests import Action
from headend.rtmp.client_settings import ClientSettings
from headend.rtmp.data import data_tag
from headend.rtmp.events import MediaReceived
from headend.rtmp.handshake import ClientHandshake

# Chunk streams as FFmpeg uses them.
AUDIO_CHUNK_STREAM: Final = 4
VIDEO_CHUNK_STREAM: Final = 6
STREAM_COMMAND_CHUNK_STREAM: Final = 8

__all__ = ["ClientEvent", "ClientSession", "ClientSettings", "Ended", "Refused", "Started"]

MAX_DESCRIPTION: Final = 512  # characters of a server's text that we show

# Last words of codes that refuse whatever their level: some servers send them as "status".
REFUSALS: Final = frozenset(
    {"BadName", "Denied", "Rejected", "StreamNotFound", "InvalidApp", "Failed", "Unauthorized"}
)
MOVE: Final = "NetConnection.Connect.ReconnectRequest"  # Enhanced RTMP v2, reconnect request
STARTS: Final[Mapping[Action, frozenset[str]]] = {
    "publish": frozenset({"NetStream.Publish.Start"}),
    "play": frozenset({"NetStream.Play.Start", "NetStream.Play.PublishNotify"}),
}
ENDS: Final[Mapping[Action, frozenset[str]]] = {
    "publish": frozenset({"NetConnection.Connect.Closed", "NetStream.Unpublish.Success"}),
    "play": frozenset(
        {
            "NetConnection.Connect.Closed",
            "NetStream.Play.UnpublishNotify",
            "NetStream.Play.Stop",
            "NetStream.Play.Complete",
        }
    ),
}


class _Step(IntEnum):
    HANDSHAKE = 0
    CONNECT = 1
    CREATE = 2
    REQUEST = 3
    STARTED = 4
    DONE = 5


class ClientSession:
    """Protocol state of one connection to a server.

    Attributes:
        codecs: FourCCs of the codecs of Enhanced RTMP that the server says it takes, `*` for all of
            them; None: it has not said.
        server_id: Of a server that is a Headend, told where we relay; else empty.

    After an exception from `receive_data` or `handle_timeout` the connection must be closed.
    """

    __slots__ = (
        "_acknowledged",
        "_events",
        "_handshake",
        "_last_received",
        "_out",
        "_out_chunk_size",
        "_pinged",
        "_reader",
        "_received",
        "_settings",
        "_step",
        "_step_started",
        "_stream_id",
        "_tags",
        "_window",
        "codecs",
        "server_id",
    )

    def __init__(self, settings: ClientSettings, filler: bytes, now: float) -> None:
        """Start a session; `data_to_send` has something at once.

        Args:
            settings: What to do.
            filler: Random bytes for the handshake (`handshake.CLIENT_FILLER_SIZE` of them).
            now: Monotonic seconds, as in all other calls.
        """
        self._settings = settings
        self._handshake = ClientHandshake(filler)
        self._reader = ChunkReader(settings.chunk_limits)
        self._out: list[bytes] = [self._handshake.data_to_send()]
        self._out_chunk_size = DEFAULT_CHUNK_SIZE
        self._events: list[ClientEvent] = []
        self._tags: list[Tag] = []  # received, not yet an event
        self._step = _Step.HANDSHAKE
        self._stream_id = 0
        self.codecs: frozenset[str] | None = None
        self.server_id = ""
        self._window = 0  # 0: the server has not asked for acknowledgements
        self._received = 0
        self._acknowledged = 0
        self._step_started = self._last_received = self._pinged = now

    @property
    def stream_id(self) -> int:
        """Message stream that the server gave; 0 before."""
        return self._stream_id

    @property
    def has_greeted(self) -> bool:
        """The server has shaken hands: it speaks RTMP."""
        return self._step > _Step.HANDSHAKE

    @property
    def is_done(self) -> bool:
        """Whether nothing more will come of this session: send what is to be sent, then close."""
        return self._step is _Step.DONE

    # ------------------------------------------------------------------ bytes in, bytes out

    def receive_data(self, data: bytes, now: float) -> None:
        """Take bytes from the server; fetch `events` and `data_to_send` afterwards.

        Raises:
            ProtocolError: The server broke the protocol or passed a limit.
        """
        if self._step is _Step.DONE:
            return
        self._last_received = now
        self._received += len(data)
        if self._step is _Step.HANDSHAKE:
            data = self._shake_hands(data, now)
        self._process(self._reader.receive_data(data))
        if self._window and self._received - self._acknowledged >= self._window >> 1:
            for message in m.acknowledgements(self._acknowledged, self._received, self._window):
                self._send(message)
            self._acknowledged = self._received

    def events(self) -> list[ClientEvent]:
        """Return what happened since the last call."""
        self._report_tags()
        events, self._events = self._events, []
        return events

    def data_to_send(self) -> list[bytes]:
        """Return the bytes to send since the last call."""
        out, self._out = self._out, []
        return out

    def _send(self, *messages: Message) -> None:
        for message in messages:
            append_chunks(self._out, message, _chunk_stream(message), self._out_chunk_size)

    # ------------------------------------------------------------------ what we ask for

    def _shake_hands(self, data: bytes, now: float) -> bytes:
        """Go on with the handshake; return what came behind it."""
        handshake = self._handshake
        handshake.receive_data(data)
        reply = handshake.data_to_send()
        if reply:
            self._out.append(reply)
        if not handshake.is_done:
            return b""
        self._step = _Step.CONNECT
        self._step_started = now
        settings = self._settings
        self._send(m.set_chunk_size(settings.chunk_size))
        self._out_chunk_size = settings.chunk_size
        self._send(
            client_requests.connect(
                settings.url,
                settings.action,
                is_enhanced=settings.is_enhanced,
                hops=settings.hops,
                auth=settings.auth,
            )
        )
        return handshake.rest

    def _create_stream(self) -> None:
        self._step = _Step.CREATE
        settings = self._settings
        self._send(*client_requests.create_stream(settings.action, settings.url.stream_name))

    def _request(self) -> None:
        self._step = _Step.REQUEST
        build = (
            client_requests.publish if self._settings.action == "publish" else client_requests.play
        )
        self._send(*build(self._stream_id, self._settings.url.stream_name))

    def send_tag(self, tag: Tag) -> None:
        """Publish a tag, as soon as `Started` has come.

        Raises:
            UsageError: Nothing is published, or not yet, or no more.
        """
        if self._step is not _Step.STARTED or self._settings.action != "publish":
            raise UsageError("no tag can be sent: nothing is published now")
        self._send(client_requests.media(self._stream_id, tag))

    def finish(self) -> None:
        """End what we do, with notice to the server; send what is to be sent, then close."""
        settings = self._settings
        if _Step.REQUEST <= self._step <= _Step.STARTED:
            name = settings.url.stream_name
            self._send(*client_requests.end(settings.action, self._stream_id, name))
        self._step = _Step.DONE

    # ------------------------------------------------------------------ messages

    def _process(self, messages: Sequence[Message]) -> None:
        for message in messages:
            type_id, timestamp, _, payload = message
            if type_id == m.VIDEO:
                self._tags.append(video_tag(timestamp, payload))
            elif type_id == m.AUDIO:
                self._tags.append(audio_tag(timestamp, payload))
            elif type_id in (m.DATA_AMF0, m.DATA_AMF3):
                tag = data_tag(type_id, timestamp, payload)
                if tag is not None:
                    self._tags.append(tag)
            elif type_id == m.AGGREGATE:
                self._process(m.split_aggregate(message))
            else:
                self._handle(message)
            if self._step is _Step.DONE:
                return

    def _handle(self, message: Message) -> None:
        type_id = message.type_id
        if type_id in (m.COMMAND_AMF0, m.COMMAND_AMF3):
            self._command(message)
        elif type_id == m.USER_CONTROL:
            self._user_control(*m.parse_user_control(message.payload))
        elif type_id == m.WINDOW_ACKNOWLEDGEMENT_SIZE:
            self._window = max(m.parse_u32(message.payload), m.MIN_WINDOW)
        elif type_id == m.SET_PEER_BANDWIDTH:
            # Adobe's server wants this answer (RTMP 1.0, 5.4.5); librtmp and GStreamer give it too.
            size = m.parse_u32(message.payload)
            self._send(m.window_acknowledgement_size(size))

    def _user_control(self, event: int, value: int) -> None:
        if event == m.PING_REQUEST:
            self._send(m.user_control(m.PING_RESPONSE, value))
        elif event == m.STREAM_EOF and value == self._stream_id and self._step is _Step.STARTED:
            self._end("StreamEOF")

    def _command(self, message: Message) -> None:
        try:
            name, transaction_id, arguments = m.parse_command(message)
        except MediaError as error:
            raise ProtocolError(f"command from the server: {error}") from error
        handler = _COMMANDS.get(name)
        if handler is not None:
            handler(self, replies.Call(name, transaction_id, message.stream_id, arguments))

    def _on_result(self, call: replies.Call) -> None:
        information = call.object(1)
        if call.transaction_id == client_requests.CONNECT and self._step is _Step.CONNECT:
            if _is_refusal(information):
                self._refuse(information)
            else:
                self.codecs = _codecs({**call.object(0), **information})
                self.server_id = _text(call.object(0), "headend")
                self._create_stream()
        elif call.transaction_id == client_requests.CREATE_STREAM and self._step is _Step.CREATE:
            number = call.number(1)
            if number is None or not 0 <= number < 2**32:
                raise ProtocolError("createStream did not return the number of a message stream")
            self._stream_id = int(number)
            self._request()
        elif call.transaction_id == client_requests.REQUEST:
            self._start()  # some servers answer so instead of by onStatus

    def _on_error(self, call: replies.Call) -> None:
        # Errors of releaseStream and FCPublish are harmless: many servers do not know them.
        if call.transaction_id in (
            client_requests.CONNECT,
            client_requests.CREATE_STREAM,
            client_requests.REQUEST,
        ):
            self._refuse(call.object(1))

    def _on_status(self, call: replies.Call) -> None:
        information = call.object(1)
        code = information.get("code")
        action = self._settings.action
        if _is_refusal(information):
            self._refuse(information)
        elif code in STARTS[action]:
            self._start()
        elif code in ENDS[action] and self._step is _Step.STARTED:
            self._end(str(code))
        elif code == MOVE and self._settings.is_enhanced and self._step is _Step.STARTED:
            self._report(MoveRequested(_text(information, "tcUrl")))

    def _on_fc_unsubscribe(self, call: replies.Call) -> None:
        """Akamai says so that the stream is over."""
        if self._step is _Step.STARTED:
            self._end(call.name)

    def _on_sender_end(self, call: replies.Call) -> None:
        """A sender that plays the server, as FFmpeg does with `-listen 1`, ends as a publisher."""
        if self._settings.action == "play":
            self._on_fc_unsubscribe(call)

    def _on_bandwidth_check(self, call: replies.Call) -> None:
        if call.transaction_id:
            message = replies.result(call.transaction_id, 0.0)
            self._send(message)

    def _start(self) -> None:
        if self._step is _Step.REQUEST:
            self._step = _Step.STARTED
            self._report(Started())

    def _end(self, code: str) -> None:
        self._step = _Step.DONE
        self._report(Ended(code))

    def _refuse(self, information: Mapping[str, Value]) -> None:
        self._step = _Step.DONE
        more = information.get("ex")
        more = more if isinstance(more, dict) else {}
        redirect = _text(more, "redirect2") or _text(more, "redirect")
        self._report(
            Refused(_text(information, "code"), _text(information, "description"), redirect)
        )

    def _report(self, event: ClientEvent) -> None:
        self._report_tags()
        self._events.append(event)

    def _report_tags(self) -> None:
        tags, self._tags = self._tags, []
        if tags and self._settings.action == "play":
            self._events.append(MediaReceived(self._stream_id, tags))

    # ------------------------------------------------------------------ time

    def deadline(self) -> float | None:
        """Return when `handle_timeout` is to be called, in monotonic seconds; None: not at all."""
        settings = self._settings
        if self._step is _Step.HANDSHAKE:
            return self._step_started + settings.handshake_s
        if self._step < _Step.STARTED:
            return self._step_started + settings.start_s
        if self._step is _Step.DONE or settings.action == "publish":
            return None  # a publisher notices a dead server when it cannot send
        if self._pinged > self._last_received:
            return self._last_received + settings.silence_s
        return self._last_received + settings.silence_s / 2

    def handle_timeout(self, now: float) -> None:
        """Act on a deadline that has passed: ping a quiet server, or give it up.

        Raises:
            ProtocolError: The server took too long; says for what.
        """
        deadline = self.deadline()
        if deadline is None or now < deadline:
            return
        settings = self._settings
        if self._step is _Step.HANDSHAKE:
            raise ProtocolError(f"no complete handshake within {settings.handshake_s:g} s")
        if self._step < _Step.STARTED:
            asked = "connect" if self._step is _Step.CONNECT else settings.action
            raise ProtocolError(f"no answer to {asked} within {settings.start_s:g} s")
        if self._pinged > self._last_received:
            raise ProtocolError(f"the server sent nothing for {settings.silence_s:g} s")
        self._pinged = now
        milliseconds = int((now - self._step_started) * 1000)
        self._send(m.user_control(m.PING_REQUEST, milliseconds))


def _chunk_stream(message: Message) -> int:
    if message.type_id == m.VIDEO:
        return VIDEO_CHUNK_STREAM
    if message.type_id in (m.AUDIO, m.DATA_AMF0):
        return AUDIO_CHUNK_STREAM
    if message.type_id == m.COMMAND_AMF0:
        return STREAM_COMMAND_CHUNK_STREAM if message.stream_id else m.COMMAND_CHUNK_STREAM
    return m.CONTROL_CHUNK_STREAM


def _is_refusal(information: Mapping[str, Value]) -> bool:
    code = _text(information, "code").rpartition(".")[2]
    return information.get("level") == "error" or code in REFUSALS


def _codecs(properties: Mapping[str, Value]) -> frozenset[str] | None:
    """FourCCs in a server's answer to connect (Enhanced RTMP v2, NetConnection connect)."""
    found: list[Value] = []
    listed = properties.get("fourCcList")
    if isinstance(listed, list):
        found += listed
    for name in ("videoFourCcInfoMap", "audioFourCcInfoMap"):
        known = properties.get(name)
        if isinstance(known, Mapping):
            found += known
    codecs = frozenset(each for each in found if isinstance(each, str))
    return codecs or None


def _text(information: Mapping[str, Value], key: str) -> str:
    """A text of the server's, fit for a terminal and a log: one line without control characters."""
    value = information.get(key)
    if not isinstance(value, str):
        return ""
    return "".join(c if c.isprintable() else " " for c in value[:MAX_DESCRIPTION]).strip()


_COMMANDS: Final[dict[str, Callable[[ClientSession, replies.Call], None]]] = {
    "_result": ClientSession._on_result,
    "_error": ClientSession._on_error,
    "onStatus": ClientSession._on_status,
    "onFCUnsubscribe": ClientSession._on_fc_unsubscribe,
    "FCUnpublish": ClientSession._on_sender_end,
    "closeStream": ClientSession._on_sender_end,
    "deleteStream": ClientSession._on_sender_end,
    "_onbwcheck": ClientSession._on_bandwidth_check,
}
