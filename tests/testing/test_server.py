"""Tests of headend.testing.server and headend.testing.peers."""

import asyncio
import gc
import os
import threading
import urllib.request

import pytest
from tests.e2e.wait import LIMIT_S

from headend.client import play
from headend.embed.server import Form
from headend.errors import Rejected, SettingsError
from headend.events import StreamActive, StreamEnded
from headend.media.tag import VIDEO
from headend.testing import Peers, ServerThread, make_clip
from headend.testing.loop_thread import LoopThread


def test_clip_that_is_published_is_what_the_player_gets(rtmp_peers: Peers) -> None:
    player = rtmp_peers.play("live/a")
    publisher = rtmp_peers.publish("live/a", make_clip(0.4), is_paced=False, repeats=False)
    publisher.wait_end()
    recording = player.wait_end()
    recording.assert_same_media(publisher.sent).assert_starts_with_keyframe().assert_decodes()


@pytest.mark.parametrize("form", ["rtmp", "rtmps"])
def test_stream_in_a_loop_goes_on_until_it_is_stopped(form: Form, rtmp_peers: Peers) -> None:
    publisher = rtmp_peers.publish("live/a", form=form)
    player = rtmp_peers.play("live/a", form=form)
    player.wait_media(1000).assert_no_gap().assert_starts_with_keyframe()
    sent = publisher.stop()
    player.wait_end().assert_same_media(sent)


@pytest.mark.parametrize("form", ["http-flv", "ws-flv", "https-flv"])
def test_player_takes_every_form_that_the_client_plays(form: Form, rtmp_peers: Peers) -> None:
    publisher = rtmp_peers.publish("live/a")
    player = rtmp_peers.play("live/a", form=form)
    player.wait_media(600).assert_no_gap().assert_starts_with_keyframe().assert_decodes()
    player.stop().assert_same_media(publisher.stop(), may_lack=200)


def test_streams_and_events_are_waited_for(headend_server: ServerThread, rtmp_peers: Peers) -> None:
    publisher = rtmp_peers.publish("live/a")
    rtmp_peers.play("live/a")
    stream = headend_server.wait_stream("live/a", viewers=1)
    assert stream["name"] == "a"
    assert headend_server.wait_event(StreamActive).stream == "live/a"
    publisher.stop()
    assert headend_server.wait_event(StreamEnded, stream="live/a").reason == "ended"


def test_what_was_waited_for_and_what_was_there_instead_is_said(
    headend_server: ServerThread, rtmp_peers: Peers
) -> None:
    with pytest.raises(AssertionError, match=r"not within 0.1 s: no stream live/a; there are: no"):
        headend_server.wait_stream("live/a", 0.1)
    publisher = rtmp_peers.publish("live/a")
    with pytest.raises(AssertionError, match=r"should have .*, and has \{'viewers': 0\}"):
        headend_server.wait_stream("live/a", 0.1, viewers=2)
    with pytest.raises(AssertionError, match=r"no StreamEnded with \{\}; there were:\n  .*Stream"):
        headend_server.wait_event(StreamEnded, 0.1)
    player = rtmp_peers.play("live/a")
    with pytest.raises(AssertionError, match=r"not within 0.1 s: \d+ of 100000 tags at rtmp://"):
        player.wait_tags(100_000, 0.1)
    with pytest.raises(AssertionError, match=r"99999 ms of media at rtmp:.*<Recording of"):
        player.wait_media(99_999, 0.1)
    with pytest.raises(AssertionError, match="has not failed"):
        player.wait_failure(0.1)
    publisher.stop()
    with pytest.raises(AssertionError, match=r"it ended with \d+ of 100000 tags"):
        player.wait_tags(100_000)
    with pytest.raises(AssertionError, match="it ended before 99999 ms of media"):
        player.wait_media(99_999)
    with pytest.raises(AssertionError, match="has ended without a failure"):
        player.wait_failure()


def test_refusal_is_raised_where_it_was_asked_for(rtmp_peers: Peers) -> None:
    rtmp_peers.publish("live/a")
    with pytest.raises(Rejected, match="live/a is already being published"):
        rtmp_peers.publish("live/a")


def test_player_that_stops_keeps_what_came(rtmp_peers: Peers) -> None:
    rtmp_peers.publish("live/a")
    player = rtmp_peers.play("live/a")
    player.wait_tags(20)
    assert len(player.stop().media(VIDEO)) > 0


def test_async_test_plays_from_the_same_server(
    headend_server: ServerThread, rtmp_peers: Peers
) -> None:
    rtmp_peers.publish("live/a")

    async def main() -> int:
        async with play(headend_server.url("live/a")) as stream:
            async for tag in stream:
                if tag.is_keyframe:
                    return tag.timestamp
        return -1

    assert asyncio.run(main()) >= 0


def test_http_side_is_there_with_its_token(headend_server: ServerThread) -> None:
    address = headend_server.addresses["http"][0]
    request = urllib.request.Request(f"http://{address}/api/v1/streams")
    request.add_header("Authorization", f"Bearer {headend_server.admin_token}")
    with urllib.request.urlopen(request, timeout=LIMIT_S) as answer:
        assert answer.status == 200


def test_server_leaves_nothing_behind() -> None:
    def use() -> None:
        with ServerThread() as server:
            peers = Peers(server)
            peers.publish("live/a").wait_sent(10)
            peers.play("live/a").wait_tags(10)
            server.faults.slow_reader("live/a")
            peers.close()

    use()
    gc.collect()
    threads, descriptors = threading.active_count(), len(os.listdir("/proc/self/fd"))
    use()
    gc.collect()
    assert threading.active_count() == threads
    assert len(os.listdir("/proc/self/fd")) == descriptors


def test_start_that_fails_is_raised_and_leaves_nothing() -> None:
    threads = threading.active_count()
    pair = {"cert": "missing.pem", "key": "missing.pem"}
    with pytest.raises(SettingsError, match=r"missing\.pem"):
        ServerThread(tls={"certificates": [pair]}).start()
    assert threading.active_count() == threads


def test_loop_in_a_thread_is_closed_once_and_cancels_what_runs() -> None:
    thread = LoopThread("test")
    running = thread.start(asyncio.sleep(60))
    with pytest.raises(TimeoutError):
        thread.run(asyncio.sleep(60), 0.05)
    thread.close()
    thread.close()
    assert running.cancelled()
