"""Tests of headend.rtmp.session."""

from collections.abc import Iterable
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.defaults import chunk_limits, chunk_reader, session_settings
from tests.rtmp.command_peer import amf, shown
from tests.rtmp.peers import (
    AVC_HEADER,
    C0_C1,
    C2,
    CONNECTED,
    INTER,
    KEY,
    META,
    OBS_PUBLISH,
    PUBLISHED,
    SCRIPTS,
    SOUND,
    UNPUBLISHED,
    command,
    message,
)
from tests.wire import wire

from headend.errors import LimitExceeded, ProtocolError, UsageError
from headend.media.tag import AUDIO, SCRIPT, VIDEO, Tag
from headend.rtmp.events import (
    BufferChanged,
    CommandRefused,
    ConnectCommand,
    Event,
    MediaReceived,
    PlayChanged,
    PlayCommand,
    PlayEnded,
    PlaySought,
    PublishCommand,
    PublishEnded,
    RequestCancelled,
)
from headend.rtmp.session import ServerSession, SessionSettings


def told(event: Event) -> list[str]:
    match event:
        case ConnectCommand():
            return [f"connect {event.app}"]
        case PublishCommand():
            return [f"publish {event.target.path} @{event.stream_id}"]
        case PlayCommand():
            return [f"play {event.target.path} @{event.stream_id}"]
        case MediaReceived():
            return [f"{line} @{event.stream_id}" for line in map(tag_line, event.tags)]
        case PublishEnded():
            return [f"publish ended @{event.stream_id}"]
        case PlayEnded():
            return [f"play ended @{event.stream_id}"]
        case RequestCancelled():
            return [f"cancelled @{event.stream_id}"]
        case CommandRefused():
            return [f"{event.command} refused {event.code}"]
        case PlayChanged():
            return [f"play changed @{event.stream_id}"]
        case PlaySought():
            return [f"sought {event.position_ms} @{event.stream_id}"]
        case BufferChanged():
            return [f"buffer {event.buffer_ms} @{event.stream_id}"]


def tag_line(tag: Tag) -> str:
    flags = " header" * tag.is_sequence_header + " keyframe" * tag.is_keyframe
    return f"{tag.kind.name} {tag.timestamp}{flags}"


class Peer:
    """A session, and what its peer and the application get to see."""

    def __init__(self, settings: SessionSettings | None = None, now: float = 0) -> None:
        self.session = ServerSession(settings or session_settings(), bytes(3032), now)
        self.now = now
        self.requests: list[ConnectCommand | PublishCommand | PlayCommand] = []
        self.accepts = True
        self._reader = chunk_reader()
        self._handshake = 3073

    def receive(self, data: bytes) -> tuple[list[str], list[str]]:
        """Send bytes; give what came back and what the application was told."""
        self.session.receive_data(data, self.now)
        events = self._fetch()
        return self.answers(), events

    def _fetch(self) -> list[str]:
        lines = []
        while events := self.session.events():
            for event in events:
                lines += told(event)
                if isinstance(event, ConnectCommand | PublishCommand | PlayCommand):
                    self.requests.append(event)
                    if self.accepts:
                        self.session.accept(event)
        return lines

    def accept(self) -> tuple[list[str], list[str]]:
        self.session.accept(self.requests[-1])
        events = self._fetch()
        return self.answers(), events

    def answers(self) -> list[str]:
        data = b"".join(self.session.data_to_send())
        taken = min(self._handshake, len(data))
        self._handshake -= taken
        return [self._line(data_message) for data_message in self._read(data[taken:])]

    def _read(self, data: bytes) -> Iterable[object]:
        before = self._reader.chunk_size
        messages: list[object] = list(self._reader.receive_data(data))
        if self._reader.chunk_size != before:  # the reader keeps Set Chunk Size to itself
            messages.insert(
                next(i for i, text in enumerate(messages) if "Success" in repr(text)),
                self._reader.chunk_size,
            )
        return messages

    @staticmethod
    def _line(data_message: object) -> str:
        if isinstance(data_message, int):
            return f"type 1 {data_message:08x}"
        return shown(data_message)  # type: ignore[arg-type]


