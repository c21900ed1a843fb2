"""Tests of headend.hls.playlists."""

from dataclasses import replace

import pytest
from tests.defaults import hls_limits

from headend.hls.numbers import First
from headend.hls.playlists import Playlists
from headend.hls.store_port import Init, MediaPart
from headend.hls.window import Window
from headend.media.headers import Codec
from headend.media.tag import AUDIO, VIDEO
from headend.media.track_config import TrackConfig

PICTURE = TrackConfig(VIDEO, Codec.H264, "avc1.42c00b", width=160, height=96)
SOUND = TrackConfig(AUDIO, Codec.AAC, "mp4a.40.2")


class Shown:
    """A window of one whole segment of two parts, and one part of the next."""

    def __init__(self, *, has_parts: bool = True) -> None:
        self.window = Window("e", First(0, 0), hls_limits(part_s=1.0 if has_parts else 0.0))
        self.playlists = Playlists(self.window)
        self.window.promise(2, 1.0 if has_parts else 0.0)
        self.add(b"ab")
        self.add(b"cd")
        self.window.end_segment()
        self.add(b"ef")

    def add(self, body: bytes, duration: float = 1.0, frames: int = 0) -> None:
        self.window.add_part(MediaPart(body, 0.0, duration, True, frames, False))

    def media(self, *, skip: bool = False, query: str = "") -> str:
        return self.playlists.media_playlist(skip=skip, query=query)


def test_what_is_in_the_playlist_or_was_is_there() -> None:
    shown = Shown()
    there = [(0, None), (0, 1), (0, 2), (1, 0), (-5, 3)]  # (0, 2) is the first part of the next
    missing = [(1, 1), (1, None), (2, 0), (2, None)]
    assert [each for each in there + missing if shown.playlists.has(*each)] == there
    shown.window.end()
    assert all(shown.playlists.has(*each) for each in there + missing)
    assert shown.playlists.next_sequence == 1
    assert shown.playlists.size == 6
    assert shown.playlists.target_s == 2


def test_part_that_comes_next_is_named_until_the_stream_is_over() -> None:
    shown = Shown()
    assert shown.playlists.hint == "e-1.1.m4s"
    shown.window.end_segment()
    assert shown.playlists.hint == "e-2.0.m4s"
    shown.window.end()
    assert shown.playlists.hint is None
    assert Shown(has_parts=False).playlists.hint is None


def test_playlists_are_ready_with_a_segment_or_at_the_end() -> None:
    assert Shown().playlists.is_ready
    window = Window("e", First(0, 0), hls_limits())
    empty = Playlists(window)
    assert not empty.is_ready
    assert not empty.has(0, 0)
    window.end()
    assert empty.is_ready


def test_resource_is_of_the_window() -> None:
    shown = Shown()
    found = shown.playlists.resource("e-0.1.m4s")
    assert found is not None
    assert found.body == b"cd"
    assert shown.playlists.resource("e-7.m4s") is None


def test_segment_that_grows_is_listed_by_its_parts_alone() -> None:
    shown = Shown().media()
    assert "#EXT-X-TARGETDURATION:2\n" in shown
    assert "e-0.m4s" in shown
    assert "e-1.0.m4s" in shown
    whole = Shown(has_parts=False).media()
    assert "e-0.m4s" in whole
    assert "e-1" not in whole
    assert "EXT-X-PART" not in whole


def test_playlist_is_written_once_for_each_change_and_query() -> None:
    shown = Shown()
    first = shown.media(query="?t=a")
    assert shown.media(query="?t=a") is first
    assert "e-1.0.m4s?t=b" in shown.media(query="?t=b")
    shown.add(b"gh")
    assert "e-1.1.m4s?t=a" in shown.media(query="?t=a")


def test_only_some_queries_have_their_playlist_kept() -> None:
    shown = Shown()
    for number in range(64):
        shown.media(query=f"?t={number}")
    assert shown.media(query="?t=63") is shown.media(query="?t=63")
    assert shown.media(query="?t=64") is not shown.media(query="?t=64")


def test_multivariant_playlist_names_the_tracks() -> None:
    shown = Shown()
    shown.window.add_init(Init(b"", (PICTURE, SOUND)))
    text = shown.playlists.multivariant("?t=1")
    assert 'CODECS="avc1.42c00b,mp4a.40.2",RESOLUTION=160x96' in text
    assert text.endswith("main.m3u8?t=1\n")
    shown.window.add_init(Init(b"", (SOUND,)))
    assert "RESOLUTION" not in shown.playlists.multivariant("")


@pytest.mark.parametrize(
    ("declared", "frames", "span_ms", "rate"),
    [
        (50.0, 0, 0, "50.000"),
        (None, 100, 4000, "25.000"),
        (None, 100, 4010, "25.000"),  # rounded to ms
        (None, 100, 7000, "14.286"),
        (None, 1, 0, None),
        (None, 2, 0, None),
    ],
)
def test_frame_rate_is_the_declared_one_or_measured(
    declared: float | None, frames: int, span_ms: int, rate: str | None
) -> None:
    shown = Shown()
    shown.window.add_init(Init(b"", (replace(PICTURE, frame_rate=declared),)))
    shown.add(b"ij", span_ms / 1000, frames)
    text = shown.playlists.multivariant("")
    assert f"FRAME-RATE={rate}" in text if rate else "FRAME-RATE" not in text


def test_what_is_elsewhere_too_is_listed_by_its_url_without_the_viewers_query() -> None:
    shown = Shown()
    assert shown.playlists.files(2) == ["e-0.m4s"]
    shown.playlists.come_back("e-0.m4s")  # it was never away
    before = shown.media(query="?token=t")
    shown.playlists.moved("e-0.m4s", "https://cdn/e-0.m4s")
    after = shown.media(query="?token=t")
    assert after == before.replace("\ne-0.m4s?token=t\n", "\nhttps://cdn/e-0.m4s\n") != before
    shown.playlists.come_back("e-0.m4s")
    assert shown.media(query="?token=t") == before


def test_init_segment_that_is_elsewhere_is_named_once() -> None:
    window = Window("e", First(0, 0), hls_limits(part_s=1.0))
    playlists = Playlists(window)
    window.promise(2, 1.0)
    window.add_init(Init(b"init", (PICTURE,)))
    for _ in range(2):
        window.add_part(MediaPart(b"ab", 0.0, 1.0, True, 1, False))
        window.end_segment()
    assert playlists.files(1) == ["e-init-0.mp4", "e-1.m4s"]
    playlists.moved("e-init-0.mp4", "https://cdn/init.mp4")
    window.add_part(MediaPart(b"ab", 0.0, 1.0, True, 1, False))
    text = playlists.media_playlist(skip=False, query="?t=1")
    assert text.count("#EXT-X-MAP") == text.count('#EXT-X-MAP:URI="https://cdn/init.mp4"\n') == 1
    whole = Playlists(window)
    whole.moved("e-1.m4s", "https://cdn/1")
    window.end_segment()
    assert "https://cdn/1\n" in whole.media_playlist(skip=False, query="")
