"""Tests of HLS with kinds of streams that players had trouble with: they are played on and on."""

from collections.abc import Iterator
from typing import Any

import pytest
from bench.hls_kinds import KINDS
from bench.hlsjs import play
from tests.e2e.browser import chromium

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

SECONDS = 10.0
TOGETHER = (
    ("1 fps", "29.97 fps", "sound alone", "late keyframes"),
    ("B frames", "picture alone, 1 fps", "MPEG-TS, MP3"),
    ("reconnect", "other size"),
    ("HEVC, B frames", "HEVC, MPEG-TS"),
)


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with chromium() as browser:
        yield browser


@pytest.mark.limit(120)
@pytest.mark.parametrize("names", TOGETHER, ids=", ".join)
def test_player_plays_on(browser: Any, names: tuple[str, ...]) -> None:
    kinds = [kind for kind in KINDS if kind.name in names]
    assert len(kinds) == len(names)
    for played in play(browser, kinds, SECONDS):
        assert not played.is_stuck, played
        # However busy the machine is: what comes is whole.
        assert kinds[0].interrupted or played.holes == 0, played