def connected(settings: SessionSettings | None = None) -> Peer:
    peer = Peer(settings)
    peer.receive(C0_C1 + C2 + command("connect", 1, {"app": "live"}))
    return peer


def publishing(settings: SessionSettings | None = None) -> Peer:
    peer = connected(settings)
    peer.receive(command("createStream", 2, None) + command("publish", 3, None, "cam1", on=1))
    return peer


def playing(settings: SessionSettings | None = None) -> Peer:
    peer = connected(settings)
    peer.receive(command("createStream", 2, None) + command("play", 3, None, "cam1", on=1))
    return peer


def run(data: bytes, cuts: Iterable[int]) -> tuple[list[str], list[str]]:
    peer = Peer()
    answers, events = [], []
    for start, end in pairwise([0, *sorted(cuts), len(data)]):
        more = peer.receive(data[start:end])
        answers += more[0]
        events += more[1]
    return answers, events


# ---------------------------------------------------------------------- scripts of real peers


@pytest.mark.parametrize("name", SCRIPTS)
def test_script_of_a_real_peer_pipelined_in_one_piece(name: str) -> None:
    data, answers, events = SCRIPTS[name]
    assert run(C0_C1 + C2 + data, ()) == (answers, events)


@pytest.mark.parametrize("name", SCRIPTS)
def test_script_of_a_real_peer_byte_by_byte(name: str) -> None:
    data, answers, events = SCRIPTS[name]
    whole = C0_C1 + C2 + data
    assert run(whole, range(3073, len(whole))) == (answers, events)


@settings(max_examples=50)
@given(st.sampled_from(sorted(SCRIPTS)), st.lists(st.integers(0, 4000), max_size=8))
def test_script_of_a_real_peer_in_random_pieces(name: str, cuts: list[int]) -> None:
    data, answers, events = SCRIPTS[name]
    whole = C0_C1 + C2 + data
    assert run(whole, [min(cut, len(whole)) for cut in cuts]) == (answers, events)


def test_handshake_is_over_with_c2() -> None:
    session = ServerSession(session_settings(), bytes(3032), 0)
    assert not session.has_shaken_hands
    session.receive_data(C0_C1, 0)
    assert not session.has_shaken_hands
    session.receive_data(C2, 0)
    assert session.has_shaken_hands


def test_handshake_is_answered_before_c2_and_nothing_else_is_sent() -> None:
    session = ServerSession(session_settings(), bytes(3032), 0)
    session.receive_data(C0_C1, 0)
    assert [len(piece) for piece in session.data_to_send()] == [3073]
    session.receive_data(C2, 0)
    assert session.data_to_send() == []
    assert session.events() == []


def test_connect_is_answered_byte_for_byte_in_the_order_that_ffmpeg_needs() -> None:
    session = ServerSession(session_settings(chunk_size=4096), bytes(3032), 0)
    session.receive_data(C0_C1 + C2 + command("connect", 1, {"app": "live"}), 0)
    (request,) = session.events()
    assert isinstance(request, ConnectCommand)
    session.data_to_send()
    session.accept(request)
    data = b"".join(session.data_to_send())
    assert data.startswith(
        wire("02 000000 000004 05 00000000 002625a0")
        + wire("02 000000 000005 06 00000000 002625a0 02")
        + wire("02 000000 000004 01 00000000 00001000")
        # 205 bytes in one chunk: the size that was announced holds already
        + wire("03 000000 0000cd 14 00000000 02 0007 5f726573756c74 00 3ff0000000000000 03")
    )
    assert len(data) == 16 + 17 + 16 + 12 + 205


def test_status_goes_out_on_the_message_stream_and_on_a_chunk_stream_of_its_own() -> None:
    peer = connected()
    peer.receive(command("createStream", 2, None))
    peer.session.receive_data(command("publish", 3, None, "cam1", on=1), 0)
    (request,) = peer.session.events()
    assert isinstance(request, PublishCommand)
    peer.session.accept(request)
    begin, status = peer.session.data_to_send()
    assert begin == wire("02 000000 000006 04 00000000 0000 00000001")
    assert status[:1] == b"\x05"
    assert status[7:12] == wire("14 01000000")


