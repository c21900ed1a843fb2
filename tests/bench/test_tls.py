"""Tests that keep the TLS side of the bench working; they time nothing."""

import pytest
from bench.endurance import Figure
from bench.measure import fan_out
from bench.report import Target, number, rows_of, target_markdown, target_table
from bench.servers import Variant, nginx_module
from bench.tls import (
    fan_out_targets,
    figure_targets,
    handshakes,
    latency_targets,
    variants,
)
from bench.tools import compiler, has_openssl
from tests.bench.samples import sample

from headend.cli.bench_server import raise_descriptor_limit

needs_openssl = pytest.mark.skipif(
    compiler() is None or not has_openssl(),
    reason="the load tools need a C compiler and OpenSSL's headers (Debian: libssl-dev)",
)
needs_proxy = pytest.mark.skipif(
    nginx_module() is None or nginx_module("stream") is None,
    reason="nginx with rtmp and stream (Debian: libnginx-mod-rtmp libnginx-mod-stream)",
)


@pytest.fixture(autouse=True)
def descriptors() -> None:
    raise_descriptor_limit()


@needs_openssl
@pytest.mark.slow
@pytest.mark.parametrize(
    "variant",
    [
        Variant("floor-tls", "30"),
        Variant("headend-tls", "30"),
        pytest.param(Variant("nginx-tls"), marks=needs_proxy),
    ],
)
def test_every_player_over_tls_gets_every_byte(variant: Variant) -> None:
    (found,) = fan_out([variant], [5], seconds=0.5, runs=1)
    assert found.complete
    assert found.delivered == 1
    assert 0 < found.p50_ms <= found.p99_ms


@needs_openssl
@pytest.mark.slow
def test_handshakes_are_full_or_resumed() -> None:
    figures = {figure.what: figure.value for figure in handshakes(20, 0.5)}
    assert figures["TLS 1.3: share that was resumed"] == 0
    assert figures["TLS 1.2: share that was resumed"] == 0
    assert figures["TLS 1.2 resumed: share that was resumed"] > 0.8
    assert figures["beside the stream: handshakes refused or lost"] == 0
    assert figures["20 handshakes/s: longest gap of the stream"] > 0


def test_the_fan_out_is_measured_beside_three_others() -> None:
    labels = [variant.label for variant in variants(["30"])]
    assert labels == ["floor-tls/30", "headend-tls/30", "headend/30", "nginx-tls"]


def test_a_row_over_tls_is_set_beside_others_over_tls() -> None:
    rows = rows_of(
        [
            sample("floor/30", 1.0, flush="30"),
            sample("nginx", 1.0),
            sample("floor-tls/30", 20.0, flush="30"),
            sample("nginx-tls", 80.0),
            sample("headend-tls/30", 22.0, flush="30"),
        ]
    )
    assert rows[-1].to_floor == pytest.approx(1.1)
    assert rows[-1].to_nginx == pytest.approx(0.275)


def test_what_was_measured_is_set_beside_what_it_must_reach() -> None:
    rows = rows_of([sample("headend-tls/30", 22.0), sample("floor-tls/30", 20.0)])
    found = {target.label: target for target in fan_out_targets(rows, 500)}
    assert found["headend-tls/30 / TLS floor, CPU"].value == pytest.approx(1.1)
    assert found["headend-tls/30 / TLS floor, CPU"].is_reached
    assert found["headend-tls/30 / nginx-tls, CPU"].is_reached is None


def test_what_tls_adds_to_the_latency_is_a_difference() -> None:
    found = list(latency_targets([sample("headend/0", 5.0), sample("headend-tls/0", 9.0)]))
    assert [target.value for target in found] == [0.0, None]


def test_a_resumed_handshake_is_set_beside_a_full_one() -> None:
    figures = [
        Figure("headend/30", "per idle player, 10 players", 5.0, "KiB"),
        Figure("headend-tls/30", "TLS 1.2: CPU of a handshake", 0.5, "ms"),
        Figure("headend-tls/30", "TLS 1.2 resumed: CPU of a handshake", 0.2, "ms"),
        Figure("headend-tls/30, 100 players", "300 handshakes/s: longest gap …", 120.0, "ms"),
        Figure("headend-tls/30", "per idle player, 10 players", 20.0, "KiB"),
    ]
    resumed, gap, memory = figure_targets(figures)
    assert resumed.value == pytest.approx(0.4)
    assert (gap.value, gap.is_reached) == (120.0, False)
    assert memory.value == 20.0
    assert [target.value for target in figure_targets([])] == [None] * 3


def test_targets_are_a_table() -> None:
    targets = [Target("a", 1.0, 2.0), Target("b", None, 2.0), Target("c", 3.0, 2.0)]
    assert target_table("", targets).row_count == 3
    assert "| a | 1.00 | 2.00 | yes |\n| b | – | 2.00 | – |\n" in target_markdown(targets)
    assert number(2.0, 2) == "2.00"
