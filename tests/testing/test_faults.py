"""Tests of headend.testing.faults: each fault does to a peer what it says."""

import time
from collections.abc import Callable

import pytest
from tests.e2e.wait import LIMIT_S

from headend.errors import Rejected, RelayError
from headend.events import StreamDisconnected
from headend.testing import PeerPlaying, PeerPublishing, Peers, ServerThread, make_clip


def test_stall_stops_what_players_get_until_it_is_mended(
    headend_server: ServerThread, rtmp_peers: Peers
) -> None:
    rtmp_peers.publish("live/a")
    player = rtmp_peers.play("live/a")
    player.wait_tags(20)
    with headend_server.faults.stall("live/a"):
        # What was read before the stall is still on its way.
        bytes_in = headend_server.streams()["live/a"]["bytes_in"]
        with pytest.raises(AssertionError):
            headend_server.wait_stream("live/a", 0.5, frame_rate=-1)
        assert headend_server.streams()["live/a"]["bytes_in"] == bytes_in
    count = len(player.recording)
    player.wait_tags(count + 100).assert_no_gap()


def test_stalled_publisher_cannot_send_more_than_buffers_hold(
    headend_server: ServerThread, rtmp_peers: Peers
) -> None:
    publisher = rtmp_peers.publish("live/a", make_clip(has_audio=False), is_paced=False)
    with headend_server.faults.stall("live/a"):
        publisher.wait_sent(10)
        end = time.monotonic() + LIMIT_S  # by time: on a busy machine a turn brings little
        is_held_up = False
        while not is_held_up:
            assert time.monotonic() < end, "the publisher was never held up"
            try:
                publisher.wait_sent(len(publisher.sent) + 1, 0.3)
            except AssertionError:
                is_held_up = True
    publisher.wait_sent(len(publisher.sent) + 100)
    publisher.stop()


@pytest.mark.headend(limits={"publisher_silence_s": 1})
def test_stall_that_lasts_has_the_publisher_closed(
    headend_server: ServerThread, rtmp_publisher: Callable[..., PeerPublishing]
) -> None:
    publisher = rtmp_publisher("live/a")
    headend_server.faults.stall("live/a")
    assert isinstance(publisher.wait_failure(), Exception)
    headend_server.wait_event(StreamDisconnected, stream="live/a", reason="lost")


def test_reset_is_seen_by_the_publisher_or_by_the_players(
    headend_server: ServerThread, rtmp_peers: Peers
) -> None:
    publisher = rtmp_peers.publish("live/a")
    players: list[PeerPlaying] = [rtmp_peers.play("live/a") for _ in range(2)]
    headend_server.wait_stream("live/a", viewers=2)
    assert headend_server.faults.reset("live/a", "players") == 2
    for player in players:
        assert "reset by peer" in str(player.wait_failure())
    assert headend_server.faults.reset("live/a") == 1
    assert "reset by peer" in str(publisher.wait_failure())


def test_fault_of_a_stream_that_is_not_there_is_said(headend_server: ServerThread) -> None:
    with pytest.raises(AssertionError, match="no RTMP publisher of live/a"):
        headend_server.faults.stall("live/a", within_s=0.05)
    with pytest.raises(AssertionError, match="no RTMP players of live/a"):
        headend_server.faults.reset("live/a", "players", within_s=0.05)


@pytest.mark.headend(limits={"late_close_s": 1})
def test_reader_that_reads_nothing_is_closed_and_others_go_on(
    headend_server: ServerThread, rtmp_peers: Peers
) -> None:
    clip = make_clip(1.0, width=640, height=360)
    rtmp_peers.publish("live/a", clip, is_paced=False)
    with headend_server.faults.slow_reader("live/a") as deaf:
        player = rtmp_peers.play("live/a")
        deaf.wait_closed()
        player.wait_tags(len(player.recording) + 20)
        assert deaf.bytes_in == 0


def test_reader_that_reads_slowly_gets_something(
    headend_server: ServerThread, rtmp_peers: Peers
) -> None:
    rtmp_peers.publish("live/a")
    with headend_server.faults.slow_reader("live/a", bytes_per_s=2000) as slow:
        headend_server.wait_stream("live/a", viewers=1)
        rtmp_peers.play("live/a").wait_media(500)
        assert 0 < slow.bytes_in < 20_000


def test_expired_certificate_is_what_peers_see_until_it_is_mended(
    headend_server: ServerThread, rtmp_peers: Peers
) -> None:
    good = headend_server.certificate
    with headend_server.faults.expired_certificate():
        assert headend_server.certificate != good
        with pytest.raises(RelayError, match="expired"):
            rtmp_peers.publish("live/a", form="rtmps")
        rtmp_peers.publish("live/a")
    assert headend_server.certificate == good
    rtmp_peers.play("live/a", form="rtmps").wait_tags(5)


def test_publisher_is_refused_with_the_words_of_the_test_until_it_is_mended(
    rtmp_peers: Peers,
) -> None:
    faults = rtmp_peers.server.faults
    with faults.refuse_publish("live/*", "not today", "NetStream.Publish.BadName"):
        with pytest.raises(Rejected, match=r"NetStream\.Publish\.BadName: not today"):
            rtmp_peers.publish("live/a")
        rtmp_peers.publish("other/a")
    with faults.refuse_publish(), pytest.raises(Rejected, match="Denied: refused by the test"):
        rtmp_peers.publish("other/b")
    rtmp_peers.publish("live/a").wait_sent(5)
