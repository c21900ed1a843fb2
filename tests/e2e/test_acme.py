"""Tests of certificates from an ACME authority, Pebble, that really comes to look."""

import http.client
import socket
import ssl
import stat
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import trustme
from tests.e2e.backend import free_port
from tests.e2e.conftest import StartServer
from tests.e2e.pebble import NAME, Pebble
from tests.e2e.raw import RawPeer
from tests.e2e.server import Server
from tests.e2e.wait import LIMIT_S

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

StartPebble = Callable[..., Pebble]


@pytest.fixture
def start_pebble(tmp_path: Path) -> Iterator[StartPebble]:
    """Start an authority; a port that is not given has nobody listening."""
    started: list[Pebble] = []

    def start(tls_port: int | None = None, http_port: int | None = None) -> Pebble:
        pebble = Pebble(
            tmp_path / "pebble",
            tls_port=tls_port or free_port(),
            http_port=http_port or free_port(),
        )
        started.append(pebble)
        return pebble

    yield start
    for pebble in started:
        pebble.process.kill()


def _anyone() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def _connect(port: int, context: ssl.SSLContext) -> ssl.SSLSocket:
    sock = socket.create_connection(("127.0.0.1", port), 20)
    return context.wrap_socket(sock, server_hostname=NAME)


def _health(port: int, context: ssl.SSLContext) -> int:
    connection = http.client.HTTPSConnection(NAME, port, context=context, timeout=LIMIT_S)
    connection.request("GET", "/healthz")
    try:
        return connection.getresponse().status
    finally:
        connection.close()


def _account_folder(server_data: Path) -> Path:
    (folder,) = (server_data / "tls" / "acme").iterdir()
    return folder


def _start(start_server: StartServer, pebble: Pebble, tls_port: int, *arguments: str) -> Server:
    arguments = ("--tls", f"127.0.0.1:{tls_port}", *arguments)
    return start_server(*pebble.settings, arguments=arguments)


def test_certificate_is_got_over_the_tls_port(
    start_server: StartServer, start_pebble: StartPebble
) -> None:
    port = free_port()
    pebble = start_pebble(tls_port=port)
    server = _start(start_server, pebble, port, "--http", "off")
    assert _health(port, _anyone()) == 200  # with a self-signed one, at once
    server.wait_log("acme: serving a certificate for localhost by CN=Pebble")
    assert _health(port, pebble.client()) == 200
    folder = _account_folder(server.data)
    assert sorted(path.name for path in folder.iterdir()) == ["account.pem", "certificate.pem"]
    for path in folder.iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    for each in (folder, folder.parent):
        assert stat.S_IMODE(each.stat().st_mode) == 0o700

    # Nothing is asked for again: the certificate and the account are kept.
    assert server.stop() == 0
    orders = pebble.process.output().count("/order-plz")
    again = _start(start_server, pebble, port, "--data", str(server.data))
    assert _health(port, pebble.client()) == 200
    assert again.stop() == 0
    assert pebble.process.output().count("/order-plz") == orders > 0


@pytest.mark.limit(120)
def test_one_of_several_workers_orders_and_all_answer_the_authority_and_serve(
    start_server: StartServer, start_pebble: StartPebble
) -> None:
    port = free_port()
    pebble = start_pebble(tls_port=port)  # its checks come to whichever worker
    server = start_server(*pebble.settings, arguments=("--tls", f"127.0.0.1:{port}"), workers=3)
    server.wait_log("acme: serving a certificate for localhost by CN=Pebble", count=3)
    for _ in range(12):
        assert _health(port, pebble.client()) == 200
    assert server.stop() == 0
    assert sum("acme: asking " in line for line in server.log()) == 1


def test_certificate_is_got_over_http_where_the_tls_port_cannot_be_reached(
    start_server: StartServer, start_pebble: StartPebble
) -> None:
    tls_port, http_port = free_port(), free_port()
    pebble = start_pebble(http_port=http_port)
    server = _start(start_server, pebble, tls_port, "--http", f"127.0.0.1:{http_port}")
    server.wait_log("acme: localhost: tls-alpn-01: ")
    server.wait_log("acme: serving a certificate for localhost by CN=Pebble")
    assert _health(tls_port, pebble.client()) == 200
    assert "headend_acme_failures_total 0.0" in server.get("/metrics")[1]
    assert server.get("/.well-known/acme-challenge/x")[0] == 404


def test_certificate_that_is_about_to_expire_is_renewed_and_no_session_is_dropped(
    start_server: StartServer, start_pebble: StartPebble, tmp_path: Path
) -> None:
    port = free_port()
    pebble = start_pebble(tls_port=port)
    authority = trustme.CA()
    now = datetime.now(UTC)
    old = authority.issue_cert(
        NAME, not_before=now - timedelta(days=61), not_after=now + timedelta(days=29)
    )
    data = tmp_path / "data"
    host = pebble.directory.removeprefix("https://").removesuffix("/dir").replace(":", "_")
    folder = data / "tls" / "acme" / f"{host}_dir"
    folder.mkdir(parents=True)
    old.private_key_and_cert_chain_pem.write_to_path(folder / "certificate.pem")

    server = _start(start_server, pebble, port, "--data", str(data))
    old_client = ssl.create_default_context()
    authority.configure_trust(old_client)
    sock = _connect(port, old_client)  # served at once, and still there after the renewal
    session = RawPeer(sock)
    server.wait_log("acme: serving a certificate for localhost by CN=Pebble")
    session.connect()
    session.close()
    assert _health(port, pebble.client()) == 200
    assert server.stop() == 0


def test_failed_check_is_told_once_and_the_server_goes_on(
    start_server: StartServer, start_pebble: StartPebble
) -> None:
    port = free_port()
    pebble = start_pebble()  # it finds nobody where it looks
    server = _start(start_server, pebble, port)
    line = server.wait_log("acme: no certificate for localhost: ")
    assert " localhost: tls-alpn-01: " in line
    assert " localhost: http-01: " in line
    assert "; attempt 1, the next one in 0:2" in line  # 20 to 25 minutes
    assert "headend_acme_failures_total 1.0" in server.get("/metrics")[1]
    assert _health(port, _anyone()) == 200
    assert server.stop() == 0


def test_authority_that_is_away_is_asked_again_soon(start_server: StartServer) -> None:
    directory = f"https://127.0.0.1:{free_port()}/dir"
    server = start_server(
        "tls.acme.domains=localhost",
        f"tls.acme.directory={directory}",
        arguments=("--tls", "127.0.0.1:0"),
    )
    line = server.wait_log("acme: no certificate for localhost: ")
    assert f"{directory}: Connection refused; " in line
    assert "; attempt 1, the next one in 0:00:3" in line
    assert server.stop() == 0
