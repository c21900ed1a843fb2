"""Tests of headend.hub.headers."""

from tests.wire import wire

from headend.hub.headers import MAX_BYTES, Headers
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
        for track in range(65)
    ]
    assert all(headers.keep(tag) for tag in tracks)
    assert headers.tags() == tuple(tracks[:64])
    assert headers.keep(tracks[64])
    changed = tracks[0]._replace(body=tracks[0].body + b"\x02")
    assert headers.keep(changed)
    assert headers.tags()[0] == changed


def test_bytes_of_headers_are_limited_and_what_is_over_them_takes_its_last_one_along() -> None:
    headers = Headers()
    headers.keep(AVC)
    headers.keep(META)
    large = META._replace(body=META.body + bytes(MAX_BYTES))
    assert headers.keep(large)
    assert headers.tags() == (AVC,)
    assert headers.keep(large)
    assert headers.keep(META)
    assert headers.tags() == (META, AVC)


# ---------------------------------------------------------------------- what describes a track

# Captured: HDR metadata of a track of H.265, as FFmpeg sends it, shortened; 5.1 of Opus.
HEVC = Tag(VIDEO, 0, wire("90 68766331 01022000"), False, True)
COLOR = Tag(VIDEO, 0, wire("d4 68766331 020009 636f6c6f72496e666f 03 000009"), False, True)
OPUS = Tag(AUDIO, 0, wire("90 4f707573 4f70757348656164"), False, True)
CHANNELS = Tag(AUDIO, 0, wire("94 4f707573 01 06 0000003f"), False, True)


def test_what_describes_a_track_is_kept_behind_the_sequence_headers_of_its_kind() -> None:
    headers = Headers()
    for tag in (COLOR, CHANNELS, OPUS, HEVC, META):
        assert headers.keep(tag)
    assert headers.tags() == (META, HEVC, COLOR, OPUS, CHANNELS)
    assert not headers.keep(COLOR._replace(timestamp=5000))
    assert not headers.has_several


def test_newest_description_takes_the_place_of_the_last_one() -> None:
    headers = Headers()
    for tag in (HEVC, COLOR, OPUS, CHANNELS):
        headers.keep(tag)
    reset = COLOR._replace(body=wire("d4 68766331 020009 636f6c6f72496e666f 06"))
    assert headers.keep(reset)
    assert headers.tags() == (HEVC, reset, OPUS, CHANNELS)


def test_description_is_dropped_with_the_codec_it_is_of() -> None:
    headers = Headers()
    for tag in (HEVC, COLOR, OPUS, CHANNELS):
        headers.keep(tag)
    other_size = HEVC._replace(body=HEVC.body + b"\x01")
    assert headers.keep(other_size)
    assert headers.tags() == (other_size, COLOR, OPUS, CHANNELS)
    headers.keep(AVC)
    headers.keep(AAC)
    assert headers.tags() == (AVC, AAC)


def test_description_of_a_second_track_is_its_own_and_makes_no_track() -> None:
    headers = Headers()
    second = COLOR._replace(body=wire("d6 04 68766331 01 020009 636f6c6f72496e666f 06"))
    channels = CHANNELS._replace(body=wire("95 04 4f707573 01 01 06 0000003f"))
    for tag in (COLOR, second, CHANNELS, channels):
        assert headers.keep(tag)
    assert headers.tags() == (COLOR, second, CHANNELS, channels)
    assert not headers.has_several


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
