"""Warnings, in words, about a stream that its destination may not take.

Nothing is kept from being sent: platforms change, and some take more than they say.
"""

from collections.abc import Sequence
from typing import Final

from headend.media.codecs import Codec
from headend.media.track_config import TrackConfig
from headend.settings.relay_presets import Preset

BIT_RATE_SLACK: Final = 1.1  # a second of a stream is rarely just what its encoder was told
KEYFRAME_SLACK_S: Final = 0.1

# FourCCs of Enhanced RTMP of the codecs that only it can carry.
FOURCCS: Final = {
    Codec.HEVC: "hvc1",
    Codec.AV1: "av01",
    Codec.VP8: "vp08",
    Codec.VP9: "vp09",
    Codec.VVC: "vvc1",
    Codec.OPUS: "Opus",
    Codec.FLAC: "fLaC",
    Codec.AC3: "ac-3",
    Codec.EAC3: "ec-3",
}


def needs_enhanced(tracks: Sequence[TrackConfig]) -> bool:
    """Say whether a stream has a codec that only Enhanced RTMP can carry."""
    return any(track.codec in FOURCCS for track in tracks)


def check_codecs(tracks: Sequence[TrackConfig], codecs: frozenset[str] | None) -> list[str]:
    """Say which codecs a destination does not announce.

    Args:
        tracks: Tracks of the stream.
        codecs: FourCCs that the destination takes, `*` for all; None: it said nothing.
    """
    warnings = []
    for track in tracks:
        fourcc = FOURCCS.get(track.codec)
        if fourcc is None or (codecs is not None and codecs & {"*", fourcc}):
            continue
        said = "nothing of Enhanced RTMP" if codecs is None else ", ".join(sorted(codecs))
        warnings.append(f"the stream has {track.codec}; the destination announces {said}")
    return warnings


def check_preset(
    preset: Preset, tracks: Sequence[TrackConfig], bit_rate: int, keyframe_s: float | None
) -> list[str]:
    """Say what a platform does not accept of a stream.

    Args:
        preset: The platform.
        tracks: Tracks of the stream.
        bit_rate: Bit rate of the stream, bit/s; 0: not known yet.
        keyframe_s: Interval of its keyframes, seconds; None: not known yet.
    """
    warnings = []
    for track in tracks:
        if track.codec not in preset.codecs:
            takes = ", ".join(sorted(preset.codecs))
            warnings.append(f"the stream has {track.codec}; {preset.title} takes {takes}")
    if preset.bit_rate and bit_rate > preset.bit_rate * BIT_RATE_SLACK:
        warnings.append(
            f"{bit_rate / 1e6:.1f} Mbit/s; {preset.title} takes {preset.bit_rate / 1e6:.1f}"
        )
    if keyframe_s is not None and keyframe_s > preset.keyframe_s + KEYFRAME_SLACK_S:
        warnings.append(
            f"a keyframe every {keyframe_s:.1f} s; {preset.title} wants one every "
            f"{preset.keyframe_s:g} s"
        )
    return warnings


def check_url(preset: Preset, host: str, *, is_tls: bool) -> list[str]:
    """Say what in a destination's URL does not fit its platform."""
    warnings = []
    if preset.hosts and not f".{host}".lower().endswith(preset.hosts):
        warnings.append(f"{host} is no host of {preset.title}")
    if not is_tls:
        warnings.append("rtmp:// shows the stream key to everybody between; use rtmps://")
    return warnings
