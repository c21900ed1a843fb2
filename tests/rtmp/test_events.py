"""Tests of headend.rtmp.events."""

import pytest

from headend.media.amf0 import Value
from headend.rtmp.events import ConnectCommand


@pytest.mark.parametrize(
    ("properties", "version"),
    [
        (
            {"flashVer": "FMLE/3.0 (compatible; Lavf61.7.100)"},
            "FMLE/3.0 (compatible; Lavf61.7.100)",
        ),
        ({"flashVer": 9.0}, ""),
        ({}, ""),
    ],
)
def test_flash_version_is_what_the_peer_calls_itself(
    properties: dict[str, Value], version: str
) -> None:
    assert ConnectCommand("live", "", properties, 1.0).flash_version == version


@pytest.mark.parametrize(
    ("caps", "can_move"),
    [
        (1.0, True),
        (15.0, True),
        (3, True),
        (14.0, False),
        (0.0, False),
        (-1.0, False),
        (float("nan"), False),
        (float("inf"), False),
        (1e300, False),
        ("1", False),
        (None, False),
    ],
)
def test_peer_can_move_that_says_so_in_its_capabilities(caps: Value, can_move: bool) -> None:
    assert ConnectCommand("live", "", {"capsEx": caps}, 1.0).can_move is can_move
    assert not ConnectCommand("live", "", {}, 1.0).can_move


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        *((flags, True) for flags in (2.0, 15.0, 2)),
        *((flags, False) for flags in (1.0, None, "2", float("nan"), -2.0, float("inf"))),
    ],
)
def test_peer_says_whether_it_knows_tracks(flags: float | str | None, expected: bool) -> None:
    assert ConnectCommand("live", "", {"capsEx": flags}, 1.0).knows_tracks is expected
    assert not ConnectCommand("live", "", {}, 1.0).knows_tracks