# ---------------------------------------------------------------------- requests and what waits


def test_media_pipelined_behind_a_publish_waits_for_the_answer_and_keeps_its_order() -> None:
    peer = connected()
    peer.accepts = False
    answers, events = peer.receive(
        command("createStream", 2, None)
        + command("publish", 3, None, "cam1", on=1)
        + message(4, 18, 1, META)
        + message(6, 9, 1, AVC_HEADER)
    )
    assert (answers, events) == (["_result 2 None 1.0"], ["publish live/cam1 @1"])
    assert peer.session.is_waiting
    assert peer.receive(message(6, 9, 1, KEY, 40) + message(4, 8, 1, SOUND, 41)) == ([], [])
    assert peer.accept() == (
        PUBLISHED,
        ["SCRIPT 0 @1", "VIDEO 0 header @1", "VIDEO 40 keyframe @1", "AUDIO 41 @1"],
    )
    assert not peer.session.is_waiting


def test_requests_pipelined_behind_a_request_are_asked_one_after_the_other() -> None:
    peer = Peer()
    peer.accepts = False
    data = OBS_PUBLISH
    assert peer.receive(C0_C1 + C2 + data) == ([], ["connect live"])
    answers, events = peer.accept()
    assert answers[:4] == CONNECTED
    assert events == ["publish live/cam1 @1"]
    answers, events = peer.accept()
    assert answers[:2] == PUBLISHED
    assert events[-1] == "publish ended @1"


def test_rejected_publish_closes_and_drops_what_waited() -> None:
    peer = connected()
    peer.accepts = False
    peer.receive(command("createStream", 2, None) + command("publish", 3, None, "cam1", on=1))
    peer.receive(message(6, 9, 1, KEY))
    peer.session.reject(peer.requests[-1], "NetStream.Publish.Denied", "a key, please")
    assert peer.answers() == ["onStatus 0 error NetStream.Publish.Denied @1"]
    assert peer.session.is_closing
    assert peer.receive(message(6, 9, 1, KEY)) == ([], [])


def test_rejected_publish_beside_another_goes_on_with_what_waited() -> None:
    peer = publishing()
    peer.receive(command("createStream", 4, None))
    peer.accepts = False
    peer.receive(command("publish", 5, None, "cam2", on=2) + message(6, 9, 1, KEY, 7))
    peer.session.reject(peer.requests[-1], "NetStream.Publish.BadName", "taken")
    assert [line for event in peer.session.events() for line in told(event)] == [
        "VIDEO 7 keyframe @1"
    ]
    assert not peer.session.is_closing


def test_rejected_connect_closes() -> None:
    peer = Peer()
    peer.accepts = False
    peer.receive(C0_C1 + C2 + command("connect", 1, {"app": "live"}))
    peer.session.reject(peer.requests[-1], "NetConnection.Connect.Rejected", "full")
    assert peer.answers() == ["_error 1 error NetConnection.Connect.Rejected"]
    assert peer.session.is_closing


def test_what_follows_a_refusal_is_not_processed() -> None:
    peer = connected()
    answers, events = peer.receive(
        command("createStream", 2, None)
        + command("publish", 3, None, "a:b", on=1)
        + command("createStream", 4, None)
    )
    assert answers == ["_result 2 None 1.0", "onStatus 0 error NetStream.Publish.BadName @1"]
    assert events == ["publish refused NetStream.Publish.BadName"]
    assert peer.session.is_closing


def test_answering_what_does_not_wait_is_a_bug() -> None:
    peer = publishing()
    for request in peer.requests:
        with pytest.raises(UsageError):
            peer.session.accept(request)
        with pytest.raises(UsageError):
            peer.session.reject(request, "code", "description")


def test_fault_in_what_waited_shows_when_the_request_is_answered() -> None:
    peer = Peer()
    peer.accepts = False
    peer.receive(C0_C1 + C2 + command("connect", 1, {}) + command("connect", 2, {}))
    with pytest.raises(ProtocolError, match="second connect"):
        peer.session.accept(peer.requests[-1])


