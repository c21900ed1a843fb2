"""A stream as the API describes it, made without a server."""

from typing import Any

from headend.live.health import Finding
from headend.live.status import StreamStatus

_KNOWN: dict[str, Any] = {
    "app": "live",
    "name": "a",
    "title": "",
    "description": "",
    "state": "live",
    "uptime_s": 65.0,
    "publisher": None,
    "standbys": [],
    "tracks": [],
    "viewers": 3,
    "late": 0,
    "skips": 0,
    "bytes_in": 0,
    "repairs": {},
    "viewers_by_protocol": {},
    "bit_rate": 2_500_000,
    "bit_rate_out": 7_500_000,
    "frame_rate": 25.0,
    "audio_rate": 0.0,
    "keyframe_interval_s": None,
    "is_copy": False,
    "health": [Finding("ok", "all is well")],
    "rules": [],
}


def described(path: str = "live/a", **values: Any) -> StreamStatus:
    """Describe a stream that is live and well, with these values in place of others."""
    return StreamStatus(**{**_KNOWN, "path": path, **values})
