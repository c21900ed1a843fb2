"""Tests of headend.hub.settling."""

from tests.hub.fakes import AAC, AVC, META

from headend.hub.settling import UNSENT_S, Settling
from headend.media.tag import AUDIO, VIDEO


def test_track_that_has_sent_nothing_is_silent_after_a_while_of_media() -> None:
    settling = Settling()
    assert not settling.passed(100, has_video=True, has_audio=False)
    assert not settling.passed(100 + UNSENT_S - 0.1, has_video=True, has_audio=False)
    assert not settling.is_over
    assert settling.passed(100 + UNSENT_S, has_video=True, has_audio=False)
    assert settling.is_over
    assert settling.silent == {AUDIO}
    assert settling.announced([META, AVC, AAC]) == (META, AVC)
    assert not settling.passed(200, has_video=True, has_audio=False)


def test_time_counts_from_the_first_media() -> None:
    settling = Settling()
    assert not settling.passed(100, has_video=False, has_audio=False)
    assert not settling.passed(200, has_video=False, has_audio=True)
    assert settling.passed(200 + UNSENT_S, has_video=False, has_audio=True)
    assert settling.silent == {VIDEO}


def test_tracks_that_all_send_are_all_announced() -> None:
    settling = Settling()
    settling.passed(100, has_video=True, has_audio=False)
    assert settling.passed(110, has_video=True, has_audio=True)
    assert settling.announced([META, AVC, AAC]) == (META, AVC, AAC)


def test_each_publisher_is_waited_for_anew() -> None:
    settling = Settling()
    settling.passed(100, has_video=True, has_audio=False)
    settling.passed(110, has_video=True, has_audio=False)
    settling.restart()
    assert (settling.is_over, settling.silent) == (False, set())
    assert not settling.passed(120, has_video=True, has_audio=False)
