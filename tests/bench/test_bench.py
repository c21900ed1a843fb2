"""Tests that keep the load tools of the bench working; they time nothing."""

import json
import os
from pathlib import Path

import pytest
from bench.ingest import ingest, measure, publishers
from bench.measure import audience, fan_out
from bench.proc import Meter, process_tree, rss_kib
from bench.report import markdown_of, number, rows_of, save, table_of
from bench.servers import Variant, nginx_module
from bench.tools import SERVER_CORE, compiler
from tests.bench.samples import sample

from headend.cli.bench_server import raise_descriptor_limit

needs_compiler = pytest.mark.skipif(
    compiler() is None, reason="the load tools are C programs, and there is no C compiler"
)
needs_nginx = pytest.mark.skipif(
    nginx_module() is None, reason="nginx-rtmp (Debian: libnginx-mod-rtmp) is not installed"
)


@pytest.fixture(autouse=True)
def descriptors() -> None:
    raise_descriptor_limit()


@needs_compiler
@pytest.mark.slow
@pytest.mark.parametrize("variant", [Variant("floor", "0"), Variant("pyfloor", "30")])
def test_every_player_of_a_floor_gets_every_byte(variant: Variant) -> None:
    (sample,) = fan_out([variant], [5], seconds=0.5, runs=1)
    assert sample.complete
    assert sample.delivered == 1
    assert sample.count == 5
    assert 0 < sample.p50_ms <= sample.p99_ms <= sample.max_ms


@needs_compiler
@needs_nginx
@pytest.mark.slow
def test_nginx_passes_every_byte_on() -> None:
    (sample,) = fan_out([Variant("nginx")], [5], seconds=0.5, runs=1)
    assert sample.complete


@needs_compiler
@needs_nginx
@pytest.mark.slow
def test_publishers_send_in_real_time_and_none_is_lost() -> None:
    with publishers(Variant("nginx"), 3, 600) as (server, tool):
        tool.ask("mark")
        sample = measure(server, tool, 0.5)
    assert sample.count == 3
    assert sample.delivered == 1


@needs_compiler
@needs_nginx
@pytest.mark.slow
def test_each_publisher_can_have_a_player() -> None:
    samples = ingest([Variant("nginx")], [3], seconds=0.5, runs=1, kbps=600, is_watched=True)
    assert [sample.delivered for sample in samples] == [1]


@needs_compiler
@pytest.mark.slow
def test_an_audience_grows_and_each_growth_adds_a_probe() -> None:
    with audience(Variant("floor", "0")) as scene:
        scene.grow_to(2)
        scene.grow_to(4)
        assert scene.players.ask("stats")["joined"] == 4
        assert len(scene.probes) == 3


def test_a_meter_reads_the_cpu_of_its_own_process() -> None:
    pid = os.getpid()
    assert process_tree(pid)[0] == pid
    assert rss_kib([pid]) > 1000
    usage = Meter.start([pid], [], SERVER_CORE).stop()
    assert usage.load == 0


def test_a_row_is_the_median_set_beside_nginx_and_the_floor_of_its_flush() -> None:
    rows = rows_of(
        [sample("nginx", 40.0), sample("floor/30", 10.0, flush="30")]
        + [sample("headend/30", cpu, flush="30") for cpu in (11.0, 12.0, 50.0)]
    )
    row = rows[-1]
    assert row.sample.cpu == 12.0
    assert row.to_nginx == pytest.approx(0.3)
    assert row.to_floor == pytest.approx(1.2)
    assert rows[0].to_floor is None


def test_a_disturbed_sample_counts_only_when_there_is_no_other() -> None:
    rows = rows_of([sample("nginx", 40.0), sample("nginx", 90.0, others=60.0)])
    assert rows[0].sample.cpu == 40.0
    assert rows[0].quiet
    assert not rows_of([sample("nginx", 90.0, others=60.0)])[0].quiet


def test_results_are_a_table_and_json(tmp_path: Path) -> None:
    rows = rows_of([sample("nginx", 40.0)])
    assert table_of("Fan-out", "players", rows).row_count == 1
    assert "| nginx | 500 | 40.0 | – | 1.00 | 0.800 |" in markdown_of("players", rows)
    document = json.loads(save("fanout", rows, tmp_path / "deep" / "out.json").read_text())
    assert document["rows"][0]["sample"]["cpu"] == 40.0
    assert number(None) == "–"
