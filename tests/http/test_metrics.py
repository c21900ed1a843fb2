"""Tests of headend.http.metrics."""

from pathlib import Path

from tests.harness import FRAME, KEYFRAME, Live, command, live_server, until

from headend import __version__
from headend.client import TlsOptions, publish
from headend.http.exposition import CONTENT_TYPE, Exposition


async def values(live: Live) -> dict[str, float]:
    """Read what Prometheus would, by name and labels."""
    body = await Exposition(live.services).text(names_all=True)
    lines = [line for line in body.decode().splitlines() if not line.startswith("#")]
    pairs = [line.rpartition(" ") for line in lines]
    return {name: float(value) for name, _, value in pairs if name.startswith("headend_")}


async def test_idle_server_counts_nothing(tmp_path: Path) -> None:
    async with live_server(tmp_path) as live:
        seen = await values(live)
        assert seen.pop(f'headend_info{{version="{__version__}"}}') == 1
        assert not any(seen.values())
        assert seen['headend_sessions{protocol="rtmps"}'] == 0
        assert seen['headend_streams{state="live"}'] == 0
        assert "headend_connections_accepted_total" in seen


async def test_connections_requests_and_streams_are_counted(tmp_path: Path) -> None:
    async with live_server(tmp_path) as live:
        player = await live.player("a")
        publisher = await live.publisher("a")
        await publisher.send_video(KEYFRAME, 1000)
        await publisher.send_video(KEYFRAME, 500_000)  # a jump, mended
        await publisher.send_video(FRAME, 500_033)
        await player.expect_media(3)
        second = await live.connected()
        await second.send(command("publish", 3, None, "a", on=1))
        await second.expect_close()
        broken = await live.peer()
        await broken.send(b"GET / HTTP/1.1\r\n\r\n")
        await broken.expect_close()
        silent = await live.peer()  # only looks whether the port is open
        silent.close()
        for peer in (second, broken):
            peer.close()
        await until(lambda: len(live.services.sessions.connections) == 2)
        seen = await values(live)
        assert seen["headend_connections_accepted_total"] == 5
        assert seen["headend_publishes_total"] == 1
        assert seen["headend_plays_total"] == 1
        assert seen["headend_requests_refused_total"] == 1
        assert seen["headend_protocol_errors_total"] == 1
        assert seen["headend_handshake_failures_total"] == 1
        assert seen['headend_sessions{protocol="rtmp"}'] == 2
        assert seen['headend_streams{state="live"}'] == 1
        assert seen["headend_received_bytes_total"] > 6000
        assert seen["headend_sent_bytes_total"] > 6000
        assert seen["headend_flushes_total"] >= seen["headend_flush_rounds_total"] >= 1
        assert seen['headend_stream_viewers{stream="live/a"}'] == 1
        assert seen['headend_stream_late_viewers{stream="live/a"}'] == 0
        assert seen['headend_stream_live{stream="live/a"}'] == 1
        assert seen['headend_stream_received_bytes_total{stream="live/a"}'] == 18
        repairs = "headend_stream_timestamp_repairs_total"
        assert seen[repairs + '{cause="forward_jump",stream="live/a"}'] == 1


async def test_process_is_described_too(tmp_path: Path) -> None:
    async with live_server(tmp_path) as live:
        body = await Exposition(live.services).text(names_all=True)
        assert CONTENT_TYPE.startswith("text/plain")
        assert b"process_resident_memory_bytes" in body
        assert b"python_info" in body


async def test_certificates_and_handshakes_are_shown_where_there_are_any(tmp_path: Path) -> None:
    async with live_server(tmp_path, "tls.listen=127.0.0.1:0") as live:
        seen = await values(live)
        assert seen["headend_tls_handshakes"] == 0
        assert seen["headend_tls_handshake_failures_total"] == 0
        (expiry,) = [n for n in seen if n.startswith("headend_tls_cert_expiry_seconds{")]
        assert seen[expiry] > 3600


async def test_sessions_over_tls_are_counted_by_what_they_agreed_on(tmp_path: Path) -> None:
    async with live_server(tmp_path, "tls.listen=127.0.0.1:0") as live:
        (address,) = live.server.addresses["tls"]
        options = TlsOptions(insecure=True)
        async with publish(f"rtmps://{address}/live/a", tls=options):
            seen = await values(live)
            (sessions,) = [n for n in seen if n.startswith("headend_tls_sessions{")]
            assert 'version="TLSv1.3"' in sessions
            assert 'resumed="false"' in sessions


async def test_what_comes_with_http_is_shown_with_it(tmp_path: Path) -> None:
    async with live_server(tmp_path, "http.listen=127.0.0.1:0") as live:
        seen = await values(live)
        for kind in ("multivariant", "playlist", "init", "part", "segment"):
            assert seen[f'headend_hls_requests_total{{kind="{kind}"}}'] == 0
        assert seen["headend_hls_viewers"] == 0
        assert seen["headend_flush_interval_seconds"] == 0
        assert seen['headend_loop_lag_seconds_bucket{le="+Inf"}'] == 0
        for result in ("made", "failed", "decoder_lost"):
            assert seen[f'headend_thumbnails_total{{result="{result}"}}'] == 0
        live.services.rates._sample()
        seen = await values(live)
        assert seen['headend_loop_lag_seconds_bucket{le="+Inf"}'] == 1
        assert seen["headend_loop_lag_seconds_count"] == 1


async def test_streams_over_the_limit_have_no_names(tmp_path: Path) -> None:
    async with live_server(tmp_path, "limits.metrics_streams=1") as live:
        for name in "abc":
            publisher = await live.publisher(name)
            await publisher.send_video(KEYFRAME)
        seen = await values(live)
        assert seen['headend_stream_live{stream="live/a"}'] == 1
        assert seen['headend_stream_live{stream="*"}'] == 2
        assert not [name for name in seen if "live/b" in name]
