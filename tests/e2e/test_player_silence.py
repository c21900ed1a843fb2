"""The player page in Chromium, with a track that is declared and sends nothing."""

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.e2e.browser import OpenTab, Tab
from tests.e2e.raw import RawPeer
from tests.e2e.server import Server
from tests.wire import wire

from headend.media.flv import Reader
from headend.media.tag import AUDIO, SCRIPT, VIDEO, Tag, TagKind

pytestmark = pytest.mark.e2e

# onMetaData that says nothing but that there are sound and picture, of AAC and H.264.
BOTH = wire(
    "02 000a 6f6e4d65746144617461 08 00000002"
    "000c 617564696f636f6465636964 00 4024000000000000"
    "000c 766964656f636f6465636964 00 401c000000000000 000009"
)


def tags_of(clip: Path) -> list[Tag]:
    """Return the tags of an FLV file, without metadata and the ends of tracks."""
    reader = Reader()
    reader.receive_data(clip.read_bytes())
    tags = [tag for tag in reader.tags() if tag.kind is not SCRIPT]
    return [tag for tag in tags if not (tag.kind is VIDEO and tag.body[1:2] == b"\x02")]


@contextmanager
def published(server: Server, headers: Sequence[Tag], frames: Sequence[Tag]) -> Iterator[None]:
    """Publish headers once, and frames in real time again and again."""
    peer = RawPeer.tcp(server.rtmp[0])
    peer.publish("a")
    is_over = threading.Event()
    period = frames[-1].timestamp - frames[0].timestamp + 40

    def send() -> None:
        began = time.monotonic()
        for round in range(1000):
            for tag in frames:
                at = tag.timestamp - frames[0].timestamp + round * period
                if is_over.wait(max(0, began + at / 1000 - time.monotonic())):
                    return
                peer.send_tags([tag._replace(timestamp=at)])

    peer.send_tags(headers)
    sending = threading.Thread(target=send)
    sending.start()
    try:
        yield
    finally:
        is_over.set()
        sending.join()
        peer.close()


def watch(server: Server, open_tab: OpenTab, query: str = "") -> Tab:
    return open_tab(f"http://{server.http[0]}/watch/live/a{query}")


def assert_goes_on(tab: Tab) -> None:
    tab.wait("headend.state === 'playing'")
    at = tab.ask("headend.currentTime")
    tab.wait(f"headend.currentTime > {at} + 0.5")


@pytest.mark.parametrize("by", ["header", "metadata"])
@pytest.mark.parametrize("kind", [AUDIO, VIDEO])
def test_page_plays_what_is_there_beside_a_declared_track_that_sends_nothing(
    by: str, kind: TagKind, server: Server, clip: Path, open_tab: OpenTab
) -> None:
    tags = tags_of(clip)
    headers = [tag for tag in tags if tag.is_sequence_header]
    if by == "metadata":
        headers = [Tag(SCRIPT, 0, BOTH, False, False), *(t for t in headers if t.kind is not kind)]
    frames = [tag for tag in tags if tag.kind is not kind and not tag.is_sequence_header]
    with published(server, headers, frames):
        early = watch(server, open_tab)
        assert_goes_on(early)
        late = watch(server, open_tab)
        assert_goes_on(late)
        # A picture is played in the best way; sound alone is as good over HLS.
        assert kind is VIDEO or late.ask("headend.way") == "WebSocket-FLV"
        assert_goes_on(watch(server, open_tab, "?mode=hls"))


def test_page_takes_the_next_way_when_one_connects_and_brings_nothing(
    server: Server, clip: Path, open_tab: OpenTab
) -> None:
    tags = tags_of(clip)
    headers = [tag for tag in tags if tag.is_sequence_header]
    frames = [tag for tag in tags if not tag.is_sequence_header]
    with published(server, headers, frames):
        tab = open_tab()
        tab.page.route_web_socket("**/*.flv*", lambda socket: None)  # open, and silent
        tab.page.goto(f"http://{server.http[0]}/watch/live/a")
        assert_goes_on(tab)
        assert tab.ask("headend.way") == "HLS"
        assert tab.ask("headend.switches") == 1
