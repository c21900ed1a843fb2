"""What a track is, in a player's terms: codec string, size, rates.

A sequence header is read, or a coded frame of a codec that has none.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from headend.errors import MediaError
from headend.media.av1 import parse_av1_config, parse_vp9_config
from headend.media.avc import parse_avc_config
from headend.media.codecs import is_description
from headend.media.color import Color, parse_color
from headend.media.headers import (
    AudioPacketType,
    Codec,
    TrackPayload,
    VideoPacketType,
    parse_audio_header,
    parse_video_header,
)
from headend.media.hevc import parse_hevc_config
from headend.media.picture import PictureConfig
from headend.media.sound import (
    FRAME_HEADER_SIZE,
    SoundConfig,
    parse_aac_config,
    parse_ac3_frame,
    parse_flac_config,
    parse_legacy_sound,
    parse_mp3_frame,
    parse_opus_config,
)
from headend.media.tag import AUDIO, VIDEO, Tag, TagKind

# Bytes of a decoder configuration record. They have some hundred; one that holds the encoder's
# options, as x265 writes it, has two thousand.
MAX_RECORD: Final = 16_384
MAX_SIZE: Final = 16_384  # of a picture, luma samples; AV1 ends there, the others a little above


@dataclass(frozen=True, slots=True)
class TrackConfig:
    """What is known of a track.

    Attributes:
        kind: AUDIO or VIDEO.
        codec: The codec.
        codecs: As RFC 6381 writes it, for players; empty if it has no such name.
        record: Its decoder configuration record; empty where the codec has none.
        width: Luma samples, after cropping; 0: audio, or not said.
        height: The same of lines.
        frame_rate: Frames a second, as the bit stream declares; None: not said.
        profile: Such as "High" or "LC"; None: not said.
        level: Such as "3.1"; None: not said.
        sample_rate: Hz; 0: video, or not said.
        channels: 0: video, or not said.
        color: What metadata of the track say of its colours; None: nothing.
    """

    kind: TagKind
    codec: Codec
    codecs: str = ""
    record: bytes = b""
    width: int = 0
    height: int = 0
    frame_rate: float | None = None
    profile: str | None = None
    level: str | None = None
    sample_rate: int = 0
    channels: int = 0
    color: Color | None = None


_PICTURES: Final[Mapping[Codec, Callable[[bytes], PictureConfig]]] = {
    Codec.H264: parse_avc_config,
    Codec.HEVC: parse_hevc_config,
    Codec.AV1: parse_av1_config,
    Codec.VP9: parse_vp9_config,
}
_SOUNDS: Final[Mapping[Codec, Callable[[bytes], SoundConfig]]] = {
    Codec.AAC: parse_aac_config,
    Codec.OPUS: parse_opus_config,
    Codec.FLAC: parse_flac_config,
}
# Codecs whose frames say all, so that a sequence header holds nothing or does not come.
_FRAMES: Final[Mapping[Codec, Callable[[bytes], SoundConfig]]] = {
    Codec.MP3: parse_mp3_frame,
    Codec.AC3: parse_ac3_frame,
    Codec.EAC3: parse_ac3_frame,
}
# What frames say of themselves, for there are decoders and containers that take only one of them.
_NAMES: Final = {"ac-3": Codec.AC3, "ec-3": Codec.EAC3}


def track_config(tag: Tag) -> TrackConfig:
    """Say what track 0 of a tag is.

    Args:
        tag: A sequence header, or a coded frame of a codec without one.

    Raises:
        MediaError: The tag is neither, has no track 0, or what it holds is damaged.
    """
    if tag.kind is VIDEO:
        return _video(tag.body)
    if tag.kind is AUDIO:
        return _audio(tag.body)
    raise MediaError("a script tag is no track")


def needs_header(codec: Codec) -> bool:
    """Say whether nothing can be done with a codec's frames before its sequence header."""
    return codec in _PICTURES or codec in _SOUNDS


def codec_of(tag: Tag) -> Codec:
    """Return the codec of the first track of an audio or video tag."""
    parse = parse_audio_header if tag.kind is AUDIO else parse_video_header
    return parse(tag.body).codec


def color_of(tag: Tag) -> Color | None:
    """Return the colours that metadata of track 0 tell of; None: it takes former ones back.

    Raises:
        MediaError: It is no such metadata, not of track 0, or damaged.
    """
    header = parse_video_header(tag.body)
    if header.packet_type is not VideoPacketType.METADATA:
        raise MediaError("no metadata of a video track")
    return parse_color(tag.body[_first(header.tracks).payload])


def says_nothing(tag: Tag) -> bool:
    """Say whether a header holds no record: frames say all, or another header does."""
    if is_description(tag):
        return True
    if tag.kind is AUDIO:
        audio = parse_audio_header(tag.body)
        return audio.codec in _FRAMES or _is_empty(audio.tracks)
    return _is_empty(parse_video_header(tag.body).tracks)


def _is_empty(tracks: tuple[TrackPayload, ...]) -> bool:
    return all(track.end == track.start for track in tracks)


def _video(body: bytes) -> TrackConfig:
    header = parse_video_header(body)
    track = _first(header.tracks)
    parse = _PICTURES.get(track.codec)
    if parse is None:
        return TrackConfig(VIDEO, track.codec)
    if header.packet_type is not VideoPacketType.SEQUENCE_START:
        raise MediaError(f"no sequence header of {track.codec}")
    record = _record(body, track)
    found = parse(record)
    if max(found.width, found.height) > MAX_SIZE:
        raise MediaError(f"pictures of {found.width} × {found.height}, more than {MAX_SIZE}")
    return TrackConfig(
        VIDEO,
        track.codec,
        found.codecs,
        record,
        found.width,
        found.height,
        found.frame_rate,
        found.profile,
        found.level,
    )


def _audio(body: bytes) -> TrackConfig:
    header = parse_audio_header(body)
    track = _first(header.tracks)
    is_start = header.packet_type is AudioPacketType.SEQUENCE_START
    if track.codec in _FRAMES:
        if header.packet_type is not AudioPacketType.CODED_FRAMES:
            raise MediaError(f"{track.codec} is told by its frames")
        found = _FRAMES[track.codec](body[track.start : track.start + FRAME_HEADER_SIZE])
        if _NAMES.get(found.codecs, track.codec) is not track.codec:
            raise MediaError(f"{_NAMES[found.codecs]} comes under the name of {track.codec}")
        return _sounding(track.codec, found, b"")
    parse = _SOUNDS.get(track.codec)
    if parse is None:
        rate, channels = (0, 0) if track.fourcc is not None else parse_legacy_sound(body[0])
        return TrackConfig(AUDIO, track.codec, sample_rate=rate, channels=channels)
    if not is_start:
        raise MediaError(f"no sequence header of {track.codec}")
    record = _record(body, track)
    return _sounding(track.codec, parse(record), record)


def _record(body: bytes, track: TrackPayload) -> bytes:
    size = track.end - track.start
    if size > MAX_RECORD:
        raise MediaError(f"sequence header of {track.codec} with {size} bytes, not {MAX_RECORD}")
    return body[track.payload]


def _sounding(codec: Codec, found: SoundConfig, record: bytes) -> TrackConfig:
    return TrackConfig(
        AUDIO,
        codec,
        found.codecs,
        record,
        profile=found.profile,
        sample_rate=found.sample_rate,
        channels=found.channels,
    )


def _first(tracks: tuple[TrackPayload, ...]) -> TrackPayload:
    for track in tracks:
        if track.track_id == 0:
            return track
    raise MediaError("no track 0")
