"""Tests of the tests' own playlist checker: it must find what is wrong."""

import pytest
from tests.hls_checker import Checker, merged, parse

GOOD = """#EXTM3U
#EXT-X-VERSION:9
#EXT-X-TARGETDURATION:2
#EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES,PART-HOLD-BACK=3.0
#EXT-X-PART-INF:PART-TARGET=1.000
#EXT-X-MEDIA-SEQUENCE:7
#EXT-X-DISCONTINUITY-SEQUENCE:1
#EXT-X-MAP:URI="init"
#EXT-X-PROGRAM-DATE-TIME:2026-01-01T00:00:00.000Z
#EXT-X-PART:DURATION=1.00000,URI="7.0",INDEPENDENT=YES
#EXT-X-PART:DURATION=1.00000,URI="7.1"
#EXTINF:2.00000,
7
#EXT-X-PROGRAM-DATE-TIME:2026-01-01T00:00:02.000Z
#EXTINF:2.00000,
8
#EXT-X-DISCONTINUITY
#EXT-X-PROGRAM-DATE-TIME:2026-01-01T00:01:02.000Z
#EXT-X-PART:DURATION=1.00000,URI="9.0",INDEPENDENT=YES
#EXT-X-PRELOAD-HINT:TYPE=PART,URI="9.1"
"""


def test_good_playlist_is_read_and_passes() -> None:
    checker = Checker()
    playlist = checker.check(GOOD)
    assert [each.name for each in playlist.segments] == ["7", "8"]
    assert playlist.current is not None
    assert (playlist.current.number, playlist.current.discontinuity) == (9, 2)
    assert checker.hints == ["9.1"]
    checker.check(GOOD)
    assert merged(playlist, parse(GOOD)) == ["7", "8"]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("#EXTM3U", "#EXTM3"),
        ("EXTINF:2.00000", "EXTINF:2.60000"),
        ('DURATION=1.00000,URI="7.1"', 'DURATION=0.90000,URI="7.1"'),
        ('DURATION=1.00000,URI="7.0"', 'DURATION=1.10000,URI="7.0"'),
        ("00:00:02.000Z", "00:00:03.000Z"),
        ('#EXT-X-PRELOAD-HINT:TYPE=PART,URI="9.1"\n', ""),
        ('#EXT-X-PART:DURATION=1.00000,URI="7.1"', '#EXT-X-PART:URI="7.1"'),
        ("#EXT-X-MEDIA-SEQUENCE:7", "#EXT-X-MEDIA-SEQUENCE:7\n#EXT-X-MEDIA-SEQUENCE:8"),
        ("#EXT-X-PRELOAD-HINT", "#EXT-X-ENDLIST\n#EXT-X-PRELOAD-HINT"),
    ],
)
def test_wrong_playlist_is_found(old: str, new: str) -> None:
    assert old in GOOD
    with pytest.raises(AssertionError):
        Checker().check(GOOD.replace(old, new))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("TARGETDURATION:2", "TARGETDURATION:3"),
        ("MEDIA-SEQUENCE:7", "MEDIA-SEQUENCE:6"),
        ("DISCONTINUITY-SEQUENCE:1", "DISCONTINUITY-SEQUENCE:0"),
        ("\n8\n", "\n8b\n"),
        ("\n#EXTINF:2.00000,\n8\n", "\n"),
    ],
)
def test_playlist_that_contradicts_the_one_before_is_found(old: str, new: str) -> None:
    checker = Checker()
    checker.check(GOOD)
    with pytest.raises(AssertionError):
        checker.check(GOOD.replace(old, new))
