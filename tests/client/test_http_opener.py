"""Tests of headend.client.http_opener, and connections that go where they are told to."""

import socket
from pathlib import Path

import pytest
from aiohttp import web
from tests.client.peers import http_server, tls_server

from headend.client import Timeouts, TlsOptions
from headend.client.opening import open_http, parse_source
from headend.errors import HeadendError, Rejected, RelayError
from headend.net.places import LookUp
from headend.rtmp.url import Url
from headend.srt_url import SrtUrl

NAMES = pytest.mark.parametrize("name", ["none.flv", "none.m3u8"])


def told(*addresses: str) -> tuple[LookUp, list[str]]:
    """Return a look-up that gives these addresses, and the hosts that it is asked for."""
    asked = list[str]()

    async def look_up(host: str, port: int) -> list[tuple[socket.AddressFamily, str]]:
        asked.append(f"{host}:{port}")
        return [(socket.AF_INET, address) for address in addresses]

    return look_up, asked


async def failure(url: str, look_up: LookUp, tls: TlsOptions | None = None) -> HeadendError:
    target = parse_source(url)
    assert not isinstance(target, Url | SrtUrl)
    with pytest.raises(HeadendError) as caught:
        async with open_http(target, tls, Timeouts(), look_up):
            pass
    return caught.value


@NAMES
async def test_host_is_where_it_is_said_to_be_and_certificates_are_those_of_its_name(
    name: str, tmp_path: Path
) -> None:
    async with tls_server(tmp_path, "origin.test", "live.wait_s=0") as (port, trust):
        look_up, asked = told("127.0.0.1")
        error = await failure(f"https://origin.test:{port}/a/{name}", look_up, trust)
        assert isinstance(error, Rejected)  # it was the right server, which has no such stream
        assert asked == [f"origin.test:{port}"]
        error = await failure(f"https://other.test:{port}/a/{name}", look_up, trust)
        assert isinstance(error, RelayError)
        assert "other.test" in str(error)


@NAMES
async def test_addresses_are_asked_for_again_where_a_redirect_leads(name: str) -> None:
    hosts = list[str]()

    async def handler(request: web.Request) -> web.StreamResponse:
        hosts.append(request.host)
        if request.path.startswith("/first"):
            raise web.HTTPFound(f"http://127.0.0.1:{request.url.port}/second/{name}")
        raise web.HTTPNotFound

    async with http_server(handler) as base:
        port = base.rpartition(":")[2]
        look_up, asked = told("127.0.0.1")
        error = await failure(f"http://origin.test:{port}/first/{name}", look_up)
    assert isinstance(error, Rejected)
    assert hosts == asked == [f"origin.test:{port}", f"127.0.0.1:{port}"]


async def test_next_address_is_tried_and_the_last_failure_told() -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        raise web.HTTPNotFound

    async with http_server(handler) as base:
        url = base.replace("127.0.0.1", "origin.test") + "/a.m3u8"
        look_up, _ = told("127.0.0.2", "127.0.0.1")  # at the first nobody listens
        assert isinstance(await failure(url, look_up), Rejected)
    for addresses, words in ((["127.0.0.1"], "Connection refused"), ([], "does not answer")):
        look_up, _ = told(*addresses)
        assert words in str(await failure(url, look_up))


async def test_redirect_leads_to_http_only() -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        raise web.HTTPFound("ftp://127.0.0.1/a.m3u8")

    async with http_server(handler) as base:
        look_up, asked = told("127.0.0.1")
        error = await failure(f"{base}/a.m3u8", look_up)
    assert isinstance(error, RelayError)
    assert len(asked) == 1
