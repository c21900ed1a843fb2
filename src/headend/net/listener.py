"""Listening sockets, and the connections that are accepted within the limits."""

import errno
import logging
import os
import socket
import stat
import sys
from collections.abc import Sequence
from contextlib import nullcontext, suppress
from functools import partial
from typing import Any, Final

from headend.errors import HeadendError, LimitExceeded
from headend.logs import Repeats
from headend.net.peer import LOCAL, Peer
from headend.net.proxied import ProxyHeader, Take
from headend.net.readiness import READ
from headend.net.runtime import Runtime
from headend.settings import Address

log = logging.getLogger(__name__)

BACKLOG: Final = 4096  # connections the kernel holds for us; it cuts this to net.core.somaxconn
ACCEPTS: Final = 64  # connections accepted in one turn, so that a storm does not stop the streams
INHERITS_OPTIONS: Final = sys.platform == "linux"  # accepted sockets, from the listening one
ACCEPT_PAUSE_S: Final = 0.5  # after the process has run out of descriptors


def open_socket(address: Address, *, is_shared: bool = False) -> socket.socket:
    """Open one listening, non-blocking socket.

    Args:
        address: Where it listens.
        is_shared: Further sockets of this user may listen on the same port.

    Raises:
        HeadendError: The address cannot be used; says why.
    """
    try:
        if address.path is not None:
            sock = _open_unix(address.path)
        else:
            sock = _open_tcp(address.host, address.port or 0, is_shared=is_shared)
            _set_options(sock)
        sock.listen(BACKLOG)
    except OSError as error:
        hint = ""
        if error.errno == errno.EADDRINUSE:
            hint = "; another program listens there, stop it or choose another port"
        elif error.errno == errno.EACCES and address.path is None:
            hint = "; ports below 1024 need root or CAP_NET_BIND_SERVICE"
        raise HeadendError(f"cannot listen on {address}: {_reason(error)}{hint}") from error
    sock.setblocking(False)
    return sock


def _reason(error: OSError) -> str:
    # Python adds the address to some errors; a name that is not found has words of its own only.
    number = error.errno or 0
    return os.strerror(number) if number > 0 else error.strerror or str(error)


def _open_tcp(host: str | None, port: int, *, is_shared: bool) -> socket.socket:
    if host in (None, "::") and socket.has_dualstack_ipv6():
        with suppress(OSError) if host is None else nullcontext():  # a kernel without IPv6
            return socket.create_server(
                ("", port), family=socket.AF_INET6, dualstack_ipv6=True, reuse_port=is_shared
            )
    family, address = sockaddr(host or "0.0.0.0", port)
    return socket.create_server(address, family=family, reuse_port=is_shared)


def sockaddr(host: str, port: int) -> tuple[socket.AddressFamily, tuple[Any, ...]]:
    """Return what a name or an address is to the system: a link-local one has its scope there."""
    info = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    return info[0], info[4]


def _open_unix(path: str) -> socket.socket:
    with suppress(FileNotFoundError):
        if stat.S_ISSOCK(os.stat(path).st_mode):  # left by a process that is gone
            probe = socket.socket(socket.AF_UNIX)
            with probe:
                if probe.connect_ex(path) == 0:
                    raise OSError(errno.EADDRINUSE, "Address already in use")
            os.unlink(path)
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    sock.bind(path)
    return sock


def bound_address(sock: socket.socket) -> str:
    """Return where a socket is reached, as the ready file has it."""
    name = sock.getsockname()
    if sock.family == socket.AF_UNIX:
        return f"unix:{name}"
    host, port = name[0], name[1]
    if host in ("::", "0.0.0.0"):  # an address that works, not a wildcard
        host = "::1" if _is_ipv6_only(sock) else "127.0.0.1"
    if sock.family == socket.AF_INET6 and name[3]:
        host = f"{host.partition('%')[0]}%{socket.if_indextoname(name[3])}"
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def listening_text(sock: socket.socket) -> str:
    """Return where a socket listens, as the log has it."""
    name = sock.getsockname()
    if sock.family == socket.AF_UNIX or name[0] not in ("::", "0.0.0.0"):
        return bound_address(sock)
    if name[0] == "0.0.0.0":
        return f":{name[1]}, on all addresses of IPv4"
    return f":{name[1]}, on all addresses{' of IPv6' if _is_ipv6_only(sock) else ''}"


def _is_ipv6_only(sock: socket.socket) -> bool:
    if sock.family != socket.AF_INET6:
        return False
    return bool(sock.getsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY))


