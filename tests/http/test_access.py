"""Tests of headend.http.access."""

import asyncio
import ssl
from ipaddress import ip_address
from unittest.mock import Mock

import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request
from tests.access.gates import gate

from headend.http.access import (
    allow_play,
    check_origin,
    for_other_pages,
    is_secure,
    media_headers,
    peer_of,
    token_of,
)
from headend.http.problems import Handler, Problem
from headend.live.services import Services
from headend.net.pseudonyms import Pseudonyms
from headend.net.runtime import Counters
from headend.settings import load_settings


def services(*settings: str) -> Services:
    """What of the services is asked here."""
    loaded = load_settings(None, settings, environ={}).settings
    made = Mock(
        spec=[
            "runtime", "settings", "gate", "counters", "sessions", "events", "notes",
            "pseudonyms",
        ]
    )  # fmt: skip
    made.settings = loaded
    made.gate = gate(loaded)
    made.counters = Counters()
    made.events = Mock()
    made.notes = Mock()
    made.pseudonyms = Pseudonyms()
    made.runtime = made
    made.sessions.is_stopping = False
    assert isinstance(made, Mock)
    return made


def request(
    peer: tuple[object, ...] | str | None = ("127.0.0.1", 5000),
    *,
    is_tls: bool = False,
    target: str = "/live/a.flv",
    **headers: str,
) -> web.Request:
    transport = Mock()
    transport.get_extra_info = {"peername": peer}.get
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER) if is_tls else None
    return make_mocked_request(
        "GET", target, headers=named, transport=transport, sslcontext=context
    )


def test_request_comes_from_its_connection() -> None:
    assert str(peer_of(services(), request(X_Forwarded_For="1.2.3.4"))) == "127.0.0.1:5000"
    assert str(peer_of(services(), request(("fe80::1%eth0", 5000, 0, 2)))) == "[fe80::1]:5000"
    assert str(peer_of(services(), request(""))) == "unix"


@pytest.mark.parametrize(
    ("forwarded", "address"),
    [
        ("1.2.3.4", "1.2.3.4"),
        ("6.6.6.6, 1.2.3.4", "1.2.3.4"),
        ("6.6.6.6, 1.2.3.4, 10.0.0.2", "1.2.3.4"),
        ("10.0.0.3, 10.0.0.2", "10.0.0.3"),
        ("nonsense, 10.0.0.2", "10.0.0.2"),
        ("", "10.0.0.1"),
        ("::ffff:1.2.3.4", "1.2.3.4"),
    ],
)
def test_proxy_is_believed_whom_it_names_and_nobody_else(forwarded: str, address: str) -> None:
    behind = services("http.proxies=10.0.0.0/8")
    asked = request(("10.0.0.1", 5000), X_Forwarded_For=forwarded)
    assert peer_of(behind, asked).address == ip_address(address)


def test_proxy_on_a_unix_socket_is_believed_where_proxies_are_expected() -> None:
    asked = request("", X_Forwarded_For="1.2.3.4", X_Forwarded_Proto="https")
    assert peer_of(services("http.proxies=10.0.0.0/8"), asked).address == ip_address("1.2.3.4")
    assert is_secure(services("http.proxies=10.0.0.0/8"), asked)
    assert peer_of(services(), asked).address is None


def test_connection_is_secure_by_tls_or_by_the_word_of_a_proxy() -> None:
    assert is_secure(services(), request(is_tls=True))
    assert not is_secure(services(), request(X_Forwarded_Proto="https"))
    behind = services("http.proxies=127.0.0.1")
    assert is_secure(behind, request(X_Forwarded_Proto="HTTPS"))
    assert not is_secure(behind, request(X_Forwarded_Proto="http"))


def test_origins_decide_which_pages_may_load_media() -> None:
    assert media_headers(services(), request()) == {"Access-Control-Allow-Origin": "*"}
    some = services("http.origins=https://a.example")
    assert media_headers(some, request(Origin="https://A.example")) == {
        "Vary": "Origin",
        "Access-Control-Allow-Origin": "https://a.example",
    }
    assert media_headers(some, request(Origin="https://b.example")) == {"Vary": "Origin"}
    assert media_headers(some, request()) == {"Vary": "Origin"}


SOME = "http.origins=https://a.example"


