"""Samples of an MP4 file as tags: what its head says of the tracks, and each sample as a tag.

    moov ─ trak ─ stsd ─ avc1 ─ avcC        ─► sequence header
    moof, mdat                              ─► frames

Source: ISO/IEC 14496-12, 14496-14 and 14496-15; Opus, AV1, VP9 and FLAC in ISO BMFF; FLV 10.1,
annex E; Enhanced RTMP v2.
"""

from collections.abc import Mapping
from struct import pack, unpack_from
from typing import Final, NamedTuple

from headend.errors import MediaError
from headend.media.boxes import boxes, child
from headend.media.codecs import audio_tag, video_tag
from headend.media.sound import parse_legacy_sound
from headend.media.tag import AUDIO, VIDEO, Tag, TagKind

_VIDEO_ENTRY: Final = 78  # bytes of a sample entry before its boxes
_AUDIO_ENTRY: Final = 28
_KEYFRAME: Final = 0x10
_INTER: Final = 0x20
_ENHANCED: Final = 0x80
_START: Final = 0  # packet types
_FRAMES: Final = 1
_AVC: Final = 7
_AAC: Final = b"\xaf"  # AAC, 44 kHz, 16 bit, stereo: so for every AAC, as FLV wants it
_EXTENDED_AUDIO: Final = 0x90
_MP3: Final = 0x22  # MP3, 16 bit
_MP3_OBJECTS: Final = (0x69, 0x6B)  # of MPEG-2 and MPEG-1, in `esds`
_ES, _DECODER, _SPECIFIC = 3, 4, 5  # descriptors in `esds`

# Sample entry: FourCC of enhanced RTMP, the box with its configuration, and whether pictures have a
# composition time.
_PICTURES: Final[Mapping[bytes, tuple[bytes, bytes, bool]]] = {
    b"avc1": (b"avc1", b"avcC", True),
    b"avc3": (b"avc1", b"avcC", True),
    b"hvc1": (b"hvc1", b"hvcC", True),
    b"hev1": (b"hvc1", b"hvcC", True),
    b"av01": (b"av01", b"av1C", False),
    b"vp09": (b"vp09", b"vpcC", False),
}
_SOUNDS: Final = (b"Opus", b"fLaC", b"ac-3", b"ec-3")  # the same there and in enhanced RTMP


class StoredTrack(NamedTuple):
    """A track of a file.

    Attributes:
        kind: AUDIO or VIDEO.
        scale: Ticks a second.
        header: Sequence header; None: the codec has none.
        key: What stands before a sample that decoding can start at.
        inter: What stands before another one.
        has_composition: A composition time follows that.
    """

    kind: TagKind
    scale: int
    header: Tag | None
    key: bytes
    inter: bytes
    has_composition: bool = False

    def frame(self, dts: int, composition: int, payload: bytes, *, is_sync: bool) -> Tag:
        """Return the tag of a sample; times in ms."""
        head = self.key if is_sync else self.inter
        if self.has_composition:
            head += (composition & 0xFF_FFFF).to_bytes(3, "big")
        make = video_tag if self.kind is VIDEO else audio_tag
        return make(dts & 0xFFFF_FFFF, head + payload)


def stored_tracks(moov: bytes) -> dict[int, StoredTrack]:
    """Return the first track of each kind, by its number, from the content of a `moov`.

    Raises:
        MediaError: There is none, or one cannot be read.
    """
    found: dict[int, StoredTrack] = {}
    for kind, trak in boxes(moov):
        if kind != b"trak":
            continue
        handler = child(trak, b"mdia", b"hdlr")[8:12]
        if handler not in (b"vide", b"soun"):
            continue
        track = _track(trak, VIDEO if handler == b"vide" else AUDIO)
        if all(each.kind is not track.kind for each in found.values()):
            found[_number(child(trak, b"tkhd"), 12, 20)] = track
    if not found:
        raise MediaError("MP4: the file has neither video nor audio")
    return found


def _track(trak: bytes, kind: TagKind) -> StoredTrack:
    scale = _number(child(trak, b"mdia", b"mdhd"), 12, 20)
    stsd = child(trak, b"mdia", b"minf", b"stbl", b"stsd")
    entry = next(boxes(stsd[8:]), None)
    if entry is None or not scale:
        raise MediaError("MP4: a track does not say what it is")
    return (_picture if kind is VIDEO else _sound)(scale, *entry)


def _number(content: bytes, short: int, long: int) -> int:
    """Read a number of 32 bits of a full box, whose place depends on its version."""
    at = long if content[:1] == b"\x01" else short
    if len(content) < at + 4:
        raise MediaError("MP4: a box is cut short")
    return int.from_bytes(content[at : at + 4], "big")


