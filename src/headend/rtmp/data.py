"""Script tags of data messages: AMF0, without the publisher's own instructions.

    type 18   "@setDataFrame" "onMetaData" {…}   ─►   "onMetaData" {…}
    type 15   00 "onMetaData" 11 {…}             ─►   "onMetaData" {…}     AMF3 becomes AMF0
    type 18      "onMetaData" 11 {…}             ─►   "onMetaData" {…}     here too

Everything else passes untouched, whatever its bytes.

Source: RTMP 1.0, 7.1.2; FLV 10.1, E.4.4; Enhanced RTMP v2 (AMF3 in data messages).
"""

from typing import Final

from headend.errors import MediaError
from headend.media import amf0
from headend.media.codecs import script_tag
from headend.media.tag import Tag
from headend.rtmp.messages import DATA_AMF3

CLEAR_DATA_FRAME: Final = b"\x02\x00\x0f@clearDataFrame"
METADATA_AS_OBJECT: Final = b"\x02\x00\x0aonMetaData\x03"
METADATA_AS_ARRAY: Final = b"\x02\x00\x0aonMetaData\x08\x00\x00\x00\x00"


def data_tag(type_id: int, timestamp: int, payload: bytes) -> Tag | None:
    """Make a script tag of a data message; None where there is nothing to relay.

    FFmpeg's player takes metadata only from an ECMA array, AWS MediaLive sends an object; the two
    differ by their marker and a count that is only a hint.
    """
    try:
        if type_id == DATA_AMF3 and payload[:1] == b"\0":
            payload = payload[1:]
        payload = amf0.without_amf3(payload)
    except MediaError:
        if type_id == DATA_AMF3:
            return None
    if payload.startswith(CLEAR_DATA_FRAME):
        return None
    tag = script_tag(timestamp, payload)
    if tag.body.startswith(METADATA_AS_OBJECT):
        tag = script_tag(timestamp, METADATA_AS_ARRAY + tag.body[len(METADATA_AS_OBJECT) :])
    return tag if tag.body else None
