"""What servers of RTMP say that send a client elsewhere."""

from typing import Final

from tests.rtmp.server_words import CONNECTED, CREATED, GREETING, answer, chunk, information, status

PLAYED: Final = GREETING + CONNECTED + CREATED + status("NetStream.Play.Start")
PUBLISHED: Final = GREETING + CONNECTED + CREATED + status("NetStream.Publish.Start")
MOVED: Final = "NetConnection.Connect.ReconnectRequest"
KEYFRAME: Final = b"\x17\x01\x00\x00\x00\x00\x00\x00\x01\x65"


def redirecting(redirect: str, name: str = "redirect") -> bytes:
    """Refuse a connect, and name another place."""
    details = information(level="error", code="NetConnection.Connect.Rejected")[:-3]
    details += b"\x00\x02ex" + information(**{name: redirect}) + b"\x00\x00\x09"
    return GREETING + answer("_error", 1, details)


def moving(tc_url: str) -> bytes:
    """Ask a client to connect elsewhere."""
    return answer("onStatus", 0, information(level="status", code=MOVED, tcUrl=tc_url))


def pictures(first: int, count: int) -> bytes:
    """Send keyframes, 40 ms apart."""
    return b"".join(
        chunk(9, KEYFRAME + bytes([number]), stream_id=1, timestamp=first + 40 * number)
        for number in range(count)
    )