def test_end_from_our_side_tells_why_and_closes() -> None:
    peer = publishing()
    peer.session.end(1, "NetStream.Publish.BadName", "taken over")
    assert peer.answers() == ["onStatus 0 error NetStream.Publish.BadName @1"]
    assert peer.session.is_closing


def test_peer_that_is_asked_to_move_is_served_until_it_leaves() -> None:
    peer = publishing()
    peer.session.ask_to_move("rtmp://b/live", "Go there.")
    assert peer.answers() == ["onStatus 0 status NetConnection.Connect.ReconnectRequest"]
    assert not peer.session.is_closing


def test_close_from_our_side_is_told() -> None:
    peer = publishing()
    peer.session.close("The server is stopping.")
    assert peer.answers() == ["onStatus 0 status NetConnection.Connect.Closed"]
    assert peer.session.is_closing


def test_publish_before_connect_breaks_the_protocol() -> None:
    with pytest.raises(ProtocolError, match="'publish' before connect"):
        Peer().receive(C0_C1 + C2 + command("publish", 1, None, "cam1", on=1))


# ---------------------------------------------------------------------- media


def media(peer: Peer, data: bytes) -> list[MediaReceived]:
    peer.session.receive_data(data, peer.now)
    events = peer.session.events()
    assert all(isinstance(event, MediaReceived) for event in events)
    return [event for event in events if isinstance(event, MediaReceived)]


def test_run_of_media_is_one_event() -> None:
    data = message(6, 9, 1, KEY, 40) + message(4, 8, 1, SOUND, 41) + message(6, 9, 1, INTER, 80)
    assert media(publishing(), data) == [
        MediaReceived(
            1,
            [
                Tag(VIDEO, 40, KEY, True, False),
                Tag(AUDIO, 41, SOUND, False, False),
                Tag(VIDEO, 80, INTER, False, False),
            ],
        )
    ]


def test_command_between_media_parts_the_run_in_order() -> None:
    peer = publishing()
    answers, events = peer.receive(
        message(6, 9, 1, KEY, 40)
        + command("FCUnpublish", 6, None, "cam1")
        + message(6, 9, 1, INTER, 80)
    )
    assert events == ["VIDEO 40 keyframe @1", "publish ended @1"]
    assert answers[0] == UNPUBLISHED


def test_media_of_two_message_streams_is_kept_apart() -> None:
    peer = publishing()
    peer.receive(command("createStream", 4, None) + command("publish", 5, None, "cam2", on=2))
    data = message(6, 9, 1, KEY, 1) + message(6, 9, 2, KEY, 2) + message(6, 9, 2, KEY, 3)
    assert [(event.stream_id, len(event.tags)) for event in media(peer, data)] == [(1, 1), (2, 2)]


def test_metadata_on_message_stream_0_belongs_to_the_publish() -> None:
    # older FFmpeg and librtmp
    data = message(4, 18, 0, b"\x02\x00\x0d@setDataFrame" + META)
    assert media(publishing(), data) == [MediaReceived(1, [Tag(SCRIPT, 0, META, False, False)])]


@pytest.mark.parametrize("stream_id", [0, 1, 2])
def test_media_that_nobody_publishes_is_dropped(stream_id: int) -> None:
    assert media(playing(), message(6, 9, stream_id, KEY)) == []


def test_data_that_is_nothing_to_relay_is_no_event() -> None:
    assert media(publishing(), message(4, 18, 1, b"\x02\x00\x0f@clearDataFrame")) == []


def test_data_in_amf3_becomes_amf0() -> None:
    payload = b"\x00\x02\x00\x0aonMetaData\x11\x0a\x0b\x01\x0bwidth\x04\x40\x01"
    (event,) = media(publishing(), message(4, 15, 1, payload, 3))
    assert event.tags == [Tag(SCRIPT, 3, META, False, False)]


def test_command_in_amf3_with_its_format_byte_is_understood() -> None:
    # Ubiquiti cameras
    peer = connected()
    answers, _ = peer.receive(message(3, 17, 0, b"\x00" + amf("createStream", 2, None)))
    assert answers == ["_result 2 None 1.0"]


