"""The platforms that streams are relayed to: addresses, and what they take.

Platforms change: these are what their public documents and OBS Studio's list of services said in
2025. What a stream is checked against is told as a warning and never keeps it from being sent.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

H264_AAC: Final = frozenset({"h264", "aac"})


@dataclass(frozen=True, slots=True)
class Preset:
    """One platform.

    Attributes:
        title: Its name, for people.
        url: Where to publish, RTMPS; empty: every account has an address of its own.
        hosts: What ends the host of such an address; empty: anything.
        codecs: Those it takes, by the names of the API.
        bit_rate: Most bit/s, video and audio together; 0: no limit is known.
        keyframe_s: Longest interval of keyframes, seconds.
    """

    title: str
    url: str
    hosts: tuple[str, ...]
    codecs: frozenset[str]
    bit_rate: int
    keyframe_s: float


PRESETS: Final[Mapping[str, Preset]] = MappingProxyType(
    {
        "youtube": Preset(
            "YouTube",
            "rtmps://a.rtmps.youtube.com:443/live2",
            (".youtube.com",),
            H264_AAC | {"hevc", "av1"},
            51_160_000,
            4,
        ),
        "twitch": Preset(
            "Twitch",
            "rtmps://ingest.global-contribute.live-video.net:443/app",
            (".twitch.tv", ".live-video.net"),
            H264_AAC,
            6_320_000,
            2,
        ),
        "facebook": Preset(
            "Facebook",
            "rtmps://live-api-s.facebook.com:443/rtmp/",
            (".facebook.com",),
            H264_AAC,
            9_128_000,
            2,
        ),
        "kick": Preset("Kick", "", (".live-video.net",), H264_AAC, 8_160_000, 2),
        "cloudflare": Preset(
            "Cloudflare Stream",
            "rtmps://live.cloudflare.com:443/live/",
            (".cloudflare.com",),
            H264_AAC,
            0,
            8,
        ),
        "aws-ivs": Preset("Amazon IVS", "", (".live-video.net",), H264_AAC, 8_500_000, 2),
        "mux": Preset(
            "Mux",
            "rtmps://global-live.mux.com:443/app",
            (".mux.com",),
            H264_AAC,
            5_192_000,
            5,
        ),
    }
)