def _picture(scale: int, entry: bytes, content: bytes) -> StoredTrack:
    if entry not in _PICTURES:
        raise MediaError(f"MP4: pictures of {_shown(entry)} cannot be sent over RTMP")
    fourcc, name, has_composition = _PICTURES[entry]
    record = child(content[_VIDEO_ENTRY:], name)
    if not record:
        raise MediaError(f"MP4: {_shown(entry)} comes without {_shown(name)}")
    if fourcc == b"avc1":
        header, key, inter = (
            bytes((first | _AVC, packet))
            for first, packet in ((_KEYFRAME, _START), (_KEYFRAME, _FRAMES), (_INTER, _FRAMES))
        )
        header += bytes(3)
    else:
        header, key, inter = (
            bytes((_ENHANCED | first | packet,)) + fourcc
            for first, packet in ((_KEYFRAME, _START), (_KEYFRAME, _FRAMES), (_INTER, _FRAMES))
        )
    return StoredTrack(VIDEO, scale, video_tag(0, header + record), key, inter, has_composition)


def _sound(scale: int, entry: bytes, content: bytes) -> StoredTrack:
    channels, rate = unpack_from(">H6xH", content, 16) if len(content) >= 28 else (0, 0)
    inside = content[_AUDIO_ENTRY:]
    if entry == b"mp4a":
        kind, specific = _elementary(child(inside, b"esds")[4:])
        if kind in _MP3_OBJECTS:
            return _mp3(scale, rate, channels)
        if not specific:
            raise MediaError("MP4: AAC comes without its configuration")
        header = audio_tag(0, _AAC + bytes((_START,)) + specific)
        frame = _AAC + bytes((_FRAMES,))
        return StoredTrack(AUDIO, scale, header, frame, frame)
    if entry == b".mp3":
        return _mp3(scale, rate, channels)
    if entry not in _SOUNDS:
        raise MediaError(f"MP4: sound of {_shown(entry)} cannot be sent over RTMP")
    record = b""
    if entry == b"Opus":
        record = _opus_head(child(inside, b"dOps"))
    elif entry == b"fLaC":
        record = child(inside, b"dfLa")[8:42]  # STREAMINFO, without the head of its block
    start, frame = (bytes((_EXTENDED_AUDIO | packet,)) + entry for packet in (_START, _FRAMES))
    made = audio_tag(0, start + record) if record else None
    return StoredTrack(AUDIO, scale, made, frame, frame)


def _mp3(scale: int, rate: int, channels: int) -> StoredTrack:
    """Make a track of MP3, whose frames say all; the first byte says it again as well as it can."""
    first = next(
        (
            each
            for each in (_MP3 | bits << 2 | (channels > 1) for bits in range(3, -1, -1))
            if parse_legacy_sound(each)[0] == rate
        ),
        _MP3 | 3 << 2 | (channels > 1),
    )
    frame = bytes((first,))
    return StoredTrack(AUDIO, scale, None, frame, frame)


def _elementary(content: bytes) -> tuple[int, bytes]:
    """Return what an ES descriptor says: the kind of its objects, and the decoder's configuration.

    Source: ISO/IEC 14496-1, 7.2.6.5.
    """
    stream = _descriptor(content, _ES)
    decoder = _descriptor(stream[3:], _DECODER)
    if len(decoder) < 13:
        raise MediaError("MP4: esds is cut short")
    return decoder[0], _descriptor(decoder[13:], _SPECIFIC)


def _descriptor(data: bytes, tag: int) -> bytes:
    """Return the content of a descriptor, if it is this one; else nothing."""
    if data[:1] != bytes((tag,)):
        return b""
    size = 0
    for at in range(1, 5):
        byte = data[at : at + 1] or b"\x00"
        size = size << 7 | byte[0] & 0x7F
        if byte[0] < 0x80:
            return data[at + 1 : at + 1 + size]
    raise MediaError("MP4: a descriptor has no size")


def _opus_head(content: bytes) -> bytes:
    """Return the head of an Opus stream (RFC 7845, 5.1), which MP4 has with the high byte first."""
    if len(content) < 11:
        raise MediaError("MP4: dOps is cut short")
    channels, skip, rate, gain, family = unpack_from(">xBHIhB", content)
    return b"OpusHead\x01" + pack("<BHIhB", channels, skip, rate, gain, family) + content[11:]


def _shown(kind: bytes) -> str:
    return kind.decode("ascii", "backslashreplace")
