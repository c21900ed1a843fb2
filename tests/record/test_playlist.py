"""Tests of headend.record.playlist."""

from dataclasses import replace

import pytest
from tests.record.made import file, segment

from headend.record.playlist import PlacedListing, SegmentList, playlist
from headend.record.values import RecordedSegment

FILES = {number: file(number) for number in range(3)}


def listing(*segments: RecordedSegment) -> SegmentList:
    made = SegmentList()
    made.add(FILES, segments)
    return made


def lines(made: SegmentList) -> list[str]:
    return made.text("", "").splitlines()


def tags(made: SegmentList) -> str:
    """Return which tags there are, in their order, without EXT-X-BYTERANGE."""
    names = [line[1:].split(":")[0] for line in lines(made) if line[0] == "#"]
    return " ".join(name.removeprefix("EXT-X-") for name in names if "BYTERANGE" not in name)


def test_recording_that_is_over_is_vod_with_byte_ranges_of_its_file() -> None:
    assert playlist([PlacedListing(listing(segment(0), segment(1)), "")], "", is_over=True) == (
        "#EXTM3U\n"
        "#EXT-X-VERSION:7\n"
        "#EXT-X-TARGETDURATION:2\n"
        "#EXT-X-PLAYLIST-TYPE:VOD\n"
        "#EXT-X-MEDIA-SEQUENCE:0\n"
        "#EXT-X-PROGRAM-DATE-TIME:1970-01-01T00:01:40.000Z\n"
        '#EXT-X-MAP:URI="0.mp4",BYTERANGE="1000@0"\n'
        "#EXTINF:2.00000,\n"
        "#EXT-X-BYTERANGE:5000@1000\n"
        "0.mp4\n"
        "#EXTINF:2.00000,\n"
        "#EXT-X-BYTERANGE:5000@6000\n"
        "0.mp4\n"
        "#EXT-X-ENDLIST\n"
    )


def test_recording_that_runs_is_an_event_from_its_start_whose_lines_stay() -> None:
    made = listing(segment(0))
    before = playlist([PlacedListing(made, "")], "", is_over=False)
    made.add(FILES, [segment(1)])
    after = playlist([PlacedListing(made, "")], "", is_over=False)
    assert after.startswith(before)
    assert "#EXT-X-PLAYLIST-TYPE:EVENT\n" in after
    assert "#EXT-X-START:TIME-OFFSET=0\n" in after
    assert "ENDLIST" not in after
    assert made.duration_s == 4.0
    assert made.last == (0, 6000)
    assert made.size == len(made.text("1", "2"))


def test_every_address_carries_the_query_and_tells_where_the_file_is() -> None:
    text = playlist([PlacedListing(listing(segment(0)), "../r1/")], "?token=t", is_over=True)
    assert '#EXT-X-MAP:URI="../r1/0.mp4?token=t",' in text
    assert "\n../r1/0.mp4?token=t\n" in text


def test_another_file_that_goes_on_is_no_discontinuity() -> None:
    going_on = segment(0, file=1)._replace(start_s=4.0)
    files = {0: file(0), 1: replace(file(1), discontinuity=False)}
    made = SegmentList()
    made.add(files, [segment(0), segment(1), going_on])
    head = "PROGRAM-DATE-TIME MAP EXTINF"
    assert tags(made) == f"{head} EXTINF {head}"


@pytest.mark.parametrize(
    ("changed", "discontinuity"), [(True, True), (False, False)], ids=["codecs", "gap"]
)
def test_another_file_after_a_gap_or_with_other_codecs_is_a_discontinuity(
    changed: bool, discontinuity: bool
) -> None:
    after = segment(0, file=1)._replace(start_s=2.0 if changed else 9.0)
    made = SegmentList()
    made.add({0: file(0), 1: replace(file(1), discontinuity=discontinuity)}, [segment(0), after])
    head = "PROGRAM-DATE-TIME MAP EXTINF"
    assert tags(made) == f"{head} DISCONTINUITY {head}"


def test_first_file_begins_without_discontinuity_whatever_was_before_it() -> None:
    assert tags(listing(segment(0, file=2))) == "PROGRAM-DATE-TIME MAP EXTINF"


def test_gap_within_a_file_is_a_discontinuity_with_a_date() -> None:
    made = listing(segment(0), segment(30))
    assert tags(made) == "PROGRAM-DATE-TIME MAP EXTINF DISCONTINUITY PROGRAM-DATE-TIME EXTINF"
    assert lines(made)[6] == "#EXT-X-PROGRAM-DATE-TIME:1970-01-01T00:02:40.000Z"


def test_wall_clock_that_drifts_is_told_anew_before_it_is_off_by_a_tenth() -> None:
    drifting = [segment(n)._replace(date=100 + 2.03 * n) for n in range(5)]
    made = listing(*drifting)
    first = "PROGRAM-DATE-TIME MAP EXTINF EXTINF EXTINF EXTINF"
    assert tags(made) == f"{first} PROGRAM-DATE-TIME EXTINF"


def test_segment_of_a_file_that_is_not_known_yet_waits_for_it() -> None:
    made = SegmentList()
    made.add({0: file(0)}, [segment(0), segment(0, file=1)])
    assert made.last == (0, 1000)
    made.add(FILES, [segment(0, file=1)])
    assert made.last == (1, 1000)


def test_target_duration_is_that_of_the_longest_segment_rounded() -> None:
    longest = segment(0)._replace(duration_s=4.5)
    assert listing(longest).target_s == 5
    assert listing(segment(0)._replace(duration_s=0.2)).target_s == 1
    text = playlist(
        [PlacedListing(listing(segment(0)), ""), PlacedListing(listing(longest), "")],
        "",
        is_over=True,
    )
    assert "#EXT-X-TARGETDURATION:5\n" in text


def test_several_recordings_follow_each_other_with_a_discontinuity() -> None:
    lists = [
        PlacedListing(listing(segment(0)), "a/"),
        PlacedListing(SegmentList(), "b/"),
        PlacedListing(listing(segment(0)), "c/"),
    ]
    text = playlist(lists, "", is_over=True)
    assert text.count("#EXT-X-DISCONTINUITY\n#EXT-X-PROGRAM-DATE-TIME") == 1
    assert text.count("\n#EXT-X-MAP") == 2
    assert "\na/0.mp4\n#EXT-X-DISCONTINUITY\n" in text
    assert "b/" not in text


def test_recording_without_a_segment_has_a_playlist_all_the_same() -> None:
    text = playlist([PlacedListing(SegmentList(), "")], "", is_over=True)
    assert text.endswith("#EXT-X-MEDIA-SEQUENCE:0\n#EXT-X-ENDLIST\n")
