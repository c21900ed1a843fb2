"""Tests of headend.http.paths."""

import pytest

from headend.http.paths import stream_path
from headend.http.problems import Problem


def test_path_of_a_stream_is_taken_as_it_is() -> None:
    assert stream_path("live/eu/cam 1") == "live/eu/cam 1"
    assert stream_path("live") == "live"


@pytest.mark.parametrize("text", ["", "live//a", "live/..", "live/a*", "live/\x1b", "a" * 256])
def test_what_no_stream_can_be_called_is_not_found(text: str) -> None:
    with pytest.raises(Problem, match="404 Not Found: No stream has such a name: "):
        stream_path(text)


@pytest.mark.parametrize("text", ["live/hk_abcdef", "eyJhbGci.eyJzdWIi.c2ln/a", "live/key=abc"])
def test_key_or_token_in_place_of_a_name_is_not_repeated(text: str) -> None:
    with pytest.raises(Problem, match="it looks like a key or a token") as raised:
        stream_path(text)
    assert text not in str(raised.value)
