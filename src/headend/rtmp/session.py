"""The server's side of one RTMP connection, without I/O.

    receive_data ─► handshake ─► chunks ─► messages ─┬─► media, as tags ─► events
                                                     └─► Commands ─► answers and events

Bytes go in with the time, events and bytes to send come out. A request (connect, publish, play)
stops the processing of what follows it until `accept` or `reject`.

Source: RTMP 1.0, 7; what real peers send and need: docs/protocol.md.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil
from typing import Final

from headend.errors import LimitExceeded, ProtocolError
from headend.media.codecs import audio_tag, video_tag
from headend.media.tag import Tag
from headend.rtmp import messages as m
from headend.rtmp import replies
from headend.rtmp.chunks import ChunkLimits, ChunkReader, Message, serialize
from headend.rtmp.commands import Commands
from headend.rtmp.data import data_tag
from headend.rtmp.events import (
    ConnectCommand,
    Event,
    MediaReceived,
    PlayCommand,
    PublishCommand,
    Request,
)
from headend.rtmp.handshake import ServerHandshake
from headend.rtmp.net_streams import StreamUse

# Bytes of unfinished messages before a publish request is accepted: enough for commands and for the
# first frames of an encoder that does not wait for the answer.
UNTRUSTED_PARTIAL_BYTES: Final = 1024 * 1024

# Bytes worth reading at once. A message costs about 3 us however short it is, so a full read of
# empty ones would stop all streams for 0.2 s: reads are short until a publish is accepted, and
# again once a read held more messages than encoders send.
READ_BYTES: Final = 65_536
SHORT_READ_BYTES: Final = 4096
MANY_MESSAGES: Final = 1024

# Media behind the end of a publish is no fault: encoders have some on the way. A flood is one.
DROPPED_PER_COMMAND: Final = 32


@dataclass(frozen=True, slots=True)
class SessionSettings:
    """What a session needs to know; sizes in bytes, times in seconds.

    Attributes:
        chunk_size: Largest chunk payload we send; announced before the answer to connect.
        window_size: Window acknowledgement size and peer bandwidth we announce.
        chunk_limits: What the peer may make us hold.
        streams: Most message streams of one connection.
        commands_per_s: Most messages in one second that are neither media nor flow control.
        handshake_s: From the start to the end of the handshake.
        command_s: From the start to `connect`.
        idle_s: Longest time connected without publishing or playing.
        publisher_silence_s: Longest time a publisher sends nothing.
        server_id: Ours, told to relays; empty: not told.
    """

    chunk_size: int
    window_size: int
    chunk_limits: ChunkLimits
    streams: int
    commands_per_s: int
    handshake_s: float
    command_s: float
    idle_s: float
    publisher_silence_s: float
    server_id: str = ""


class ServerSession:
    """Protocol state of one peer.

    After an exception from `receive_data` or `handle_timeout` the connection must be closed.
    """

    __slots__ = (
        "_acknowledged",
        "_charged",
        "_commands",
        "_handshake",
        "_has_many",
        "_held",
        "_idle_since",
        "_last_media",
        "_last_received",
        "_out",
        "_out_chunk_size",
        "_pinged",
        "_read_bytes",
        "_reader",
        "_received",
        "_second",
        "_settings",
        "_started",
        "_window",
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
        self._commands = Commands(settings.streams)
        self._out: list[bytes] = []
        self._out_chunk_size = 128
        self._read_bytes = SHORT_READ_BYTES
        self._has_many = False  # tiny messages, in one read or another
        self._held: list[Message] = []
        self._window = settings.window_size
        self._received = 0
        self._acknowledged = 0
        self._started = self._last_received = self._last_media = self._pinged = now
        self._idle_since = now
        self._second = now
        self._charged = 0.0

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
        if len(messages) > MANY_MESSAGES:
            self._has_many = True
        self._process(messages, now)
        if self._received - self._acknowledged >= self._window >> 1:
            for message in m.acknowledgements(self._acknowledged, self._received, self._window):
                self._send(message)
            self._acknowledged = self._received

    def events(self) -> list[Event]:
        """Return what happened since the last call."""
        events = self._commands.events
        if events:
            self._commands.events = []
        return events

    def data_to_send(self) -> list[bytes]:
        """Return the bytes to send since the last call."""
        out = self._out
        if out:
            self._out = []
        return out

    @property
    def is_waiting(self) -> bool:
        """A request is neither answered nor deferred; nothing else is processed until then."""
        return self._commands.is_waiting

    @property
    def is_full(self) -> bool:
        """As much waits for an answer as may: read no more from the peer until then."""
        commands = self._commands
        return commands.is_waiting or commands.streams.held_bytes >= UNTRUSTED_PARTIAL_BYTES

    @property
    def is_closing(self) -> bool:
        """Send what is to be sent, then close: nothing more will come of this session."""
        return self._commands.is_closing

    @property
    def has_shaken_hands(self) -> bool:
        """The handshake is over, and messages follow."""
        return self._handshake is None

    @property
    def read_size(self) -> int:
        """Most bytes worth reading at once: tiny chunks cost as much time as large ones."""
        if self._has_many or self._reader.chunk_size < 128:
            return SHORT_READ_BYTES
        return self._read_bytes

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
        if message.type_id == m.SET_CHUNK_SIZE:
            self._out_chunk_size = m.parse_u32(message.payload)

    def _send_answers(self) -> None:
        commands = self._commands
        if commands.messages:
            for message in commands.messages:
                self._send(message)
            commands.messages = []

    # ------------------------------------------------------------------ messages

    def _process(self, messages: Sequence[Message], now: float) -> None:
        """Go through messages in order; those that must wait for an answer are kept."""
        commands = self._commands
        index = 0
        while index < len(messages) and not self.is_closing:
            if commands.is_waiting:
                self._held.extend(messages[index:])
                return
            if not commands.streams.waiting:
                index += self._process_until_waiting(messages[index:] if index else messages, now)
                continue
            if not commands.streams.hold(messages[index]):
                self._process_until_waiting(messages[index : index + 1], now)
            index += 1

    def _process_until_waiting(self, messages: Sequence[Message], now: float) -> int:
        """Process messages: runs of media become one event, commands are answered.

        Returns:
            How many: all of them, or up to a request that waits.
        """
        commands = self._commands
        tags: list[Tag] = []
        current = -1  # message stream of `tags`; 0 while that stream does not publish
        for index, message in enumerate(messages, 1):
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
            if commands.is_waiting or commands.streams.waiting or commands.is_closing:
                return index
        self._end_run(current, tags, now)
        return len(messages)

    def _end_run(self, stream_id: int, tags: list[Tag], now: float) -> None:
        """Report a run of tags of one message stream; what nobody publishes is dropped."""
        if not tags:
            return
        publishing = self._commands.streams.publishing(stream_id)
        if publishing is None:
            self._charge(now, len(tags) / DROPPED_PER_COMMAND)
            return
        self._last_media = now
        self._commands.events.append(MediaReceived(publishing, tags))

    def _handle(self, message: Message, now: float) -> None:
        type_id = message.type_id
        if type_id == m.AGGREGATE:
            self._process(m.split_aggregate(message), now)
        elif type_id in (m.COMMAND_AMF0, m.COMMAND_AMF3):
            self._charge(now)
            was_in_use = self._is_in_use()
            self._commands.handle(message)
            self._send_answers()
            if was_in_use:
                self._idle_since = now
        elif type_id == m.USER_CONTROL:
            self._charge(now)
            event, value = m.parse_user_control(message.payload)
            if event == m.PING_REQUEST:
                self._send(m.user_control(m.PING_RESPONSE, value))
            elif event == m.SET_BUFFER_LENGTH:
                buffer_ms = int.from_bytes(message.payload[6:10], "big")
                self._commands.buffer_changed(value, buffer_ms)
        elif type_id == m.WINDOW_ACKNOWLEDGEMENT_SIZE:
            self._window = max(m.parse_u32(message.payload), m.MIN_WINDOW)
        elif type_id not in (m.ACKNOWLEDGEMENT, m.SET_PEER_BANDWIDTH):
            self._charge(now)  # shared objects and unknown types are ignored, but not for free

    def _charge(self, now: float, cost: float = 1) -> None:
        """Count a message that makes work without carrying media."""
        if now - self._second >= 1:
            self._second = now
            self._charged = 0
        self._charged += cost
        most = self._settings.commands_per_s
        if self._charged > most:
            raise LimitExceeded("limits.commands_per_s", ceil(self._charged), most)

    # ------------------------------------------------------------------ answers to requests

    def accept(self, request: Request, *, is_recorded: bool = False) -> None:
        """Grant a request; `events` and `data_to_send` are to be fetched again.

        Args:
            request: The one that waits.
            is_recorded: What is played is a recording.

        Raises:
            UsageError: The request is not one that waits.
            ProtocolError: What came behind the request breaks the protocol.
        """
        held: list[Message] = []
        if isinstance(request, ConnectCommand):
            self._commands.accept_connect(request, self._announcements(), self._settings.server_id)
            self._idle_since = self._last_received
        else:
            held = self._commands.accept(request, is_recorded=is_recorded)
            if isinstance(request, PublishCommand):
                self._reader.partial_bytes = self._settings.chunk_limits.partial_bytes
                self._read_bytes = READ_BYTES
                self._last_media = self._last_received
        self._send_answers()
        self._process(held, self._last_received)
        self._go_on()

    def defer(self, request: PublishCommand | PlayCommand) -> None:
        """Answer a publish or play later: `events` and `data_to_send` are to be fetched again.

        What the peer sends for that message stream waits; if it ends or replaces the request, a
        RequestCancelled tells.

        Raises:
            UsageError: The request is not the one that waits.
            ProtocolError: What came behind the request breaks the protocol.
        """
        self._commands.defer(request)
        self._go_on()

    def reject(self, request: Request, code: str, description: str, redirect: str = "") -> None:
        """Refuse a request: the peer is told `code` and `description`.

        The session closes unless another of its streams is in use. A publish or play may be sent to
        another server by its URL, in the form of Adobe's and SRS's redirects.

        Raises:
            UsageError: The request is not one that waits.
        """
        self._commands.reject(request, code, description, redirect)
        self._send_answers()
        self._go_on()

    def end(self, stream_id: int, code: str, description: str) -> None:
        """End a publish or play from our side: the peer is told why.

        The session closes unless another of its streams is in use.
        """
        self._commands.end(stream_id, code, description)
        self._send_answers()
        self._idle_since = self._last_received

    def close(self, description: str) -> None:
        """End everything from our side."""
        self._commands.close(description)
        self._send_answers()

    def ask_to_move(self, tc_url: str, description: str) -> None:
        """Ask the peer to go elsewhere, which it has said it can; it is served until it leaves."""
        self._send(replies.asked_to_move(tc_url, description))

    def _announcements(self) -> list[Message]:
        settings = self._settings
        return [
            m.window_acknowledgement_size(settings.window_size),
            m.set_peer_bandwidth(settings.window_size),
            m.set_chunk_size(settings.chunk_size),
        ]

    def _go_on(self) -> None:
        """Process what was held behind a request that is answered or deferred."""
        if not self._commands.is_waiting:
            held, self._held = self._held, []
            self._process(held, self._last_received)

    def _is_in_use(self) -> bool:
        return not self._commands.streams.uses() <= {StreamUse.IDLE}

    # ------------------------------------------------------------------ time

    def deadline(self) -> float | None:
        """Return when `handle_timeout` is to be called, in monotonic seconds; None: not at all."""
        settings = self._settings
        if self._handshake is not None:
            return self._started + settings.handshake_s
        if not self._commands.is_connected:
            return None if self.is_waiting else self._started + settings.command_s
        uses = self._commands.streams.uses()
        if StreamUse.PUBLISHING in uses:
            return self._last_media + settings.publisher_silence_s
        if StreamUse.PLAYING in uses:
            return max(self._last_received, self._pinged) + settings.idle_s / 2
        if StreamUse.WAITING in uses:
            return None
        return self._idle_since + settings.idle_s

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
        if not self._commands.is_connected:
            raise ProtocolError(f"no connect command within {settings.command_s:g} s")
        uses = self._commands.streams.uses()
        if StreamUse.PUBLISHING in uses:
            raise ProtocolError(f"publisher sent nothing for {settings.publisher_silence_s:g} s")
        if StreamUse.PLAYING in uses:
            # A missing answer is no fault: OBS never answers, and TCP knows when a peer is gone.
            self._pinged = now
            self._send(m.user_control(m.PING_REQUEST, int((now - self._started) * 1000)))
            return
        raise ProtocolError(f"neither publish nor play within {settings.idle_s:g} s")
