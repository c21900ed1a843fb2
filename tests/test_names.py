"""Tests of headend.names; what is allowed in a name is tested with tests/rtmp/test_url.py too."""

import re

import pytest

from headend.errors import ProtocolError
from headend.names import stream_path
from headend.rtmp.url import stream_target


def test_path_of_a_stream_that_was_typed_is_taken_literally() -> None:
    assert stream_path("live/_definst_/caf\xe9 1'") == "live/_definst_/caf\xe9 1'"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "a segment of the stream's path is empty"),
        ("live/", "a segment of the stream's path is empty"),
        ("live/a?b", "segment 2 of the stream's path holds ?, which is not allowed"),
    ],
)
def test_path_that_no_stream_can_have_is_refused(text: str, reason: str) -> None:
    with pytest.raises(ProtocolError, match=re.escape(reason)):
        stream_path(text)


KEY = "hk_" + "s3cr3tKey" * 3
JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdHJlYW0iOiJ2aXAvKiJ9.c2lnbmVk"


@pytest.mark.parametrize(
    "name",
    [
        f"{KEY}/cam1",
        f"a-{KEY}",
        f"%68k_{KEY[3:]}",
        f"hk%255F{KEY[3:]}",
        JWT,
        f"cam1;token={JWT}",
        "cam1;key=s3cret",
        "cam1&key=s3cret",
        "cam1%3Fkey%3Ds3cret",
    ],
)
def test_key_or_token_in_place_of_a_name_is_refused_without_repeating_it(name: str) -> None:
    for parse in (lambda: stream_target("live", "", name), lambda: stream_path(f"live/{name}")):
        with pytest.raises(
            ProtocolError, match=r"segment 2 .* looks like a key or token"
        ) as raised:
            parse()
        assert "s3cr" not in str(raised.value)
        assert "eyJ" not in str(raised.value)


def test_key_alone_is_refused_where_it_cannot_stand_for_its_stream() -> None:
    assert stream_target("live", "", KEY).key == KEY
    with pytest.raises(ProtocolError, match="looks like a key"):
        stream_path(f"live/{KEY}")


@pytest.mark.parametrize(
    "name", ["hk_news_channel_one_in_english", "a2V5a2V5Key==", "x=1;y=2", "50%"]
)
def test_name_that_only_resembles_a_secret_is_a_name(name: str) -> None:
    assert stream_path(f"live/{name}") == f"live/{name}"