@pytest.mark.parametrize(
    ("origin", "host", "settings"),
    [
        ("", "h:8080", (SOME,)),  # no browser
        ("https://b.example", "h:8080", ()),  # any page may
        ("https://A.example", "h:8080", (SOME,)),
        ("http://h:8080", "H:8080", (SOME,)),  # our own page
        ("http://h", "h:80", (SOME,)),
        ("http://[::1]:8080", "[::1]:8080", (SOME,)),
        ("http://h:8080", "h", (SOME, "http.proxies=127.0.0.1")),
    ],
)
def test_pages_of_ours_and_of_the_origins_may_open_a_websocket(
    origin: str, host: str, settings: tuple[str, ...]
) -> None:
    check_origin(services(*settings), request(Origin=origin, Host=host))


@pytest.mark.parametrize(
    ("origin", "host", "settings"),
    [
        ("https://b.example", "h:8080", (SOME,)),
        ("null", "h:8080", (SOME,)),
        ("http://h:8081", "h:8080", (SOME,)),  # another program of the same machine
        ("https://h:8080", "h", (SOME,)),
        ("https://h", "h", (SOME,)),
        ("http://h:99999", "h", (SOME,)),
        ("http://h.b.example", "h", (SOME, "http.proxies=127.0.0.1")),
    ],
)
def test_pages_elsewhere_may_not_open_a_websocket(
    origin: str, host: str, settings: tuple[str, ...]
) -> None:
    with pytest.raises(Problem, match=r"403 .* \(http\.origins\)"):
        check_origin(services(*settings), request(Origin=origin, Host=host))


def test_watching_is_allowed_or_refused_by_the_policy() -> None:
    asyncio.run(allow_play(services(), request(), "live/a", "http-flv"))
    vip = services("rtmp.tls_only=vip/*")
    asyncio.run(allow_play(vip, request(is_tls=True), "vip/a", "http-flv"))
    with pytest.raises(Problem, match="403 Forbidden"):
        asyncio.run(allow_play(vip, request(), "vip/a", "http-flv"))
    assert vip.counters.rejected == 1


def test_nothing_is_begun_while_the_server_stops() -> None:
    stopping = services()
    stopping.sessions.is_stopping = True
    with pytest.raises(Problem, match="503 Service Unavailable"):
        asyncio.run(allow_play(stopping, request(), "live/a", "http-flv"))


def test_token_is_taken_from_the_query_or_from_the_header() -> None:
    assert token_of(request(target="/live/a.flv?token=ey.1")) == "ey.1"
    assert token_of(request(Authorization="Bearer ey.2")) == "ey.2"
    assert token_of(request(target="/live/a.flv?token=ey.1", Authorization="Bearer x")) == "ey.1"
    assert token_of(request(Authorization="Basic x")) is None
    assert token_of(request()) is None


def test_pages_elsewhere_may_read_why_media_is_refused_and_where_it_is() -> None:
    async def refuse(_: web.Request) -> web.StreamResponse:
        raise Problem(503, "later.", title="Busy", headers={"Retry-After": "5"}, code="Some.Code")

    async def lack(_: web.Request) -> web.StreamResponse:
        raise Problem(404, "nobody.")

    async def send_on(_: web.Request) -> web.StreamResponse:
        raise web.HTTPTemporaryRedirect("http://other.example/live/a.flv")

    def answer(served: Services, handler: Handler) -> None:
        async def main() -> None:
            await for_other_pages(served, handler)(asked)

        asyncio.run(main())

    open_to_all, asked = services(), request(Origin="https://page.example")
    with pytest.raises(Problem) as busy:
        answer(open_to_all, refuse)
    assert (busy.value.status, busy.value.title, busy.value.code) == (503, "Busy", "Some.Code")
    assert busy.value.headers == {
        "Access-Control-Allow-Origin": "*",
        "Cache-Control": "no-store",
        "Retry-After": "5",
    }
    with pytest.raises(Problem) as gone:
        answer(open_to_all, lack)
    assert gone.value.headers["Cache-Control"] == "public, max-age=1"
    with pytest.raises(web.HTTPTemporaryRedirect) as redirect:
        answer(open_to_all, send_on)
    assert redirect.value.headers["Access-Control-Allow-Origin"] == "*"
    closed = services("http.origins=https://other.example")
    with pytest.raises(Problem) as hidden:
        answer(closed, lack)
    assert "Access-Control-Allow-Origin" not in hidden.value.headers
