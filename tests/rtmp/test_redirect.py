"""Tests of headend.rtmp.redirect."""

import pytest

from headend.errors import ProtocolError
from headend.rtmp.redirect import follow
from headend.rtmp.url import parse_url


@pytest.mark.parametrize(
    ("url", "target", "expected"),
    [
        ("rtmp://h/live/a?key=s", "rtmp://other.example/live", "rtmp://other.example/live/a?key=s"),
        (
            "rtmp://h/live/a?key=s",
            "rtmp://other.example:99/x/y",
            "rtmp://other.example:99/x/y/a?key=s",
        ),
        ("rtmp://h/live/a?key=s", "rtmps://other.example/x/a", "rtmps://other.example/x/a?key=s"),
        ("rtmp://h/live/a?key=s", "rtmp://other.example/x/a?k=2", "rtmp://other.example/x/a?k=2"),
        ("rtmp://h/live/a", "rtmp://other.example/a", "rtmp://other.example/a/a"),
        ("rtmp://h/live/a", "", "rtmp://h/live/a"),
        ("rtmp://h:1936/live/a", "/edge", "rtmp://h:1936/edge/a"),
        ("rtmps://h/live/a", "//other.example/edge", "rtmps://other.example/edge/a"),
        ("rtmp://127.0.0.1/live/a", "rtmp://127.0.0.1:99/live", "rtmp://127.0.0.1:99/live/a"),
        ("rtmp://[::1]:1935/live/a", "/edge", "rtmp://[::1]:1935/edge/a"),
        ("rtmp://h/live", "rtmp://other.example/edge", "rtmp://other.example/edge"),
    ],
)
def test_stream_is_the_same_elsewhere(url: str, target: str, expected: str) -> None:
    assert follow(parse_url(url), target) == parse_url(expected)


def test_user_and_password_stay_with_their_host() -> None:
    url = parse_url("rtmp://u:p@h/live/a")
    assert (follow(url, "/edge").user, follow(url, "/edge").password) == ("u", "p")
    moved = follow(url, "rtmp://other.example/live")
    assert (moved.user, moved.password) == (None, None)


@pytest.mark.parametrize(
    ("url", "target", "words"),
    [
        ("rtmp://h/live/a", "http://h/secret", "no URL of RTMP"),
        ("rtmp://h/live/a", "rtmp://h:0/secret", "no URL of RTMP"),
        ("rtmp://h/live/a", "secret", "no URL of RTMP"),
        ("rtmps://h/live/a", "rtmp://h/secret", "from TLS"),
    ],
)
def test_where_no_client_should_go(url: str, target: str, words: str) -> None:
    with pytest.raises(ProtocolError, match=words) as caught:
        follow(parse_url(url), target)
    assert "secret" not in str(caught.value)
