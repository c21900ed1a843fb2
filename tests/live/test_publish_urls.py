"""Tests of headend.live.publish_urls."""

import pytest

from headend.live.publish_urls import publish_servers

BOTH = {"rtmp": ["0.0.0.0:1935", "[::]:1935"], "tls": ["[::]:1936"]}


@pytest.mark.parametrize(
    ("addresses", "host", "stream", "servers"),
    [
        (
            BOTH,
            "h.example",
            "live/a",
            ["rtmp://h.example:1935/live", "rtmps://h.example:1936/live"],
        ),
        (
            BOTH,
            "2001:db8::1",
            "a/b/c",
            ["rtmp://[2001:db8::1]:1935/a/b", "rtmps://[2001:db8::1]:1936/a/b"],
        ),
        (BOTH, "h.example", "a", ["rtmp://h.example:1935/a", "rtmps://h.example:1936/a"]),
        ({"rtmp": [":1935"], "tls": []}, "h.example", "live/a", ["rtmp://h.example:1935/live"]),
        (
            {"rtmp": ["127.0.0.1:99"], "tls": []},
            "h.example",
            "live/a",
            ["rtmp://127.0.0.1:99/live"],
        ),
        (
            {"rtmp": ["[::1]:99"], "tls": ["unix:/x"]},
            "h.example",
            "live/a",
            ["rtmp://[::1]:99/live"],
        ),
        ({"rtmp": ["unix:/x", "10.0.0.1:9"], "tls": []}, "h", "live/a", ["rtmp://10.0.0.1:9/live"]),
        ({"rtmp": [], "tls": ["0.0.0.0:443"]}, "h", "live/a", ["rtmps://h:443/live"]),
        ({"rtmp": [], "tls": []}, "h", "live/a", []),
    ],
)
def test_server_of_an_encoder_has_the_real_host_and_port(
    addresses: dict[str, list[str]], host: str, stream: str, servers: list[str]
) -> None:
    assert publish_servers(addresses, host, stream, needs_tls=False) == servers


def test_only_rtmps_is_named_where_rtmp_is_not_taken() -> None:
    only = publish_servers(BOTH, "h.example", "live/a", needs_tls=True)
    assert only == ["rtmps://h.example:1936/live"]
