"""Tests of headend.http.protocol, over real connections."""

from pathlib import Path

import pytest
from tests.harness import C0_C1, log_lines, until
from tests.raw_http import HttpClient, http_server


@pytest.mark.parametrize(
    ("sent", "told"),
    [
        (C0_C1, "it is RTMP: use the RTMP port"),
        (bytes.fromhex("160301 0200 01 0001fc 0303") + bytes(500), "it is TLS: use the TLS port"),
        (b"PROXY TCP4 1.2.3.4 5.6.7.8 1 2\r\nGET / HTTP/1.1\r\n\r\n", "it is a PROXY protocol"),
        (bytes.fromhex("0d0a0d0a000d0a515549540a 20 00 0000"), "it is a PROXY protocol header"),
    ],
)
async def test_what_belongs_to_another_port_leaves_a_line_that_says_which(
    sent: bytes, told: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    async with http_server(tmp_path) as live:
        client = await HttpClient.to(live)
        await client.send(sent)
        await client.expect_close()
        await until(lambda: log_lines(caplog, client.name))
        (line,) = log_lines(caplog, client.name)
        assert line.startswith(f"WARNING http {client.name} sent no HTTP: {told}")


@pytest.mark.parametrize(
    ("target", "status"),
    [
        ("/live/nothing/index.m3u8", 404),
        ("/live/nothing/main.m3u8", 404),
        ("/live/nothing/main.m3u8?_HLS_msn=1", 404),
        ("/live/nothing.flv", 404),
        ("/watch/live/nothing?wait=1", 200),
        ("/live/silent/index.m3u8", 503),
    ],
)
async def test_head_is_answered_at_once(target: str, status: int, tmp_path: Path) -> None:
    async with http_server(tmp_path, "live.wait_s=300", "hls.longest_s=120") as live:
        await live.publisher("silent")
        client = await HttpClient.to(live)
        head = f"HEAD {target} HTTP/1.1\r\nHost: a\r\nAccept: application/json\r\n\r\n"
        await client.send(head.encode())
        assert (await client.answer(has_body=False)).status == status
