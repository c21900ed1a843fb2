"""Tests that keep the bench of viewers over HTTP working; they time nothing."""

from contextlib import ExitStack

import pytest
from bench.report import rows_of
from bench.tools import compiler

from bench import http
from headend.cli.bench_server import raise_descriptor_limit

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        compiler() is None, reason="the load tools are C programs, and there is no C compiler"
    ),
]


@pytest.fixture(autouse=True)
def descriptors() -> None:
    raise_descriptor_limit()


def test_every_viewer_of_http_flv_gets_as_much_as_a_player() -> None:
    with ExitStack() as stack:
        scenes = [
            http.scene(stack, stack.enter_context(http.headend("30")), is_flv=is_flv)
            for is_flv in (False, True)
        ]
        for scene in scenes:
            counts = scene.viewers.ask("add 5")
            assert counts["joined"] == 5
        samples = [scene.measure(0.3) for scene in scenes]
    assert [sample.label for sample in samples] == ["headend-rtmp/30", "headend-flv/30"]
    assert all(sample.complete for sample in samples)
    (target,) = http.flv_targets(rows_of(samples))
    assert target.limit == 1.1


def test_packaging_is_set_beside_ingest() -> None:
    figures = list(http.packaging(2, seconds=0.3, runs=1, settle_s=0.5))
    assert [figure.unit for figure in figures] == ["%", "%", "%"]
    (target,) = http.packaging_targets(figures)
    assert target.limit == 0.15
