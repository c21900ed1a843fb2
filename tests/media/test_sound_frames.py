"""Frames of sound in a byte stream."""

import pytest

from headend.media.headers import Codec
from headend.media.sound_frames import FrameHeader, SoundFrames, ac3, adts, eac3, mp3

# As FFmpeg writes them; AAC of 48 kHz, stereo, 10 bytes with its header.
ADTS = bytes.fromhex("fff14c80015ffc") + b"abc"


@pytest.mark.parametrize(
    ("head", "found"),
    [
        ("fff14c80015ffc", FrameHeader(10, 1024, 48000)),
        ("fff14c80015ffd", FrameHeader(10, 2048, 48000)),
        ("fff34c80015ffc", None),
        ("fef14c80015ffc", None),
        ("fff17c80015ffc", None),
        ("fff14c8000fffc", None),
    ],
)
def test_adts_headers(head: str, found: FrameHeader | None) -> None:
    assert adts(bytes.fromhex(head)) == found


@pytest.mark.parametrize(
    ("head", "found"),
    [
        ("fffb9064", FrameHeader(417, 1152, 44100)),
        ("fffb9264", FrameHeader(418, 1152, 44100)),
        ("fff380c0", FrameHeader(208, 576, 22050)),
        ("ffe380c0", FrameHeader(417, 576, 11025)),
        ("ffeb9064", None),  # version 1 is none
        ("fffd9064", None),  # layer II
        ("fffb0064", None),
        ("fffbf064", None),
        ("fffb9c64", None),
        ("00fb9064", None),
    ],
)
def test_mp3_headers(head: str, found: FrameHeader | None) -> None:
    assert mp3(bytes.fromhex(head) + bytes(3)) == found


@pytest.mark.parametrize(
    ("head", "found"),
    [
        ("0b77000014", FrameHeader(768, 1536, 48000)),
        ("0b77000054", FrameHeader(834, 1536, 44100)),
        ("0b77000055", FrameHeader(836, 1536, 44100)),
        ("0b77000094", FrameHeader(1152, 1536, 32000)),
        ("0b770000d4", None),
        ("0b77000026", None),
        ("0b76000014", None),
    ],
)
def test_ac3_headers(head: str, found: FrameHeader | None) -> None:
    assert ac3(bytes.fromhex(head) + bytes(2)) == found


@pytest.mark.parametrize(
    ("head", "found"),
    [
        ("0b7701ff34", FrameHeader(1024, 1536, 48000)),
        ("0b7701ff44", FrameHeader(1024, 256, 44100)),
        ("0b7701ffc4", FrameHeader(1024, 1536, 24000)),
        ("0b7701fff4", None),
        ("0b77000034", None),
        ("0b7601ff34", None),
    ],
)
def test_eac3_headers(head: str, found: FrameHeader | None) -> None:
    assert eac3(bytes.fromhex(head) + bytes(2)) == found


def taken(frames: SoundFrames, *pieces: tuple[int, bytes]) -> list[tuple[int, bytes]]:
    return [(when, frame) for time, data in pieces for when, _, frame in frames.take(time, data)]


def test_frames_of_a_packet_follow_each_other_by_their_length() -> None:
    frames = SoundFrames(Codec.AAC)
    assert taken(frames, (90000, ADTS * 3)) == [(90000, ADTS), (91920, ADTS), (93840, ADTS)]


def test_a_frame_goes_on_in_the_next_packet_whose_time_is_that_of_the_next_frame() -> None:
    frames = SoundFrames(Codec.AAC)
    first, second = (ADTS + ADTS)[:14], ADTS[4:] + ADTS
    assert taken(frames, (90000, first), (100000, second)) == [
        (90000, ADTS),
        (91920, ADTS),
        (100000, ADTS),
    ]


def test_a_frame_that_ends_where_the_packet_before_did_is_no_other_packets() -> None:
    frames = SoundFrames(Codec.AAC)
    pieces = [(90000, ADTS[:5]), (95000, ADTS[5:8]), (96000, ADTS[8:] + ADTS + ADTS)]
    assert [when for when, _ in taken(frames, *pieces)] == [90000, 96000, 97920]


def test_what_is_no_frame_is_skipped() -> None:
    frames = SoundFrames(Codec.AAC)
    assert taken(frames, (90000, b"noise" + ADTS)) == [(90000, ADTS)]
    assert frames.skipped == 1


def test_noise_is_not_kept() -> None:
    frames = SoundFrames(Codec.AC3)
    assert taken(frames, *[(0, bytes(1000))] * 3) == []
    assert frames.skipped == 3