def test_aggregate_is_its_messages() -> None:
    payload = wire("08 000003 000028 00 000000") + SOUND + wire("0000000e")
    payload += wire("09 00000a 00003d 00 000000") + KEY
    (event,) = media(publishing(), message(4, 22, 1, payload, 1000))
    assert event.tags == [
        Tag(AUDIO, 1000, SOUND, False, False),
        Tag(VIDEO, 1021, KEY, True, False),
    ]


# ---------------------------------------------------------------------- controls


def test_ping_is_answered_with_its_time_and_other_user_controls_are_not() -> None:
    peer = connected()
    assert peer.receive(wire("02 000000 000006 04 00000000 0006 1234abcd"))[0] == [
        "type 4 00071234abcd"
    ]
    for payload in ("0003 00000001 00000bb8", "0007 00000001", "001a", "001f 00000001"):
        data = bytes.fromhex(payload)
        assert peer.receive(message(2, 4, 0, data)) == ([], [])


def test_buffer_of_a_recording_s_player_is_read_with_its_length() -> None:
    peer = connected()
    peer.accepts = False
    peer.receive(command("createStream", 2, None) + command("play", 3, None, "cam1", 0, on=1))
    peer.session.accept(peer.requests[-1], is_recorded=True)
    told_of = peer.receive(message(2, 4, 0, wire("0003 00000001 00000bb8")))[1]
    assert told_of == ["buffer 3000 @1"]
    assert peer.receive(message(2, 4, 0, wire("0003 00000001")))[1] == []
    assert peer.receive(command("seek", 0, None, 2000, on=1))[1] == ["sought 2000 @1"]


def test_acknowledgements_bandwidth_and_unknown_types_are_ignored() -> None:
    peer = connected()
    for type_id in (3, 6, 7, 16, 19, 255):
        assert peer.receive(message(2, type_id, 0, wire("0000ffff 02"))) == ([], [])


def test_half_of_the_window_is_acknowledged_handshake_included() -> None:
    peer = publishing(session_settings(window_size=10_000))
    sent = len(C0_C1 + C2 + command("connect", 1, {"app": "live"}))
    sent += len(command("createStream", 2, None) + command("publish", 3, None, "cam1", on=1))
    assert sent < 4000
    assert peer.receive(bytes.fromhex("04"))[0] == []
    filler = message(4, 8, 1, bytes(4999 - sent - 12 - 13))
    assert sent + len(filler) == 4999
    assert peer.receive(filler[1:])[0] == []
    assert peer.receive(b"\x04")[0] == ["type 3 00001388"]
    assert peer.receive(message(4, 8, 1, bytes(4000))[1:])[0] == []


def test_window_of_the_peer_sets_when_it_is_acknowledged() -> None:
    peer = connected()
    window = wire("02 000000 000004 05 00000000 00004e20")  # 20 000
    sent = len(C0_C1 + C2 + command("connect", 1, {"app": "live"}) + window)
    assert peer.receive(window)[0] == []
    filler = message(4, 8, 1, bytes(4000))
    assert peer.receive(filler)[0] == []
    assert sent + len(filler) < 10_000 <= sent + 2 * len(filler)
    assert peer.receive(filler)[0] == [f"type 3 {sent + 2 * len(filler):08x}"]


def test_each_window_of_one_read_is_acknowledged() -> None:
    peer = connected()
    window = message(2, 5, 0, bytes.fromhex("00001388"))  # 5000
    sent = len(C0_C1 + C2 + command("connect", 1, {"app": "live"}) + window)
    assert sent == 3136
    assert peer.receive(window)[0] == [f"type 3 {3136:08x}"]
    media = message(4, 8, 1, bytes(12_000))
    assert 10_000 < len(media) < 15_000
    answers = peer.receive(media)[0]
    assert answers == [f"type 3 {count:08x}" for count in (8136, 13_136, 3136 + len(media))]