def _set_options(sock: socket.socket) -> None:
    """Send at once, and notice a peer that is gone while nothing is sent: in a minute, not hours.

    On Linux accepted connections have it from the listening socket, at no cost.
    """
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in (("TCP_KEEPIDLE", 30), ("TCP_KEEPINTVL", 10), ("TCP_KEEPCNT", 3)):
        option = getattr(socket, name, None)  # macOS has other names
        if option is not None:
            sock.setsockopt(socket.IPPROTO_TCP, option, value)


class Listener:
    """Accepts connections on some sockets until it is closed."""

    def __init__(
        self,
        runtime: Runtime,
        name: str,
        sockets: Sequence[socket.socket],
        take: Take,
        *,
        has_proxy_header: bool = True,
        is_owner: bool = True,
    ) -> None:
        """Start accepting.

        Args:
            runtime: What every connection needs.
            name: For the log: rtmp, tls or http.
            sockets: Listening and non-blocking.
            take: Takes over each connection that is within the limits.
            has_proxy_header: Balancers of `rtmp.proxy_protocol_from` send their header here.
            is_owner: False: others listen on these sockets too, and go on when this ends.
        """
        self._runtime = runtime
        self._name = name
        self._take = take
        self._has_proxy_header = has_proxy_header
        self._is_owner = is_owner
        self._sockets = {sock.fileno(): sock for sock in sockets}
        self._refusals = Repeats(log, f"{name} connections refused")
        failures = f"{name} connections not accepted"
        self._failures = Repeats(log, failures, level=logging.ERROR)
        for sock in sockets:
            runtime.poller.register(sock.fileno(), _Acceptor(self, sock))

    def close(self) -> None:
        """Accept no more."""
        for descriptor, sock in self._sockets.items():
            self._runtime.poller.unregister(descriptor)
            if sock.family == socket.AF_UNIX and self._is_owner:
                with suppress(OSError):
                    os.unlink(sock.getsockname())
            sock.close()
        self._sockets.clear()

    def accept(self, listening: socket.socket) -> None:
        """Accept what waits on one socket, up to ACCEPTS connections."""
        for _ in range(ACCEPTS):
            try:
                sock, name = listening.accept()
            except (BlockingIOError, ConnectionAbortedError, InterruptedError):
                return
            except OSError as error:
                text = f"{self._name} cannot accept: {error.strerror}"
                self._failures.add(
                    f"{text}; raise the limit of open files", self._runtime.loop.time()
                )
                self._rest(listening)
                return
            sock.setblocking(False)
            if sock.family == socket.AF_UNIX:
                self._admit(sock, LOCAL)
            else:
                if not INHERITS_OPTIONS:
                    _set_options(sock)
                self._admit(sock, Peer.at(name[0], name[1], self._runtime.pseudonyms))

    def _admit(self, sock: socket.socket, peer: Peer, *, is_real: bool = False) -> None:
        """Let a connection in, if it is within the limits.

        Args:
            sock: Accepted.
            peer: Where it comes from, or what its proxy says of that.
            is_real: The proxy has had its say.
        """
        runtime = self._runtime
        settings = runtime.settings
        networks = settings.rtmp.proxy_protocol_from
        has_header = self._has_proxy_header and not is_real and peer.is_in(networks)
        is_balancer = has_header or peer.is_in(settings.http.proxies)
        try:
            runtime.admission.enter(peer.address, runtime.loop.time(), is_balancer=is_balancer)
        except LimitExceeded as error:
            runtime.admission.leave(peer.address)
            runtime.counters.refused += 1
            self._refusals.add(f"{self._name} {peer} refused: {error}", runtime.loop.time())
            sock.close()
            return
        if has_header:
            ProxyHeader(runtime, sock, peer, partial(self._admit, is_real=True))
        else:
            self._take(sock, peer)

    def _rest(self, listening: socket.socket) -> None:
        """Leave a socket alone for a while: it would wake us again at once."""
        poller = self._runtime.poller
        descriptor = listening.fileno()
        poller.modify(descriptor, 0)

        def resume() -> None:
            if descriptor in self._sockets:
                poller.modify(descriptor, READ)

        self._runtime.loop.call_later(ACCEPT_PAUSE_S, resume)


class _Acceptor:
    """One listening socket, as the poller sees it."""

    __slots__ = ("_listener", "_socket")

    def __init__(self, listener: Listener, sock: socket.socket) -> None:
        self._listener = listener
        self._socket = sock

    def handle_events(self, events: int) -> None:
        self._listener.accept(self._socket)
