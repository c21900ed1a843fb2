"""Tests of headend.cli.bench_report."""

import json

import pytest

from headend.cli import bench_report
from headend.cli.bench_load import Load, Plan, Seen, Sent, Usage
from headend.errors import RelayError
from headend.rtmp.url import parse_url

PLAN = Plan(parse_url("rtmp://127.0.0.1/live/a?key=secret"), 2, 1.0, 500)


def players(*seen: Seen, server: float | None = None) -> Load:
    return Load(PLAN, [Sent(30, 60_000)], seen, Usage(12.345, server))


def test_players_are_summed_up() -> None:
    first = Seen(30, 60_000, [1_000_000, 3_000_000], 40_000_000)
    second = Seen(28, 50_000, [2_000_000], 90_000_000)
    document = bench_report.players_document(players(first, second, server=5.0))
    assert document == {
        "players": 2,
        "lost_players": 0,
        "reason": None,
        "seconds": 1.0,
        "frames_sent": 30,
        "frames_missing": 2,
        "bytes_sent": 60_000,
        "bytes_per_player_min": 50_000,
        "bytes_per_player_median": 55_000,
        "bytes_per_player_max": 60_000,
        "gap_ms_max": 90.0,
        "latency_ms_p50": 2.0,
        "latency_ms_p99": 2.0,
        "latency_ms_max": 3.0,
        "server_cpu_percent": 5.0,
        "server_cpu_ms_per_player": 25.0,
        "load_cpu_percent": 12.3,
    }


def test_players_that_were_lost_are_told_and_do_not_count_as_late() -> None:
    lost = Seen(loss=RelayError("the connection was lost"))
    document = bench_report.players_document(players(Seen(30, 60_000), lost))
    assert document["lost_players"] == 1
    assert document["reason"] == "the connection was lost"
    assert document["frames_missing"] == 0
    assert document["latency_ms_p50"] is None
    assert document["server_cpu_percent"] is None


def test_players_are_a_table_without_what_is_not_known(capsys: pytest.CaptureFixture[str]) -> None:
    bench_report.show_players("fanout", players(Seen(30, 60_000, [5_000_000])), as_json=False)
    shown = capsys.readouterr().out
    assert "fanout: 2 players, 500 kbit/s" in shown
    assert "latency ms p50" in shown
    assert "server CPU" not in shown
    assert "secret" not in shown


def test_publishers_are_a_document(capsys: pytest.CaptureFixture[str]) -> None:
    lost = Sent(loss=RelayError("gone"))
    load = Load(PLAN, [Sent(30, 60_000, 0.0125), lost], [], Usage(1.0, None))
    bench_report.show_publishers(load, as_json=True)
    assert json.loads(capsys.readouterr().out) == {
        "bench": "ingest",
        "publishers": 2,
        "lost_publishers": 1,
        "reason": "gone",
        "seconds": 1.0,
        "frames_sent": 30,
        "bytes_sent": 60_000,
        "delay_ms_max": 12.5,
        "load_cpu_percent": 1.0,
    }


def test_publishers_are_a_table(capsys: pytest.CaptureFixture[str]) -> None:
    load = Load(PLAN, [Sent(30, 60_000, 0.0125)] * 2, [], Usage(1.0, None))
    bench_report.show_publishers(load, as_json=False)
    assert "ingest: 2 publishers, 500 kbit/s each" in capsys.readouterr().out


def test_a_comparison_has_a_column_for_each(capsys: pytest.CaptureFixture[str]) -> None:
    plain = players(Seen(30, 60_000, [1_000_000]), server=2.0)
    secure = players(Seen(30, 60_000), server=3.0)
    bench_report.show_comparison({"RTMP": plain, "RTMPS": secure}, as_json=False)
    shown = capsys.readouterr().out
    (line,) = (line for line in shown.splitlines() if "server CPU ms" in line)
    assert line.split()[-4:] == ["10.0", "│", "15.0", "│"]
    (line,) = (line for line in shown.splitlines() if "latency ms p50" in line)
    assert line.split()[-4:] == ["1.0", "│", "–", "│"]
    assert "reason" not in shown


def test_a_comparison_is_a_document(capsys: pytest.CaptureFixture[str]) -> None:
    load = players(Seen(30, 60_000, [1_000_000]))
    bench_report.show_comparison({"RTMP": load, "RTMPS": load}, as_json=True)
    document = json.loads(capsys.readouterr().out)
    assert document["bench"] == "tls"
    assert document["RTMP"] == document["RTMPS"]
    assert document["RTMP"]["latency_ms_p50"] == 1.0
