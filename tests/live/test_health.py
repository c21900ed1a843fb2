"""Tests of headend.live.health: every word an operator may read."""

import pytest

from headend.live.health import Finding, Ingest, findings
from headend.live.rates import StreamRates
from headend.media.headers import Codec
from headend.media.tag import AUDIO, VIDEO
from headend.media.track_config import TrackConfig

PICTURE = TrackConfig(VIDEO, Codec.H264, frame_rate=25.0)
SOUND = TrackConfig(AUDIO, Codec.AAC)
WELL = Ingest(60.0, True, [PICTURE, SOUND], StreamRates(10**6, 0, 25.0, 43.0), 2.0, 0)


def test_stream_that_is_well_has_nothing_to_be_told() -> None:
    assert findings(WELL) == [Finding("ok", "all is well")]


def test_stream_without_a_publisher_is_not_judged() -> None:
    gone = WELL._replace(is_live=False, rates=StreamRates(), repairs=99)
    assert findings(gone) == [Finding("ok", "nobody publishes now")]


@pytest.mark.parametrize(
    ("ingest", "said"),
    [
        (
            WELL._replace(keyframe_interval_s=10.0),
            "keyframe interval 10 s: viewers wait long; set it to 2 s in your encoder",
        ),
        (
            WELL._replace(keyframe_interval_s=None),
            "no second keyframe in 60 s: set a keyframe interval of 2 s in your encoder",
        ),
        (
            WELL._replace(rates=StreamRates(10**6, 0, 12.5, 43.0)),
            "12.5 pictures a second come of 25: the encoder or the connection is too slow",
        ),
        (
            WELL._replace(rates=StreamRates()),
            "nothing has come for some seconds: is the encoder's connection all right?",
        ),
        (
            WELL._replace(repairs=10),
            "timestamps were mended 10 times: the encoder's clock jumps",
        ),
        (WELL._replace(tracks=[PICTURE]), "there is no sound"),
        (WELL._replace(tracks=[SOUND]), "there is no picture"),
        (
            WELL._replace(tracks=[TrackConfig(VIDEO, Codec.HEVC), SOUND]),
            "hevc is not played by every browser",
        ),
        (
            WELL._replace(tracks=[PICTURE, TrackConfig(AUDIO, Codec.SPEEX)]),
            "speex is not played by every browser",
        ),
        (WELL._replace(features=["HLS stands still"]), "HLS stands still"),
        (
            WELL._replace(has_start_codes=True),
            "pictures come with start codes (Annex B), which have no place in RTMP; the server "
            "puts lengths in their place",
        ),
    ],
)
def test_fault_is_told_in_words(ingest: Ingest, said: str) -> None:
    assert findings(ingest) == [Finding("warning", said)]


def test_stream_that_just_began_is_judged_by_its_codecs_only() -> None:
    begun = WELL._replace(age_s=4.9, rates=StreamRates(), keyframe_interval_s=None, tracks=[SOUND])
    assert findings(begun) == [Finding("warning", "there is no picture")]
    early = WELL._replace(age_s=8.0, keyframe_interval_s=None)
    assert findings(early) == [Finding("ok", "all is well")]


def test_frame_rate_that_is_not_declared_is_not_compared() -> None:
    silent = WELL._replace(
        tracks=[TrackConfig(VIDEO, Codec.H264), SOUND], rates=StreamRates(10**6, 0, 1.0, 43.0)
    )
    assert findings(silent) == [Finding("ok", "all is well")]
