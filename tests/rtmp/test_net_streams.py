"""Tests of headend.rtmp.net_streams."""

import pytest

from headend.errors import UsageError
from headend.rtmp.chunks import Message
from headend.rtmp.events import PlayCommand, PublishCommand
from headend.rtmp.net_streams import NetStreams, StreamUse
from headend.rtmp.url import stream_target

PUBLISH = PublishCommand(1, stream_target("live", "rtmp://127.0.0.1/live", "cam1"))
PLAY = PlayCommand(2, stream_target("live", "rtmp://127.0.0.1/live", "cam2"))

VIDEO = Message(9, 0, 1, b"\x17\x01\x00\x00\x00")
# closeStream, transaction ID 0, no command object; and the same of a name that ends nothing.
CLOSE = bytes.fromhex("02 000b") + b"closeStream" + bytes.fromhex("00 0000000000000000 05")
PAUSE = bytes.fromhex("02 0005") + b"pause" + bytes.fromhex("00 0000000000000000 05")


def created(count: int) -> NetStreams:
    streams = NetStreams(8)
    for _ in range(count):
        streams.create()
    return streams


def deferred() -> NetStreams:
    """Message stream 1 waits to publish, 2 is idle."""
    streams = created(2)
    streams.ask(PUBLISH)
    streams.defer(PUBLISH)
    return streams


def test_ids_count_from_1_and_are_never_given_twice() -> None:
    streams = NetStreams(2)
    assert [streams.create(), streams.create(), streams.create()] == [1, 2, None]
    streams.delete(2)
    streams.delete(7)
    assert streams.create() == 3
    assert streams.ids() == [1, 3]


def test_stream_waits_then_does_what_was_asked_until_it_is_reset() -> None:
    streams = created(2)
    streams.ask(PUBLISH)
    assert streams.uses() == {StreamUse.WAITING, StreamUse.IDLE}
    assert streams.accept(PUBLISH) == []
    streams.ask(PLAY)
    streams.accept(PLAY)
    assert streams.uses() == {StreamUse.PUBLISHING, StreamUse.PLAYING}
    was = streams.reset(1)
    assert was is not None
    assert was.use is StreamUse.PUBLISHING
    assert streams.uses() == {StreamUse.IDLE, StreamUse.PLAYING}
    assert streams.reset(3) is None
    assert streams.get(3) is None


def test_media_of_message_stream_0_is_of_the_only_one_that_publishes() -> None:
    streams = created(2)
    assert streams.publishing(0) is None
    streams.ask(PUBLISH)
    assert streams.publishing(1) is None
    streams.accept(PUBLISH)
    assert (streams.publishing(0), streams.publishing(1), streams.publishing(2)) == (1, 1, None)
    second = PublishCommand(2, PLAY.target)
    streams.ask(second)
    streams.accept(second)
    assert (streams.publishing(0), streams.publishing(2)) == (None, 2)
    assert list(streams.all_publishing()) == [1, 2]


@pytest.mark.parametrize("request_", [PUBLISH, PLAY, PlayCommand(3, PLAY.target)])
def test_answer_to_what_does_not_wait_is_a_bug(request_: PublishCommand | PlayCommand) -> None:
    streams = created(2)
    for answer in (streams.accept, streams.defer, streams.requested):
        with pytest.raises(UsageError, match=r"waits for no answer"):
            answer(request_)
    assert streams.waiting == set()


def test_what_comes_behind_a_deferred_request_is_held_until_it_is_accepted() -> None:
    streams = deferred()
    metadata = Message(18, 0, 0, b"\x02\x00\x01a")
    pause = Message(20, 0, 1, PAUSE)
    assert [streams.hold(each) for each in (VIDEO, metadata, pause)] == [True] * 3
    assert streams.held_bytes == 3 * 100 + len(VIDEO.payload + metadata.payload + PAUSE)
    assert streams.accept(PUBLISH) == [VIDEO, metadata, pause]
    assert streams.held_bytes == 0
    assert streams.waiting == set()


@pytest.mark.parametrize(
    "message",
    [
        Message(9, 0, 2, b"\x17\x01\x00\x00\x00"),
        Message(20, 0, 2, PAUSE),
        Message(20, 0, 0, PAUSE),
        Message(20, 0, 1, CLOSE),
        Message(17, 0, 1, b"\x00" + CLOSE),
        Message(20, 0, 1, b"\x05"),
        Message(20, 0, 1, b"\x02"),
    ],
    ids=[
        "media of another",
        "command to another",
        "command to all",
        "end",
        "end, AMF3",
        "no command",
        "cut short",
    ],
)
def test_what_belongs_elsewhere_or_ends_the_request_is_not_held(message: Message) -> None:
    streams = deferred()
    assert not streams.hold(message)
    assert streams.held_bytes == 0


def test_media_of_message_stream_0_goes_on_while_another_one_publishes() -> None:
    streams = deferred()
    second = PublishCommand(2, PLAY.target)
    streams.ask(second)
    streams.accept(second)
    assert not streams.hold(Message(18, 0, 0, b"\x02\x00\x01a"))


def test_reset_drops_what_was_held() -> None:
    streams = deferred()
    streams.hold(VIDEO)
    was = streams.reset(1)
    assert was is not None
    assert was.request == PUBLISH
    assert streams.waiting == set()
    assert streams.held_bytes == 0
