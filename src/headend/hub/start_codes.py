"""Lengths in place of start codes, for pictures that come as Annex B.

    received   00 00 00 01 NAL unit, 00 00 01 NAL unit        as files and MPEG-TS have them
    sent       length, NAL unit, length, NAL unit             as FLV and every player have them

Parameter sets with start codes become a decoder configuration record. Of a publisher that sends no
sequence header, those in its keyframes become one.

Source: FLV 10.1, E.4.3.1; ISO/IEC 14496-15, 5.3.3.1 and 8.3.3.1.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final

from headend.errors import MediaError
from headend.media.avc import avcc_of_record
from headend.media.codecs import video_tag
from headend.media.headers import Codec, TrackPayload, VideoPacketType, parse_video_header
from headend.media.hevc import hvcc_of_record
from headend.media.nalus import IS_ANNEX_B, START_CODE, is_annex_b, length_size, mended
from headend.media.tag import VIDEO, Tag

# Where the first start code may be: two to ten bytes stand before a payload (FourCC, number of a
# track, composition time), and a start code has up to four.
_FROM: Final = 2
_TO: Final = 14
_LENGTH: Final = 4  # bytes, unless a record says otherwise
_FRAMES: Final = (VideoPacketType.CODED_FRAMES, VideoPacketType.CODED_FRAMES_X)
_RECORDS: Final[Mapping[Codec, Callable[[bytes], bytes]]] = {
    Codec.H264: avcc_of_record,
    Codec.HEVC: hvcc_of_record,
}


class StartCodes:
    """Gives the pictures of one publisher lengths, where they have start codes.

    Attributes:
        were_found: Some had start codes.
    """

    __slots__ = ("_lengths", "were_found")

    def __init__(self) -> None:
        self.were_found = False
        self._lengths: dict[int, int] = {}  # bytes of a length, by number of the track

    def mend(self, tags: Sequence[Tag]) -> Sequence[Tag]:
        """Return tags with lengths: the same ones, unless something has start codes."""
        for kind, _, body, _, is_sequence_header in tags:
            # Hot path: nearly all runs pass.
            if kind is VIDEO and (is_sequence_header or body.find(START_CODE, _FROM, _TO) > 0):
                return [each for tag in tags for each in self._mended(tag)]
        return tags

    def _mended(self, tag: Tag) -> Iterator[Tag]:
        if tag.kind is VIDEO:
            try:
                yield from self._video(tag)
                return
            except MediaError:
                pass  # what makes no sense is passed on; its reader tells so
        yield tag

    def _video(self, tag: Tag) -> Sequence[Tag]:
        header = parse_video_header(tag.body)
        if len(header.tracks) != 1 or header.codec not in _RECORDS:
            return [tag]
        track = header.tracks[0]
        payload = tag.body[track.payload]
        if header.packet_type is VideoPacketType.SEQUENCE_START:
            record = _RECORDS[track.codec](payload)
            self._lengths[track.track_id] = length_size(track.codec, record)
            return [tag if record is payload else self._with(tag, track, record)]
        if header.packet_type not in _FRAMES or not is_annex_b(payload):
            return [tag]
        data, fault = mended(payload, self._lengths.get(track.track_id, _LENGTH))
        if fault != IS_ANNEX_B:
            return [tag]
        frame = self._with(tag, track, data)
        is_bare = tag.is_keyframe and track.track_id not in self._lengths
        return [*_header(tag, track), frame] if is_bare else [frame]

    def _with(self, tag: Tag, track: TrackPayload, payload: bytes) -> Tag:
        self.were_found = True
        return tag._replace(body=tag.body[: track.start] + payload)


def _header(keyframe: Tag, track: TrackPayload) -> list[Tag]:
    """Return the sequence header that the parameter sets of a keyframe make, if there are any."""
    try:
        record = _RECORDS[track.codec](keyframe.body[track.payload])
    except MediaError:
        return []
    if track.fourcc is None:
        head = bytes((keyframe.body[0], 0, 0, 0, 0))
    else:
        head = b"\x90" + track.fourcc.encode("latin-1")
    return [video_tag(keyframe.timestamp, head + record)]
