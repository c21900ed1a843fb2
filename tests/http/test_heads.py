"""Tests of headend.http.heads: what every answer says, over real connections."""

from pathlib import Path

import pytest
import trustme
from tests.harness import KEYFRAME, VIDEO_HEADER, run
from tests.raw_http import HttpClient, http_server
from tests.tls_live import TlsPeer, tls_server
from tests.tls_peers import write_pair

from headend.settings import CertificatePair


@pytest.fixture
def pair(tmp_path: Path) -> CertificatePair:
    return write_pair(tmp_path, trustme.CA(), "localhost")


UPGRADE = (
    "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
    "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
)


@pytest.mark.parametrize(
    ("request_line", "headers", "status"),
    [
        ("GET /healthz HTTP/1.1", "", 200),
        ("GET / HTTP/1.1", "", 200),
        ("GET /metrics HTTP/1.1", "", 200),
        ("GET /api/v1/streams HTTP/1.1", "", 401),
        ("GET /api/docs HTTP/1.1", "", 200),
        ("GET /watch/live/a HTTP/1.1", "", 200),
        ("GET /nothing HTTP/1.1", "", 404),
        ("DELETE /healthz HTTP/1.1", "", 405),
        ("OPTIONS /live/a.flv HTTP/1.1", "", 204),
        ("GET /live/a.flv HTTP/1.1", "", 200),
        ("GET /live/a.flv HTTP/1.1", UPGRADE, 101),
        ("GET /live/a.flv HTTP/1.1", UPGRADE.replace("Key: A", "Key: "), 400),
        ("GET /live/none/index.m3u8 HTTP/1.1", "", 404),
        ("HEAD /live/a.flv HTTP/1.1", "", 200),
        ("no HTTP at all", "", 400),
        ("GET /" + 9000 * "a" + " HTTP/1.1", "", 400),
    ],
)
async def test_answer_is_not_to_be_sniffed_and_names_no_version(
    request_line: str, headers: str, status: int, tmp_path: Path
) -> None:
    async with http_server(tmp_path, "live.wait_s=0") as live:
        publisher = await live.publisher("a")
        await publisher.send_video(VIDEO_HEADER)
        await publisher.send_video(KEYFRAME)
        await live.received("live/a", 2)
        client = await HttpClient.to(live)
        await client.send(f"{request_line}\r\nHost: localhost\r\n{headers}\r\n".encode())
        head = (await client.expect(b"\r\n\r\n")).decode()
        assert head.split()[1] == str(status)
        lines = head.lower().split("\r\n")
        assert [line for line in lines if line.startswith("server:")] == ["server: headend"]
        assert lines.count("x-content-type-options: nosniff") == 1
        assert "aiohttp" not in head
        assert "strict-transport-security" not in head.lower()


@pytest.mark.parametrize(("given", "told"), [((), None), (("tls.hsts_s=86400",), "max-age=86400")])
@pytest.mark.parametrize("path", ["/healthz", "/live/a.flv"])
def test_browsers_are_kept_on_https_only_where_a_setting_says_so(
    path: str, given: tuple[str, ...], told: str | None, pair: CertificatePair, tmp_path: Path
) -> None:
    async def main() -> None:
        async with tls_server(tmp_path, pair, *given) as live:
            publisher = await live.publisher("a")
            await publisher.send_video(VIDEO_HEADER)
            await publisher.send_video(KEYFRAME)
            await live.received("live/a", 2)
            peer = await live.peer()
            assert isinstance(peer, TlsPeer)
            data: list[bytes] = []
            peer.take = data.append  # type: ignore[method-assign,assignment]
            await peer.send(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
            while b"\r\n\r\n" not in b"".join(data):
                await peer.receive()
            head = b"".join(data).partition(b"\r\n\r\n")[0].decode()
            lines = [each for each in head.split("\r\n") if each.startswith("Strict-Transport")]
            assert lines == ([f"Strict-Transport-Security: {told}"] if told else [])
            peer.close()

    run(main())


async def test_plain_http_never_says_that_browsers_are_to_use_https(tmp_path: Path) -> None:
    async with http_server(tmp_path, "tls.hsts_s=86400") as live:
        client = await HttpClient.to(live)
        await client.send(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert "strict-transport-security" not in (await client.answer()).headers
