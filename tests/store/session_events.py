"""Events of one session, for tests of what is kept."""

from headend.events import (
    RequestRefused,
    SessionEnded,
    SessionStarted,
)

STARTED = SessionStarted(
    time=100.0, id="a1", session=7, action="play", stream="live/a", protocol="rtmp",
    address="203.0.113.7", user_agent="VLC", subject="customer 17",
)  # fmt: skip

ENDED = SessionEnded(
    time=130.0, id="a1", session=7, action="play", stream="live/a", protocol="rtmp",
    address="203.0.113.7", user_agent="VLC", subject="customer 17", bytes=5000, duration_s=30.0,
    reason="the viewer left",
)  # fmt: skip

REFUSED = RequestRefused(
    time=90.0, action="publish", stream="live/b", protocol="rtmps", address=None,
    code="NetStream.Publish.Denied", reason="the publish key has expired", session=6,
    key_id="pk_1",
)  # fmt: skip
