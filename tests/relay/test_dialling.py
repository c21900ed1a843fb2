"""Tests of headend.relay.dialling."""

import asyncio
import socket
import threading
from collections.abc import Iterator
from ipaddress import IPv6Address, ip_network
from pathlib import Path

import pytest

from headend.net.listener import sockaddr
from headend.net.places import DialRoute, Rules
from headend.relay import dialling
from headend.relay.backoff import Failure
from headend.relay.dialling import RelayFailed, dial


@pytest.fixture
def listening() -> Iterator[int]:
    """Return a port on which somebody listens as long as the test runs."""
    with socket.create_server(("127.0.0.1", 0)) as sock:
        yield sock.getsockname()[1]


def link_local() -> list[str]:
    """Return this machine's link-local addresses with their scope."""
    lines = Path("/proc/net/if_inet6").read_text().splitlines()
    found = [(IPv6Address(bytes.fromhex(line[:32])), line.split()[-1]) for line in lines]
    places = [f"{address}%{name}" for address, name in found if address.is_link_local]
    return places or pytest.skip("no interface has a link-local address")


async def failure(host: str, port: int, rules: Rules | None = None) -> RelayFailed:
    with pytest.raises(RelayFailed) as caught:
        await dial(host, port, DialRoute(host, rules).look_up, [port + 1])
    return caught.value


async def test_server_that_is_there_is_connected_to(listening: int) -> None:
    sock = await dial("localhost", listening, DialRoute("localhost").look_up, [])
    with sock:
        assert sock.getpeername()[1] == listening
        assert not sock.getblocking()
        assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


async def test_link_local_address_is_called_in_its_scope() -> None:
    """Whether the scope is a name or a number, and when the socket names the place anew."""
    for address in link_local():
        with socket.create_server(sockaddr(address, 0)[1], family=socket.AF_INET6) as server:
            place = server.getsockname()
            port = place[1]
            name = address.partition("%")[2]
            numbered = address.replace(name, str(socket.if_nametoindex(name)))
            for host in (address, numbered):
                route = DialRoute(host)
                with await dial(host, port, route.look_up, []) as sock:
                    assert sock.getpeername() == place
                    route.pin(sock)
                with await dial(host, port, route.look_up, []) as sock:
                    assert sock.getpeername() == place


async def test_link_local_address_without_a_scope_is_wrong_for_good() -> None:
    failed = await failure("fe80::1", 1935)
    assert failed.failure is Failure.WRONG
    assert str(failed) == "cannot connect to [fe80::1]:1935: Invalid argument"


async def test_server_that_refuses_is_away() -> None:
    with socket.socket() as sock:  # bound, and nobody listens
        sock.bind(("127.0.0.1", 0))
        port = sock.getsockname()[1]
        failed = await failure("127.0.0.1", port)
    assert failed.failure is Failure.AWAY
    assert str(failed) == f"cannot connect to 127.0.0.1:{port}: Connection refused"


async def test_name_that_nobody_knows_is_away() -> None:
    failed = await failure("no-such-host.invalid", 1935)
    assert failed.failure is Failure.AWAY
    assert failed.reason.startswith("no-such-host.invalid: ")


async def test_address_that_may_not_be_called_is_wrong(listening: int) -> None:
    forbidden = await failure("169.254.169.254", 80, Rules())
    assert forbidden.failure is Failure.WRONG
    assert "auth.outgoing" in forbidden.reason
    elsewhere = Rules(networks=(ip_network("10.0.0.0/8"),))
    assert (await failure("127.0.0.1", listening, elsewhere)).failure is Failure.WRONG
    own = Rules(networks=(ip_network("127.0.0.0/8"),))
    (await dial("127.0.0.1", listening, DialRoute("127.0.0.1", own).look_up, [])).close()


async def test_own_port_on_this_machine_is_a_loop(listening: int) -> None:
    for host in ("127.0.0.1", "localhost"):
        with pytest.raises(RelayFailed, match="relay loop") as caught:
            await dial(host, listening, DialRoute(host).look_up, [listening])
        assert caught.value.failure is Failure.WRONG


async def test_server_that_does_not_answer_is_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("headend.relay.dialling.CONNECT_S", 0.2)
    with socket.create_server(("127.0.0.1", 0), backlog=0) as sock:
        port = sock.getsockname()[1]
        waiting = []
        for _ in range(4):  # fill what the kernel holds for it
            peer = socket.socket()
            peer.setblocking(False)
            peer.connect_ex(("127.0.0.1", port))
            waiting.append(peer)
        await asyncio.sleep(0)
        failed = await failure("127.0.0.1", port)
        for peer in waiting:
            peer.close()
    assert failed.failure is Failure.AWAY
    assert failed.reason == f"127.0.0.1:{port} does not answer"


async def test_name_that_dns_says_nothing_of_is_away(monkeypatch: pytest.MonkeyPatch) -> None:
    speaks = threading.Event()

    def getaddrinfo(*_: object, **__: object) -> list[object]:
        speaks.wait()
        return []

    monkeypatch.setattr(dialling, "RESOLVE_S", 0.05)
    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    for rules in (None, Rules()):
        failed = await failure("silent.example", 1935, rules)
        assert failed.failure is Failure.AWAY
        assert failed.reason.startswith("silent.example: DNS does not say within")
    speaks.set()
