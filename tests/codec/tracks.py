"""Two tracks and their packets, for tests of muxers."""

from tests.hls.media import audio_header, video_header
from tests.wire import wire

from headend.codec.package import Packet, Track
from headend.media.tag import AUDIO, VIDEO
from headend.media.track_config import track_config

VIDEO_TRACK = Track(track_config(video_header()), video_header())

AUDIO_TRACK = Track(track_config(audio_header()), audio_header())


def picture(time: int, *, is_keyframe: bool = False, shift: int = 0) -> Packet:
    frame = "00000002 6588" if is_keyframe else "00000002 419a"
    return Packet(VIDEO, time, time + shift, is_keyframe, wire(frame))


def sound(time: int) -> Packet:
    return Packet(AUDIO, time, time, True, wire("2110045f"))
