"""Tests of headend.hls.held."""

from tests.hls.media import AVCC_2, audio_header, video_header

from headend.codec.package import Packet, Track
from headend.hls.held import Held
from headend.media.tag import AUDIO, VIDEO, TagKind
from headend.media.track_config import track_config

PICTURE = Track(track_config(video_header()), video_header())
OTHER = Track(track_config(video_header(AVCC_2)), video_header(AVCC_2))
SOUND = Track(track_config(audio_header()), audio_header())


def packet(kind: TagKind, dts: int, payload: bytes = b"a") -> Packet:
    return Packet(kind, dts, dts, True, payload)


def held(*packets: Packet) -> Held:
    made = Held()
    made.keep({VIDEO: PICTURE, AUDIO: SOUND})
    for each in packets:
        made.add(each, 100.0)
    return made


def test_packets_are_given_back_in_the_order_of_time_pictures_first() -> None:
    late, first, same = packet(AUDIO, 40), packet(AUDIO, 0), packet(VIDEO, 40)
    made = held(late, first, same)
    assert made.take() == ([first, same, late], 99.96)
    assert (made.packets, made.has(VIDEO)) == ([], False)


def test_packets_of_tracks_that_changed_are_dropped() -> None:
    made = held(packet(VIDEO, 0), packet(AUDIO, 1))
    assert not made.keep({VIDEO: PICTURE, AUDIO: SOUND})
    assert made.keep({VIDEO: OTHER, AUDIO: SOUND})
    assert made.packets == [packet(AUDIO, 1)]
    assert made.keep({VIDEO: OTHER})
    assert made.packets == []


def test_what_came_before_a_time_is_dropped() -> None:
    made = held(packet(AUDIO, 0), packet(AUDIO, 20), packet(AUDIO, 40))
    made.keep_from(20)
    assert [each.dts for each in made.packets] == [20, 40]
    made.keep_from(41)
    assert made.packets == []


def test_it_is_full_at_64_mib() -> None:
    large = bytes(1024 * 1024)
    made = held(*[packet(VIDEO, time, large) for time in range(63)])
    assert not made.is_full
    made.add(packet(AUDIO, 63, large), 100.0)
    assert made.is_full


def test_it_is_full_at_two_thousand() -> None:
    made = held(*[packet(AUDIO, time) for time in range(1999)])
    assert not made.is_full
    made.add(packet(AUDIO, 1999), 100.0)
    assert made.is_full
