"""The health of a stream's ingest in words: what an operator should look at."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal, NamedTuple

from pydantic import ConfigDict

from headend.live.rates import StreamRates
from headend.media.headers import Codec
from headend.media.tag import AUDIO, VIDEO
from headend.media.track_config import TrackConfig

Level = Literal["ok", "warning"]

LONG_INTERVAL_S: Final = 4.0
NO_KEYFRAME_S: Final = 12.0
LOW_RATE: Final = 0.8  # of the declared frame rate
MANY_REPAIRS: Final = 10
SETTLED_S: Final = 5.0  # rates say nothing before

_WEB_VIDEO: Final = frozenset({Codec.H264, Codec.AV1, Codec.VP9})
_WEB_AUDIO: Final = frozenset({Codec.AAC, Codec.MP3, Codec.OPUS, Codec.FLAC})


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that an operator should know about a stream's ingest."""

    __pydantic_config__ = ConfigDict(extra="forbid")

    level: Level
    text: str


class Ingest(NamedTuple):
    """What `findings` judges an ingest by.

    Attributes:
        age_s: Seconds since the first publisher came.
        is_live: Somebody publishes.
        tracks: Tracks that are published.
        rates: The stream's rates now.
        keyframe_interval_s: The newest interval; None: no second keyframe came yet.
        repairs: Timestamps that were mended.
        features: Faults that features report, a line each.
        has_start_codes: Pictures came as Annex B, and were mended.
    """

    age_s: float
    is_live: bool
    tracks: Sequence[TrackConfig]
    rates: StreamRates
    keyframe_interval_s: float | None
    repairs: int
    features: Sequence[str] = ()
    has_start_codes: bool = False


def findings(ingest: Ingest) -> list[Finding]:
    """Judge a stream's ingest; at least one line."""
    found = [Finding("warning", text) for text in _faults(ingest)]
    return found or [Finding("ok", "all is well" if ingest.is_live else "nobody publishes now")]


def _faults(ingest: Ingest) -> list[str]:
    if not ingest.is_live:
        return []
    texts = [*_codec_faults(ingest.tracks), *ingest.features]
    if ingest.has_start_codes:
        texts.append(
            "pictures come with start codes (Annex B), which have no place in RTMP; the server "
            "puts lengths in their place"
        )
    video = next((track for track in ingest.tracks if track.kind is VIDEO), None)
    if ingest.age_s < SETTLED_S:
        return texts
    if not ingest.rates.bit_rate:
        texts.append("nothing has come for some seconds: is the encoder's connection all right?")
    elif video is not None:
        texts += _video_faults(ingest, video)
    if ingest.repairs >= MANY_REPAIRS:
        texts.append(f"timestamps were mended {ingest.repairs} times: the encoder's clock jumps")
    return texts


def _video_faults(ingest: Ingest, video: TrackConfig) -> list[str]:
    texts = []
    interval = ingest.keyframe_interval_s
    if interval is not None and interval > LONG_INTERVAL_S:
        texts.append(
            f"keyframe interval {interval:g} s: viewers wait long; set it to 2 s in your encoder"
        )
    elif interval is None and ingest.age_s > NO_KEYFRAME_S:
        texts.append(
            f"no second keyframe in {ingest.age_s:.0f} s: set a keyframe interval of 2 s in your "
            "encoder"
        )
    declared = video.frame_rate
    if declared and ingest.rates.frame_rate < LOW_RATE * declared:
        texts.append(
            f"{ingest.rates.frame_rate:g} pictures a second come of {declared:g}: the encoder or "
            "the connection is too slow"
        )
    return texts


def _codec_faults(tracks: Sequence[TrackConfig]) -> list[str]:
    texts = []
    for track in tracks:
        playable = _WEB_VIDEO if track.kind is VIDEO else _WEB_AUDIO
        if track.codec not in playable:
            texts.append(f"{track.codec} is not played by every browser")
    kinds = {track.kind for track in tracks}
    if kinds == {VIDEO}:
        texts.append("there is no sound")
    elif kinds == {AUDIO}:
        texts.append("there is no picture")
    return texts
