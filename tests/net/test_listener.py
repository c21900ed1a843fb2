"""Tests of headend.net.listener; limits of connections are in test_abuse."""

import asyncio
import errno
import socket
from collections.abc import Iterator
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest
from tests.harness import C0_C1, C2, command, live_server, log_lines, until

from headend.errors import HeadendError
from headend.net import listener
from headend.net import listener as module
from headend.net.listener import bound_address, listening_text, open_socket
from headend.net.peer import LOCAL, Peer
from headend.settings import Address, parse_address

KEEP_ALIVE = (socket.SOL_SOCKET, socket.SO_KEEPALIVE)


@pytest.fixture
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder whose path is short enough for a unix socket."""
    return tmp_path_factory.mktemp("s")


@pytest.fixture(autouse=True)
def _log(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "headend")


@pytest.fixture
def taken() -> Iterator[int]:
    """A port that another program listens on."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        yield other.getsockname()[1]


# ---------------------------------------------------------------------- opening


@pytest.mark.parametrize(
    ("address", "shown"),
    [("127.0.0.1:0", "127.0.0.1:"), ("[::1]:0", "[::1]:"), (":0", "127.0.0.1:")],
)
def test_socket_listens_and_tells_where(address: str, shown: str) -> None:
    try:
        sock = open_socket(parse_address(address))
    except HeadendError:
        pytest.skip("no IPv6 here")
    with sock:
        assert bound_address(sock).startswith(shown)
        assert not sock.getblocking()
        host, _, port = bound_address(sock).rpartition(":")
        with socket.create_connection((host.strip("[]"), int(port))):
            pass


