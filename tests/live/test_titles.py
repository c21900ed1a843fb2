"""Tests of headend.live.titles."""

import pytest
from tests.wire import wire

from headend.hub.stream import Stream, StreamSettings
from headend.live.titles import METADATA_BYTES, About, Titles
from headend.media.amf import EcmaArray
from headend.media.amf0 import serialize_values
from headend.media.tag import SCRIPT, VIDEO, Tag
from headend.settings.live import Live


class Publisher:
    """Publishes; nothing is asked of it."""

    peer = "10.0.0.1:1"

    def replaced(self) -> None:
        """Nobody takes its place."""

    def watched(self, *, is_watched: bool) -> None:
        """Nobody does."""


def stream(*metadata: bytes) -> Stream:
    """A stream that began with metadata."""
    made = Stream("live/a", StreamSettings(20, 1 << 20, 60), lambda path, error: None)
    made.begin(Publisher(), 0.0)
    made.publish([Tag(SCRIPT, 0, body, False, False) for body in metadata], 0.0)
    return made


def metadata(**values: str | float) -> bytes:
    return serialize_values("onMetaData", EcmaArray(values))


def test_publisher_says_what_a_stream_is_about() -> None:
    told = stream(metadata(title=" Cup\nfinal\t", description="Two teams", width=1280.0))
    assert Titles().of(told, Live()) == About("Cup final", "Two teams")


def test_settings_come_before_the_publisher_and_the_api_before_both() -> None:
    titles, live = Titles(), Live(title="By settings")
    told = stream(metadata(title="By publisher", description="Told"))
    assert titles.of(told, live) == About("By settings", "Told")
    titles.set(told, "By API", None)
    titles.set(told, None, "Set")
    assert titles.of(told, live) == About("By API", "Set")
    titles.set(told, "", "")
    assert titles.of(told, live) == About("By settings", "Told")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        metadata(width=1280.0),
        metadata(title=3.0),
        serialize_values("onMetaData", "title"),
        serialize_values("onMetaData"),
        wire("02 000a 6f6e4d65746144617461 08 00000001 0005 7469746c65 02 00"),  # cut short
        metadata(title="x" * METADATA_BYTES),
    ],
)
def test_metadata_that_say_nothing_of_use_are_none(body: bytes) -> None:
    assert Titles().of(stream(body), Live()) == About()


def test_stream_without_metadata_has_no_title() -> None:
    bare = stream()
    bare.publish([Tag(VIDEO, 0, wire("17 01 000000 65"), True, False)], 0.0)
    assert Titles().of(bare, Live()) == About()


def test_title_is_one_line_of_limited_length_that_can_be_shown() -> None:
    told = stream(metadata(title="a\u202e\x1b[31m" + "b" * 500))
    title = Titles().of(told, Live()).title
    assert title.startswith("a[31mbb")
    assert len(title) == 200
