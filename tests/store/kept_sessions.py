"""Sessions as the history keeps them."""

from headend.store.records import StoredSession

PUBLISH = StoredSession(
    "a1", 1, "publish", "rtmps", "live/a", "203.0.113.7", "pk_1", "FMLE/3.0", 10.0
)

PLAY = StoredSession("b2", 2, "play", "hls", "live/a", None, "customer 17", None, 11.0, 12.0, 500)

REFUSED = StoredSession(
    "c3", 3, "publish", "rtmp", "live/b", "203.0.113.8", None, "", 12.0, 12.0, 0,
    "the key has expired", "NetStream.Publish.Denied",
)  # fmt: skip

NONE: frozenset[str] = frozenset()
