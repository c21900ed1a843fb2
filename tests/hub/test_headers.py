"""This module tests headend.hub.headers."""

from tests.wire import wire

from headend.hub.headers import Headers
from headend.media.tag import AUDIO, SCRIPT, VIDEO, Tag

META = Tag(SCRIPT, 0, b"\x02\x00\x0aonMetaData\x08\x00\x00\x00\x00\x00\x00\x09", False, False)
AVC = Tag(VIDEO, 0, wire("17 00 000000 01640028"), False, True)
AVC_2 = Tag(VIDEO, 9, wire("17 00 000000 01640029"), False, True)
AAC = Tag(AUDIO, 0, wire("af 00 1190"), False, True)
# enhanced multitrack: SequenceStart of track 1 alone, and of tracks 0 and 1
TRACK_1 = Tag(VIDEO, 0, wire("96 00 61766331 01 01640028"), False, True)
TRACKS_0_1 = Tag(VIDEO, 0, wire("96 10 61766331 00 000002 0164 01 000002 0164"), False, True)


def test_order_is_metadata_video_audio_whatever_came_first() -> None:
    headers = Headers()
    assert headers.tags() == ()
    for tag in (AAC, AVC, META):
        assert headers.keep(tag)
    assert headers.tags() == (META, AVC, AAC)


def test_what_says_the_same_again_is_no_news() -> None:
    headers = Headers()
    headers.keep(META)
    headers.keep(AVC)
    version = headers.version
    assert not headers.keep(META._replace(timestamp=5000))
    assert not headers.keep(AVC._replace(timestamp=5000))
    assert headers.version == version
    assert headers.tags() == (META, AVC)


def test_change_replaces_the_last_one_of_its_kind_and_raises_the_version() -> None:
    headers = Headers()
    headers.keep(AAC)
    headers.keep(AVC)
    version = headers.version
    assert headers.keep(AVC_2)
    assert headers.version > version
    assert headers.tags() == (AVC_2, AAC)


def test_data_other_than_metadata_is_always_news_and_never_kept() -> None:
    headers = Headers()
    text = Tag(SCRIPT, 0, b"\x02\x00\x0aonTextData\x05", False, False)
    assert headers.keep(text)
    assert headers.keep(text)
    assert headers.tags() == ()
    assert headers.version == 0


def test_each_set_of_tracks_has_a_header_of_its_own() -> None:
    headers = Headers()
    for tag in (AVC, TRACK_1, TRACKS_0_1):
        assert headers.keep(tag)
    assert headers.tags() == (AVC, TRACK_1, TRACKS_0_1)
    assert not headers.keep(TRACK_1)


def test_number_of_headers_is_limited_and_what_is_over_it_is_passed_on() -> None:
    headers = Headers()
    tracks = [
        Tag(VIDEO, 0, wire("96 00 61766331") + bytes([track]) + b"\x01", False, True)
        for track in range(33)
    ]
    assert all(headers.keep(tag) for tag in tracks)
    assert headers.tags() == tuple(tracks[:32])
    assert headers.keep(tracks[32])
    changed = tracks[0]._replace(body=tracks[0].body + b"\x02")
    assert headers.keep(changed)
    assert headers.tags()[0] == changed


def test_cleared_headers_are_a_change() -> None:
    headers = Headers()
    headers.keep(META)
    version = headers.version
    headers.clear()
    assert headers.tags() == ()
    assert headers.version > version
    assert headers.keep(META)


def test_lead_is_the_lowest_video_track() -> None:
    headers = Headers()
    assert headers.lead == 0
    headers.keep(AAC)
    headers.keep(TRACK_1._replace(body=wire("96 00 61766331 03 01640028")))
    assert headers.lead == 3
    headers.keep(TRACK_1)
    assert headers.lead == 1
    headers.keep(AVC)
    assert headers.lead == 0
    headers.clear()
    assert headers.lead == 0


def test_tracks_beside_the_lowest_of_their_kind_are_told() -> None:
    headers = Headers()
    headers.keep(META)
    headers.keep(AVC)
    assert not headers.has_several
    headers.keep(TRACK_1)
    assert headers.has_several
    assert headers.is_beside(TRACK_1)
    assert not any(headers.is_beside(tag) for tag in (META, AVC, AAC, TRACKS_0_1))
    headers.clear()
    assert not headers.has_several