@pytest.mark.parametrize("inherits", [True, False])
async def test_accepted_connection_sends_at_once_and_notices_a_peer_that_is_gone(
    inherits: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether the system hands the options of the listening socket on or not."""
    if not inherits:
        monkeypatch.setattr(module, "INHERITS_OPTIONS", False)
    wanted = {
        (socket.IPPROTO_TCP, socket.TCP_NODELAY): 1,
        KEEP_ALIVE: 1,
        (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE): 30,
        (socket.IPPROTO_TCP, socket.TCP_KEEPINTVL): 10,
        (socket.IPPROTO_TCP, socket.TCP_KEEPCNT): 3,
    }

    async with live_server(tmp_path) as live:
        if not inherits:
            (listening,) = live.server._listeners._listeners[0]._sockets.values()
            for option in ((socket.IPPROTO_TCP, socket.TCP_NODELAY), KEEP_ALIVE):
                listening.setsockopt(*option, 0)
        peer = await live.connected()
        (connection,) = live.services.sessions.connections
        sock = connection.transport._socket
        assert {key: sock.getsockopt(*key) for key in wanted} == wanted
        peer.close()


def test_any_address_without_ipv6_is_ipv4(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "has_dualstack_ipv6", lambda: False)
    with open_socket(parse_address(":0")) as sock:
        assert sock.family is socket.AF_INET


def test_any_address_is_ipv4_when_the_kernel_has_no_ipv6_after_all(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    create = socket.create_server

    def without(address: Any, **options: Any) -> socket.socket:
        if options.get("family") is socket.AF_INET6:
            raise OSError(errno.EAFNOSUPPORT, "Address family not supported")
        return create(address, **options)

    monkeypatch.setattr(socket, "has_dualstack_ipv6", lambda: True)
    monkeypatch.setattr(socket, "create_server", without)
    with open_socket(parse_address(":0")) as sock:
        assert sock.family is socket.AF_INET


def test_port_in_use_is_said_in_one_line_with_what_to_do(taken: int) -> None:
    with pytest.raises(HeadendError) as caught:
        open_socket(parse_address(f"127.0.0.1:{taken}"))
    assert str(caught.value) == (
        f"cannot listen on 127.0.0.1:{taken}: Address already in use; another program listens "
        "there, stop it or choose another port"
    )


def test_port_that_is_not_for_us_is_said_with_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: Any, **options: Any) -> socket.socket:
        raise PermissionError(errno.EACCES, "Permission denied (while attempting to bind)")

    monkeypatch.setattr(socket, "create_server", refuse)
    with pytest.raises(HeadendError) as caught:
        open_socket(parse_address("127.0.0.1:80"))
    assert str(caught.value) == (
        "cannot listen on 127.0.0.1:80: Permission denied; ports below 1024 need root or "
        "CAP_NET_BIND_SERVICE"
    )


def test_address_that_is_not_of_this_machine_is_said() -> None:
    with pytest.raises(HeadendError, match=r"cannot listen on 192\.0\.2\.1:0: Cannot assign"):
        open_socket(parse_address("192.0.2.1:0"))


def test_name_that_is_not_found_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*arguments: Any, **options: Any) -> Any:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", fail)
    with pytest.raises(HeadendError, match="cannot listen on nowhere:0: Name or service not known"):
        open_socket(parse_address("nowhere:0"))


# ---------------------------------------------------------------------- unix sockets


async def test_unix_socket_is_played_over_and_removed_at_the_end(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = folder / "rtmp"

    async with live_server(folder, f"rtmp.listen=unix:{path}") as live:
        assert live.server.addresses["rtmp"] == [f"unix:{path}"]
        reader, writer = await asyncio.open_unix_connection(str(path))
        writer.write(C0_C1 + C2 + command("connect", 1, {"app": "live"}))
        writer.write(command("createStream", 2, None))
        writer.write(command("publish", 3, None, "a", on=1))
        await reader.readuntil(b"NetStream.Publish.Start")  # counts as loopback
        assert log_lines(caplog, "rtmp unix publish live/a accepted") != []
        (connection,) = live.services.sessions.connections
        assert connection.peer == LOCAL
        writer.close()
        await until(lambda: not live.services.sessions.connections)
        assert live.services.admission.connections == 0
    assert not path.exists()


def test_unix_socket_that_a_dead_process_left_is_replaced(folder: Path) -> None:
    address = parse_address(f"unix:{folder}/rtmp")
    open_socket(address).close()
    with open_socket(address) as sock, socket.socket(socket.AF_UNIX) as client:
        client.connect(sock.getsockname())


def test_unix_socket_of_a_process_that_lives_is_left_to_it(folder: Path) -> None:
    address = parse_address(f"unix:{folder}/rtmp")
    with open_socket(address), pytest.raises(HeadendError, match="Address already in use"):
        open_socket(address)


def test_file_that_is_no_socket_is_not_touched(folder: Path) -> None:
    path = folder / "rtmp"
    path.write_text("precious")
    with pytest.raises(HeadendError, match=f"cannot listen on unix:{path}: Address already in use"):
        open_socket(parse_address(f"unix:{path}"))
    assert path.read_text() == "precious"


def test_unix_socket_in_a_folder_that_is_missing_is_said(folder: Path) -> None:
    with pytest.raises(HeadendError, match="No such file or directory"):
        open_socket(parse_address(f"unix:{folder}/missing/rtmp"))


async def test_unix_socket_that_somebody_else_removed_does_not_hinder_the_stop(
    folder: Path,
) -> None:
    path = folder / "rtmp"

    async with live_server(folder, f"rtmp.listen=unix:{path}"):
        path.unlink()


# ---------------------------------------------------------------------- accepting


async def test_storm_of_connections_is_taken_in_over_several_turns(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "ACCEPTS", 3)

    async with live_server(tmp_path) as live:
        clients = [socket.create_connection(live.address) for _ in range(10)]
        await until(lambda: len(live.services.sessions.connections) == 10)
        for client in clients:
            client.close()
        await until(lambda: not live.services.sessions.connections)


async def test_listener_that_rests_when_the_server_stops_is_not_woken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(module, "ACCEPT_PAUSE_S", 0.01)

    class Exhausted:
        """A listening socket in a process without free descriptors."""

        def __init__(self, sock: socket.socket) -> None:
            self._socket = sock

        def fileno(self) -> int:
            return self._socket.fileno()

        def accept(self) -> Any:
            raise OSError(errno.EMFILE, "Too many open files")

    async with live_server(tmp_path) as live:
        (listener,) = live.server._listeners._listeners
        (sock,) = listener._sockets.values()
        listener.accept(Exhausted(sock))  # type: ignore[arg-type]
        assert len(log_lines(caplog, "rtmp cannot accept: Too many open files")) == 1
        listener.close()
        await asyncio.sleep(0.02)
        listener.close()
        assert log_lines(caplog, "bug") == []


# ---------------------------------------------------------------------- proxies


async def test_proxy_that_says_nothing_is_closed_with_one_line(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    settings = ("rtmp.proxy_protocol_from=127.0.0.1/32", "limits.handshake_s=0.3")

    async with live_server(tmp_path, *settings) as live:
        silent, half, gone, wrong, ended = [await live.peer() for _ in range(5)]
        await half.send(b"PROXY TCP4 1.2.3")
        gone.close()
        await ended.send(b"PROXY TCP4 1.2.3")
        ended.close()
        await wrong.send(C0_C1)
        for peer in (silent, half, wrong):
            assert await peer.expect_close() == []
        await until(lambda: live.services.admission.connections == 0)
        limit = "no PROXY header within 0.3 s (limits.handshake_s)"
        for peer, reason in (
            (silent, limit),
            (half, limit),
            (ended, "it left before its header"),
            (wrong, "no PROXY protocol header, which this port expects of each connection"),
        ):
            line = f"WARNING proxy {peer.name} closed: {reason}"
            assert log_lines(caplog, peer.name) == [line]
        assert log_lines(caplog, gone.name) == []  # it only looked whether the port is open


async def test_header_in_pieces_is_waited_for_without_a_busy_loop(tmp_path: Path) -> None:
    settings = ("rtmp.proxy_protocol_from=127.0.0.1/32",)

    async with live_server(tmp_path, *settings) as live:
        peer = await live.peer()
        await peer.send(b"PROXY TCP4 203.0.113.7 10.0.0.1 ")
        await until(lambda: live.services.poller.turns >= 2)
        turns = live.services.poller.turns
        for _ in range(10):
            await asyncio.sleep(0.01)
        assert live.services.poller.turns - turns < 5
        await peer.send(b"51044 1935\r\n" + C0_C1 + C2)
        await peer.send(command("connect", 1, {"app": "live"}))
        await peer.expect("NetConnection.Connect.Success")
        (connection,) = live.services.sessions.connections
        assert str(connection.peer) == "203.0.113.7:51044"


# ---------------------------------------------------------------------- peers


def test_peer_is_shown_as_address_and_port() -> None:
    assert str(Peer.at("10.0.0.7", 51044)) == "10.0.0.7:51044"
    assert str(Peer.at("2001:db8::7", 51044)) == "[2001:db8::7]:51044"
    assert str(Peer.at("::ffff:10.0.0.7", 51044)) == "10.0.0.7:51044"
    assert str(Peer.at("fe80::1%eth0", 1)) == "[fe80::1]:1"
    assert str(LOCAL) == "unix"


@pytest.mark.parametrize(
    "text",
    ["", "unix", "10.0.0", "10.0.0.256", "10.0.0.7 ", "2001:db8", "::ffff:10.0.0", "a\0", "é"],
)
def test_peer_is_at_an_address_only(text: str) -> None:
    with pytest.raises(ValueError, match=r"is no IP address|null character"):
        Peer.at(text, 1)


def test_peer_is_in_networks_of_its_kind_only() -> None:
    networks = [ip_network("10.0.0.0/8"), ip_network("2001:db8::/32")]
    assert Peer.at("::ffff:10.0.0.7", 1).is_in(networks)
    assert Peer.at("2001:db8::7", 1).is_in(networks)
    assert not Peer.at("11.0.0.7", 1).is_in(networks)
    assert not LOCAL.is_in(networks)


@pytest.mark.parametrize(
    ("host", "ready", "told"),
    [
        (None, "127.0.0.1:", ", on all addresses"),
        ("::", "127.0.0.1:", ", on all addresses"),
        ("0.0.0.0", "127.0.0.1:", ", on all addresses of IPv4"),
        ("127.0.0.1", "127.0.0.1:", ""),
        ("::1", "[::1]:", ""),
    ],
)
def test_log_tells_all_addresses_where_the_ready_file_has_one_that_works(
    host: str | None, ready: str, told: str
) -> None:
    with open_socket(Address(host=host, port=0)) as sock:
        port = sock.getsockname()[1]
        assert bound_address(sock) == f"{ready}{port}"
        assert listening_text(sock) == (f":{port}{told}" if told else f"{ready}{port}")


@pytest.mark.parametrize("host", [None, "::"])
def test_listener_on_all_addresses_of_ipv6_takes_ipv4_too(host: str | None) -> None:
    with open_socket(Address(host=host, port=0)) as sock:
        port = sock.getsockname()[1]
        for address in ("127.0.0.1", "::1"):
            socket.create_connection((address, port), 5).close()


def test_scope_of_a_link_local_address_is_kept() -> None:
    class Bound:
        family = socket.AF_INET6

        def getsockname(self) -> tuple[object, ...]:
            return "fe80::1", 1935, 0, socket.if_nametoindex("lo")

    assert bound_address(Bound()) == "[fe80::1%lo]:1935"  # type: ignore[arg-type]
    # What the system makes of the text, the scope included, is what is bound.
    name = listener.sockaddr("fe80::1%lo", 1935)[1]
    assert name == ("fe80::1", 1935, 0, socket.if_nametoindex("lo"))