@pytest.mark.parametrize("window", ["00000000", "00000001"])
def test_tiny_window_does_not_make_us_acknowledge_every_read(window: str) -> None:
    peer = connected()
    peer.receive(message(2, 5, 0, bytes.fromhex(window)))
    assert peer.receive(message(4, 8, 1, bytes(100)))[0] == []


def test_window_cut_short_breaks_the_protocol() -> None:
    with pytest.raises(ProtocolError):
        connected().receive(wire("02 000000 000002 05 00000000 0000"))


def test_reads_are_kept_small_for_a_peer_of_tiny_chunks() -> None:
    peer = publishing()
    assert peer.session.read_size == 65_536
    peer.receive(wire("02 000000 000004 01 00000000 00000001"))
    assert peer.session.read_size == 4096


def test_reads_are_kept_small_until_a_publish_is_accepted() -> None:
    peer = Peer()
    assert peer.session.read_size == 4096
    peer.receive(C0_C1 + C2 + command("connect", 1, {"app": "live"}))
    assert peer.session.read_size == 4096


def test_reads_are_kept_small_for_a_peer_of_tiny_messages() -> None:
    peer = publishing()
    peer.receive(wire("04 000000 000000 08 01000000") + b"\xc4" * 1023)
    assert peer.session.read_size == 65_536
    peer.receive(b"\xc4" * 1025)
    peer.receive(message(4, 8, 1, SOUND))
    assert peer.session.read_size == 4096


# ---------------------------------------------------------------------- limits


@pytest.mark.parametrize(
    "data",
    [
        command("getStreamLength", 1, None),
        wire("02 000000 000006 04 00000000 0006 00000001"),
        wire("02 000000 000001 13 00000000 00"),
    ],
    ids=["commands", "pings", "unknown types"],
)
def test_messages_that_make_work_are_limited_by_the_second(data: bytes) -> None:
    peer = connected(session_settings(commands_per_s=5))
    for now in (1.0, 2.0):
        peer.now = now
        peer.receive(data * 5)
    with pytest.raises(LimitExceeded, match=r"limits\.commands_per_s: 6 .* 5"):
        peer.receive(data)


def test_media_that_nobody_publishes_is_limited_by_the_second() -> None:
    peer = connected(session_settings(commands_per_s=5))
    peer.now = 1.0
    peer.receive(message(4, 8, 1, SOUND) * 160)
    peer.now = 2.0
    peer.receive(message(4, 8, 1, SOUND) * 160)
    with pytest.raises(LimitExceeded, match=r"limits\.commands_per_s: 6 .* 5"):
        peer.receive(message(4, 8, 1, SOUND))


def test_media_is_not_limited_by_the_second() -> None:
    peer = publishing(session_settings(commands_per_s=5))
    peer.receive(message(4, 8, 1, SOUND) * 100)


def test_unfinished_messages_are_limited_more_before_a_publish_is_accepted() -> None:
    limits = chunk_limits(message_bytes=4 * 1024 * 1024, partial_bytes=4 * 1024 * 1024)
    head = wire("02 000000 000004 01 00000000 00ffffff  06 000000 200000 09 01000000")
    publishing(session_settings(chunk_limits=limits)).receive(head + bytes(1024 * 1024 + 1))
    with pytest.raises(LimitExceeded, match=r"limits\.partial_bytes: 1048577 .* 1048576"):
        connected(session_settings(chunk_limits=limits)).receive(head + bytes(1024 * 1024 + 1))


def test_message_over_its_limit_is_refused() -> None:
    with pytest.raises(LimitExceeded, match=r"limits\.command_bytes: 65537"):
        connected().receive(wire("03 000000 010001 14 00000000"))


# ---------------------------------------------------------------------- time

TIMES = session_settings(handshake_s=5, command_s=10, idle_s=60, publisher_silence_s=20)


def fails(session: ServerSession, deadline: float, reason: str) -> None:
    assert session.deadline() == deadline
    session.handle_timeout(deadline - 0.001)
    with pytest.raises(ProtocolError, match=reason):
        session.handle_timeout(deadline)


def test_handshake_has_5_seconds_whatever_is_sent() -> None:
    peer = Peer(TIMES, now=100)
    peer.now = 104
    peer.receive(C0_C1)
    fails(peer.session, 105, "no complete handshake within 5 s")


