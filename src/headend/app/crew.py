"""A server that is one of several workers: its directory, and its sockets for the others."""

import logging
import os
import socket
import struct
import sys
from dataclasses import asdict
from ipaddress import ip_address
from typing import TYPE_CHECKING, Final

from headend.access.passwords import Passwords
from headend.app.crew_bans import CrewBans
from headend.app.crew_certificates import CrewCertificates
from headend.app.crew_limits import CrewLimits
from headend.app.crew_numbers import CrewNumbers
from headend.decisions import Address
from headend.directory.port import Body
from headend.directory.values import Member
from headend.drain.drain import Drain
from headend.features.features import Features
from headend.hls.streams import HlsStreams
from headend.live.rtmp_connection import RtmpConnection
from headend.live.services import Services
from headend.net.listener import Listener
from headend.net.peer import Peer
from headend.net.proxied import Take
from headend.net.transport import Transport
from headend.relay.relays import Relays
from headend.rtmp.authmod import Challenge
from headend.workers.pipe import Notice
from headend.workers.pipe_directory import PipeDirectory
from headend.workers.tether import Tether
from headend.workers.told import Forwarder, event_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from headend.http.server import HttpServer

log = logging.getLogger(__name__)

_CREDENTIALS: Final = struct.Struct("3i")  # pid, uid, gid: ucred of unix(7)


class Crew:
    """The crew that a worker belongs to.

    Attributes:
        worker: The worker.
        directory: Says which worker has a stream.
        certificates: Tells the others of certificates that are ordered; there after `join`.
    """

    certificates: CrewCertificates

    def __init__(self, tether: Tether) -> None:
        """Prepare; `join` and `begin` follow."""
        self._tether: Final = tether
        self.worker: Final = tether.worker
        self.directory: Final = PipeDirectory(tether.worker.member, tether)
        self._listeners: Final[list[Listener]] = []
        self._features: Features | None = None
        self._passwords: Passwords | None = None
        self._reload: Callable[[], object] = lambda: None

    def join(self, services: Services, reload: "Callable[[], object]") -> None:
        """Have worker 0 tell what happens, and all hear what they are to read again.

        Args:
            services: What all connections share.
            reload: Reads settings and files again.
        """
        self._features, self._reload = services.features, reload
        self._passwords = passwords = services.access.passwords
        passwords.asked, passwords.answered = self._asked, self._answered
        self.directory.watch(self)
        self.certificates = CrewCertificates(services, self.directory, self.worker.count)
        self.directory.watch(self.certificates)
        self.directory.watch(CrewBans(services, self.directory))
        self.directory.watch(CrewLimits(services, self.directory))
        if self.worker.is_first:
            self._tether.on("event", lambda notice: _emit(services, notice))
        else:
            Forwarder(self._tether, services.events)

    def begin(self, services: Services, http: "HttpServer | None") -> None:
        """Take connections of other workers, and what they tell."""
        hls = services.features.find(HlsStreams)
        if hls is not None:
            self.directory.watch(CrewNumbers(services, hls, self.directory))

        def take_rtmp(sock: socket.socket, peer: Peer) -> None:
            connection = RtmpConnection(services, peer)
            connection.start(Transport(sock, services.poller, connection))

        takes: dict[str, Take] = {"rtmp": take_rtmp}
        if http is not None:
            takes["http"] = http.take_member
        for name, take in takes.items():
            self._listeners.append(
                Listener(
                    services.runtime,
                    f"worker {name}",
                    [self.worker.peers[name]],
                    _checked(services, take),
                    has_proxy_header=False,
                    is_owner=False,
                )
            )
        self._tether.start()

    def drain_with(self, drain: Drain) -> None:
        """Have all workers drain together; the supervisor stops them when all are done."""
        tether = self._tether
        tether.on("drain", lambda notice: drain.take(notice["ends_at"]))
        drain.tell = lambda ends_at: tether.send({"kind": "drain", "ends_at": ends_at})
        drain.over = lambda: tether.send({"kind": "drained"})

    def close(self) -> None:
        """Take no more connections."""
        for listener in self._listeners:
            listener.close()

    # ------------------------------------------------------------------ what all must know

    def _asked(self, challenge: Challenge, address: Address | None) -> None:
        body = {**asdict(challenge), "address": None if address is None else str(address)}
        self.directory.tell(None, "challenge", body)

    def _answered(self, nonce: str) -> None:
        self.directory.tell(None, "answered", {"nonce": nonce})

    # ------------------------------------------------------------------ what the directory tells

    def owner_changed(self, path: str) -> None:
        """Do nothing: others see to it."""

    def message(self, sender: Member, kind: str, body: Body) -> None:
        """Read again what another worker has changed, and know whom it has asked."""
        relays = None if self._features is None else self._features.find(Relays)
        if kind == "reload":
            self._reload()
        elif kind == "relays" and relays is not None:
            relays.read_again()
        elif kind == "challenge" and self._passwords is not None:
            values = dict(body)
            address = values.pop("address")
            known = None if address is None else ip_address(str(address))
            self._passwords.expect(Challenge(**values), known)  # type: ignore[arg-type]
        elif kind == "answered" and self._passwords is not None:
            self._passwords.forget(str(body["nonce"]))


def _emit(services: Services, notice: Notice) -> None:
    services.events.emit(event_of(notice))


def _checked(services: Services, take: Take) -> Take:
    """Return what takes connections of processes of this user only."""

    def check(sock: socket.socket, peer: Peer) -> None:
        if _is_ours(sock):
            take(sock, peer)
            return
        services.admission.leave(peer.address)
        sock.close()
        log.warning("a process of another user tried to reach this worker; it was refused")

    return check


def _is_ours(sock: socket.socket) -> bool:
    """Say whether this user's process has connected; the folder of the socket lets in no other."""
    if sys.platform != "linux":
        return True
    data = sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    return int(_CREDENTIALS.unpack(data)[1]) in (os.geteuid(), 0)
