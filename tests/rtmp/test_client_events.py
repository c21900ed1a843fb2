"""Tests of headend.rtmp.client_events."""

from headend.rtmp.client_events import MoveRequested, Refused


def test_where_a_server_sends_us_is_not_shown() -> None:
    assert "secret" not in repr(Refused("a", "b", "rtmp://h/live/a?key=secret"))
    assert "secret" not in repr(MoveRequested("rtmp://h/live?token=secret"))