def test_connect_has_10_seconds_whatever_is_sent() -> None:
    peer = Peer(TIMES, now=100)
    peer.now = 104
    peer.receive(C0_C1 + C2)
    fails(peer.session, 110, "no connect command within 10 s")


def test_request_that_waits_for_us_has_no_deadline() -> None:
    peer = Peer(TIMES)
    peer.accepts = False
    peer.receive(C0_C1 + C2 + command("connect", 1, {"app": "live"}))
    assert peer.session.deadline() is None
    peer.session.handle_timeout(1e9)
    peer.accept()
    peer.receive(command("createStream", 2, None) + command("publish", 3, None, "cam1", on=1))
    assert peer.session.deadline() is None
    peer.session.handle_timeout(1e9)


def test_peer_that_neither_publishes_nor_plays_has_60_seconds_from_connect() -> None:
    peer = connected(TIMES)
    peer.now = 30
    peer.receive(command("createStream", 2, None))
    fails(peer.session, 60, "neither publish nor play within 60 s")


def test_peer_that_has_stopped_publishing_has_60_seconds_again() -> None:
    peer = publishing(TIMES)
    peer.now = 15
    peer.receive(command("deleteStream", 6, None, 1.0))
    fails(peer.session, 75, "neither publish nor play within 60 s")


def test_publisher_has_20_seconds_from_its_last_media() -> None:
    peer = publishing(TIMES)
    assert peer.session.deadline() == 20
    peer.now = 7
    peer.receive(message(6, 9, 1, KEY))
    peer.now = 26
    peer.receive(wire("02 000000 000006 04 00000000 0006 00000001"))
    fails(peer.session, 27, "publisher sent nothing for 20 s")


def test_publisher_accepted_late_has_its_20_seconds_from_its_last_word() -> None:
    peer = connected(TIMES)
    peer.accepts = False
    peer.now = 50
    peer.receive(command("createStream", 2, None) + command("publish", 3, None, "cam1", on=1))
    peer.accept()
    assert peer.session.deadline() == 70


def test_quiet_player_is_pinged_every_30_seconds_and_need_not_answer() -> None:
    peer = playing(TIMES)
    assert peer.session.deadline() == 30
    peer.session.handle_timeout(30)
    assert peer.answers() == ["type 4 000600007530"]
    assert peer.session.deadline() == 60
    peer.session.handle_timeout(59)
    assert peer.answers() == []
    peer.session.handle_timeout(60)
    assert peer.answers() == ["type 4 00060000ea60"]


def test_player_that_says_something_is_not_pinged() -> None:
    peer = playing(TIMES)
    peer.now = 29
    peer.receive(wire("02 000000 000004 03 00000000 00000001"))
    assert peer.session.deadline() == 59


def test_peer_that_publishes_and_plays_is_judged_as_a_publisher() -> None:
    peer = publishing(replace(TIMES, publisher_silence_s=3))
    peer.receive(command("createStream", 4, None) + command("play", 5, None, "cam2", on=2))
    assert peer.session.deadline() == 3


# ---------------------------------------------------------------------- requests put off


def defer(peer: Peer) -> None:
    request = peer.requests[-1]
    assert not isinstance(request, ConnectCommand)
    peer.session.defer(request)


def put_off(data: bytes = b"") -> Peer:
    """A peer whose publish on message stream 1 is deferred; `data` came behind it."""
    peer = connected()
    peer.receive(command("createStream", 2, None))
    peer.accepts = False
    peer.receive(command("publish", 3, None, "cam1", on=1) + data)
    assert peer.session.is_waiting
    defer(peer)
    assert not peer.session.is_waiting
    return peer


def test_media_behind_a_request_put_off_waits_for_the_answer() -> None:
    peer = put_off(message(6, 9, 1, KEY, 7))
    assert peer.receive(message(6, 9, 1, KEY, 8) + message(4, 18, 0, META, 0))[1] == []
    answers, events = peer.accept()
    assert "NetStream.Publish.Start" in "".join(answers)
    assert events == ["VIDEO 7 keyframe @1", "VIDEO 8 keyframe @1", "SCRIPT 0 @1"]
    assert peer.receive(message(6, 9, 1, KEY, 9))[1] == ["VIDEO 9 keyframe @1"]


