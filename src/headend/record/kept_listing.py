"""The playlist of a long recording, kept in the database as it is sent.

    segments ─► SegmentList ─► compressed playlist, and what else is known of it ─► database
                    ▲                                                                   │
                    └────────────────────────── restored ◄──────────────────────────────┘

A day has 43,200 segments, which take half a second to read and to write as text. Kept, they are one
row, and most clients get it as it is.
"""

import json
import zlib
from typing import Final

from headend.http.stored import GZIP, pack
from headend.record.playlist import PLACE, QUERY, PlacedListing, SegmentList, playlist
from headend.record.values import KeptListing

MIN_SEGMENTS: Final = 1000  # a listing of fewer is as fast from its rows
_FIRST: Final = "#EXT-X-PROGRAM-DATE-TIME:"  # a listing begins with it
_END: Final = "#EXT-X-ENDLIST\n"


def kept(listing: SegmentList) -> KeptListing:
    """Make a row of all segments of a recording that is over."""
    text = playlist([PlacedListing(listing, "")], "", is_over=True)
    return KeptListing(pack(text), json.dumps(listing.about()))


def restored(row: KeptListing) -> SegmentList:
    """Return the segments of a row; their text is unpacked once it is wanted."""
    return SegmentList.restored(json.loads(row.about), lambda: _lines(row.packed))


def _lines(packed: bytes) -> str:
    """Return the lines of a packed playlist, as a listing has them."""
    text = zlib.decompress(packed, GZIP).decode()
    body = text[text.index(_FIRST) - 1 : text.rindex(_END)].replace(".mp4", f".mp4{QUERY}")
    body = body.replace("\n", f"\n{PLACE}").replace(f"\n{PLACE}#", "\n#")  # a line or a tag
    return body.replace('URI="', f'URI="{PLACE}')[1:].removesuffix(PLACE)
