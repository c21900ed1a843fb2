"""Tests of headend.outputs.first_media."""

from tests.wire import wire

from headend.media.tag import AUDIO, SCRIPT, VIDEO, Tag
from headend.outputs.first_media import FirstMedia

VIDEO_HEADER = Tag(VIDEO, 0, wire("17 00 000000"), False, True)
KEYFRAME = Tag(VIDEO, 0, wire("17 01 000000 65"), True, False)
SOUND = Tag(AUDIO, 0, wire("2f ff"), False, False)
METADATA = Tag(
    SCRIPT,
    0,
    wire(
        "02 000a 6f6e4d65746144617461 08 00000001 000c 617564696f636f6465636964 00 4000000000000000"
    ),
    False,
    False,
)


class Calls:
    def __init__(self) -> None:
        self.count = 0
        self.media = FirstMedia(self._called)

    def _called(self) -> None:
        self.count += 1


def test_headers_declare_and_frames_are_told() -> None:
    calls = Calls()
    media = calls.media
    media.start([VIDEO_HEADER])
    assert media.kinds == (False, True)
    media.push(METADATA)
    assert media.kinds == (True, True)
    media.push(VIDEO_HEADER)
    assert (calls.count, media.is_there) == (0, False)
    media.push(KEYFRAME)
    assert (calls.count, media.is_there) == (1, True)


def test_track_without_a_header_is_seen_by_its_frames() -> None:
    calls = Calls()
    calls.media.start([])
    calls.media.interrupt()
    calls.media.resume()
    calls.media.push(SOUND)
    assert calls.media.kinds == (True, False)
    assert calls.count == 1


def test_video_is_announced_by_metadata_too() -> None:
    media = Calls().media
    body = METADATA.body.replace(b"audiocodecid", b"videocodecid")
    media.push(METADATA._replace(body=body))
    assert media.kinds == (False, True)


def test_end_is_told() -> None:
    calls = Calls()
    calls.media.end()
    assert (calls.count, calls.media.is_over, calls.media.is_there) == (1, True, False)


def test_nobody_is_called_who_waits_no_more() -> None:
    calls = Calls()
    calls.media.let_go()
    calls.media.push(KEYFRAME)
    calls.media.end()
    assert calls.count == 0
    assert (calls.media.is_there, calls.media.is_over) == (True, True)
