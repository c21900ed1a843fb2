"""What a caller wants, by its stream id."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headend.errors import ProtocolError, Refusal
from headend.srt.refusals import CODES
from headend.srt.stream_id import parse_stream_id


@pytest.mark.parametrize(
    ("text", "action", "path"),
    [
        ("publish:live/a", "publish", "live/a"),
        ("read:live/a", "play", "live/a"),
        ("read:a/b/c", "play", "a/b/c"),
        ("#!::m=publish,r=live/a", "publish", "live/a"),
        ("#!::r=live/a,m=request", "play", "live/a"),
        ("#!::r=live/a", "play", "live/a"),
        ("#!::u=me,h=host,s=1,t=stream,r=live/a,", "play", "live/a"),
    ],
)
def test_both_forms_name_action_and_stream(text: str, action: str, path: str) -> None:
    wish = parse_stream_id(text.encode())
    assert (wish.action, wish.target.path) == (action, path)


@pytest.mark.parametrize(
    "text", ["publish:live/a?key=s+e%2Bc&x=1", "#!::m=publish,r=live/a,key=s+e+c,x=1"]
)
def test_key_and_parameters_are_read_in_both_forms(text: str) -> None:
    target = parse_stream_id(text.encode()).target
    assert (target.path, target.key, target.query["x"]) == ("live/a", "s+e+c", "1")


def test_a_token_is_read_behind_the_resource_too() -> None:
    target = parse_stream_id(b"#!::r=live/a?token=t,x=1").target
    assert (target.token, target.query["x"]) == ("t", "1")


def test_a_key_may_stand_in_place_of_the_name() -> None:
    target = parse_stream_id(b"publish:live/hk_abc").target
    assert (target.app, target.key, target.is_bare) == ("live", "hk_abc", True)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "no stream id"),
        (b"live/a", "no form known"),
        (b"write:live/a", "no form known"),
        (b"publish", "no form known"),
        (b"publish:", "neither an app nor"),
        (b"\xff\xfe", "not UTF-8"),
        (b"#!::m=publish", "names no stream"),
        (b"#!::m=bidirectional,r=live/a", "neither publish nor request"),
        (b"#!::live/a", "has no ="),
        (b"#!:{r=live/a}", "no form known"),
        (b"publish:live/a\x07", "cannot be printed"),
        (b"publish:../etc", "is .., which is not allowed"),
        (b"publish:" + b"a" * 504, "is over the limit"),
    ],
)
def test_what_has_no_form_is_refused_without_being_repeated(data: bytes, words: str) -> None:
    with pytest.raises(ProtocolError, match=words):
        parse_stream_id(data)


@given(st.binary(max_size=512) | st.text(max_size=200).map(lambda text: f"#!::{text}".encode()))
def test_any_bytes_give_a_wish_or_a_protocol_error(data: bytes) -> None:
    with suppress(ProtocolError):
        parse_stream_id(data)


def test_every_refusal_has_a_code_that_applications_may_use() -> None:
    assert set(CODES) == set(Refusal)
    assert all(1000 <= code < 2000 for code in CODES.values())