def test_other_streams_go_on_while_a_request_is_put_off() -> None:
    peer = publishing()
    peer.receive(command("createStream", 4, None))
    peer.accepts = False
    peer.receive(command("publish", 5, None, "cam2", on=2))
    defer(peer)
    data = message(6, 9, 1, KEY, 7) + message(6, 9, 2, KEY, 8) + message(4, 18, 0, META, 0)
    answers, events = peer.receive(data + command("createStream", 6, None))
    assert events == ["VIDEO 7 keyframe @1", "SCRIPT 0 @1"]
    assert answers == ["_result 6 None 3.0"]
    assert peer.accept()[1] == ["VIDEO 8 keyframe @2"]


def test_request_behind_one_put_off_is_asked_too() -> None:
    peer = put_off()
    peer.receive(command("createStream", 4, None))
    data = command("play", 5, None, "cam2", on=2) + message(6, 9, 1, KEY, 7)
    assert peer.receive(data)[1] == ["play live/cam2 @2"]
    assert peer.session.is_waiting
    assert peer.accept()[1] == []
    peer.requests.pop()
    assert peer.accept()[1] == ["VIDEO 7 keyframe @1"]


@pytest.mark.parametrize(
    "data",
    [
        command("closeStream", 0, None, on=1),
        command("deleteStream", 0, None, 1.0),
        command("deleteStream", 0, None, 1.0, on=1),
    ],
)
def test_request_put_off_is_cancelled_by_its_peer(data: bytes) -> None:
    peer = put_off(message(6, 9, 1, KEY, 7))
    assert peer.receive(data)[1] == ["cancelled @1"]
    with pytest.raises(UsageError):
        peer.accept()
    assert peer.session.is_full is False


def test_request_put_off_is_replaced_by_the_next() -> None:
    peer = put_off(message(6, 9, 1, KEY, 7))
    events = peer.receive(command("publish", 4, None, "cam2", on=1))[1]
    assert events == ["cancelled @1", "publish live/cam2 @1"]
    assert peer.accept()[1] == []  # media was for the other one


def test_other_commands_wait_behind_a_play_put_off() -> None:
    peer = connected()
    peer.receive(command("createStream", 2, None))
    peer.accepts = False
    peer.receive(command("play", 3, None, "cam1", on=1))
    defer(peer)
    assert peer.receive(command("receiveAudio", 0, None, False, on=1))[1] == []
    assert peer.accept()[1] == ["play changed @1"]


@pytest.mark.parametrize("body", [b"\x05", b"\x02"])
def test_broken_command_is_a_fault_even_while_its_stream_waits(body: bytes) -> None:
    peer = put_off()
    with pytest.raises(ProtocolError):
        peer.receive(message(3, 20, 1, body, 0))


def test_answer_to_one_request_leaves_the_next_one_unanswered() -> None:
    peer = put_off()
    peer.receive(command("createStream", 4, None))
    data = command("play", 5, None, "cam2", on=2) + message(6, 9, 1, KEY, 7)
    peer.receive(data)
    peer.session.accept(peer.requests[1])
    assert peer.session.events() == []
    assert peer.session.is_waiting
    assert peer.accept()[1] == ["VIDEO 7 keyframe @1"]


def test_session_is_full_when_much_waits_for_an_answer() -> None:
    peer = put_off()
    assert not peer.session.is_full
    for _ in range(11):
        peer.receive(message(6, 9, 1, KEY.ljust(100_000, b"\0"), 7))
    assert peer.session.is_full
    peer.accept()
    assert not peer.session.is_full


def test_refusal_of_a_request_put_off_drops_what_waited() -> None:
    peer = put_off(message(6, 9, 1, KEY, 7))
    peer.session.reject(peer.requests[-1], "NetStream.Publish.Denied", "no")
    assert peer.session.events() == []
    assert peer.session.is_closing
