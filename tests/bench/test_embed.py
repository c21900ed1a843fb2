"""Tests that keep the measurement of embedded streams working; they time nothing."""

from bench.embed import LOOPS, embed


def test_every_tag_comes_to_every_player_in_both_loops() -> None:
    figures = list(embed(200, seconds=0.2))
    assert [figure.label for figure in figures] == [name for name in LOOPS for _ in range(5)]
