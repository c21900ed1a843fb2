"""The codecs of Enhanced RTMP, and the encoders of FFmpeg for them."""

import subprocess

from tests.e2e.wait import LIMIT_S

HEVC = ("-c:v", "libx265", "-preset", "ultrafast", "-x265-params", "log-level=none:scenecut=0")

AV1 = ("-c:v", "libsvtav1", "-preset", "12", "-svtav1-params", "lookahead=0")

VP9 = ("-c:v", "libvpx-vp9", "-deadline", "realtime", "-cpu-used", "8")

OPUS = ("-c:a", "libopus", "-ar", "48000")

CODECS = {
    "hevc": (HEVC, "-an"),
    "av1": (AV1, "-an"),
    "vp9": (VP9, "-an"),
    "opus": (OPUS, "-vn"),
    "flac": (("-c:a", "flac"), "-vn"),
    "ac3": (("-c:a", "ac3"), "-vn"),
    "eac3": (("-c:a", "eac3"), "-vn"),
}


def encoders(ffmpeg: str) -> str:
    command = [ffmpeg, "-v", "error", "-encoders"]
    return subprocess.run(
        command, check=True, capture_output=True, text=True, timeout=LIMIT_S
    ).stdout
