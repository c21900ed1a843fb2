"""Tests of headend.live.right_url."""

import pytest

from headend.errors import ProtocolError, WrongProtocol
from headend.live.right_url import right_url

RTMP = ["127.0.0.1:1935"]
TLS = ["unix:/run/headend", "[::1]:1936"]
HTTP = ["127.0.0.1:8080"]


@pytest.mark.parametrize(
    ("error", "addresses", "said"),
    [
        (WrongProtocol("x", "TLS"), (RTMP, TLS, HTTP), ": use rtmps://HOST:1936"),
        (WrongProtocol("x", "TLS"), (RTMP, [], HTTP), ": use rtmp://HOST:1935"),
        (WrongProtocol("x", "HTTP"), (RTMP, TLS, HTTP), ": use http://HOST:8080"),
        (WrongProtocol("x", "HTTP"), (RTMP, TLS, []), ": use https://HOST:1936"),
        (WrongProtocol("x", "HTTP"), (RTMP, [], []), ""),
        (ProtocolError("x"), (RTMP, TLS, HTTP), ""),
    ],
)
def test_url_that_was_meant_is_named(
    error: Exception, addresses: tuple[list[str], list[str], list[str]], said: str
) -> None:
    assert right_url(error, dict(zip(("rtmp", "tls", "http"), addresses, strict=True))) == said
