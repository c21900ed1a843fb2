"""The feature of a server that is a node of a cluster: its place in the directory.

settings ─► Member, RedisDirectory ─► Elsewhere, the feature that claims names and copies streams
"""

import logging
import secrets
import socket
from asyncio import TimerHandle
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Final
from urllib.parse import urlsplit

from pydantic import ValidationError

from headend.cluster.other_nodes import OtherNodes
from headend.cluster.redis_directory import LeaseSettings, RedisDirectory
from headend.cluster.redis_line import RedisLine
from headend.directory.port import Body
from headend.directory.values import Member
from headend.errors import SettingsError
from headend.features.feature import Values
from headend.http.api.nodes import NAMES, Neighbours, NodeList, NodeLoad, NodeStatus, load
from headend.live.services import Services
from headend.settings import Settings

log = logging.getLogger(__name__)

BOOT_BYTES: Final = 8
LOAD: Final = "load"  # kind of a message
LOAD_S: Final = 5.0  # from one time that a node tells the others its load to the next
ANYWHERE: Final = ("", "*", "0.0.0.0", "[::]")


class ClusterNode(Neighbours):
    """A node of a cluster.

    Attributes:
        directory: The directory in Redis.
        secret: What all nodes share.
    """

    name = "cluster"
    ends_last = True  # streams give their names back before

    def __init__(self, services: Services) -> None:
        """Prepare.

        Args:
            services: What all connections share.

        Raises:
            SettingsError: The package redis is missing, or the addresses cannot be told to others.
        """
        self._services: Final = services
        self._loads: Final[dict[str, NodeLoad]] = {}  # of the other nodes, by boot
        self._telling: TimerHandle | None = None
        settings = services.settings.cluster
        self.secret: Final = settings.secret.get_secret_value().encode()
        if not self.secret:
            raise SettingsError("cluster.redis needs cluster.secret, the same on all servers")
        line = RedisLine(settings.redis.get_secret_value())
        member = member_of(services.settings, services.addresses)
        self.directory: Final = RedisDirectory(
            line, member, self.secret, lease_of(services.settings)
        )
        services.draining.others = OtherNodes(self.directory, services.loop.time)

    def start(self) -> None:
        """Take up the lease."""
        self.directory.watch(self)
        self.directory.start()
        self._tell_load()
        me = self.directory.me
        log.info("cluster: this server is %s at %s", me.node, me.rtmp)

    def configure(self, settings: Settings) -> None:
        """Take other settings of the lease."""
        self.directory.settings = lease_of(settings)

    async def stop(self) -> None:
        """Leave the cluster."""
        if self._telling is not None:
            self._telling.cancel()
        await self.directory.close()

    # ------------------------------------------------------------------ the load of all nodes

    def _tell_load(self) -> None:
        """Tell the others what this node has to do, again and again."""
        self.directory.tell(None, LOAD, load(self._services).model_dump())
        self._telling = self._services.loop.call_later(LOAD_S, self._tell_load)

    def message(self, sender: Member, kind: str, body: Body) -> None:
        """Take note of the load of another node."""
        if kind == LOAD:
            with suppress(ValidationError):
                self._loads[sender.boot] = NodeLoad.model_validate(body)

    def owner_changed(self, path: str) -> None:
        """Do nothing: names are for others."""

    def nodes(self) -> NodeList:
        """List all nodes."""
        members = self.directory.members()
        there = {each.boot for each in members}
        for boot in self._loads.keys() - there:
            del self._loads[boot]
        return NodeList(
            nodes=[self._describe(each) for each in members], is_away=self.directory.is_away
        )

    def _describe(self, member: Member) -> NodeStatus:
        is_this = member == self.directory.me
        names = self.directory.owned(member)
        return NodeStatus(
            node=member.label,
            worker=None,
            boot=member.boot,
            rtmp=member.rtmp,
            http=member.http,
            is_this=is_this,
            streams=len(names),
            names=sorted(names)[:NAMES],
            load=load(self._services) if is_this else self._loads.get(member.boot),
        )

    def status(self) -> Values:
        """Say how the directory is, for the API and the console."""
        directory = self.directory
        return {
            "node": directory.me.node,
            "nodes": len(directory.members()),
            "directory": "away" if directory.is_away else "ok",
            "claims": directory.claims,
            "refusals": directory.refusals,
            "failures": directory.failures,
        }


def lease_of(settings: Settings) -> LeaseSettings:
    """Return how a node keeps its names."""
    return LeaseSettings(settings.cluster.lease_s, settings.cluster.on_directory_error)


def member_of(settings: Settings, addresses: Mapping[str, Sequence[str]]) -> Member:
    """Return what this server tells the others of itself.

    Raises:
        SettingsError: Others cannot fetch streams from it.
    """
    host = socket.gethostname()
    told = settings.cluster.advertise or tuple(_advertised(host, addresses))
    rtmp = [each.rstrip("/") for each in told if urlsplit(each).scheme in ("rtmp", "rtmps")]
    http = [each.rstrip("/") for each in told if urlsplit(each).scheme in ("http", "https")]
    if not rtmp:
        raise SettingsError(
            "cluster.advertise names no rtmp:// or rtmps:// URL: other servers fetch streams there"
        )
    node = settings.cluster.node or host
    public = " ".join(each.rstrip("/") for each in settings.cluster.public or told)
    boot = secrets.token_hex(BOOT_BYTES)
    return Member(node, boot, rtmp[0], http[0] if http else "", public=public)


def _advertised(host: str, addresses: Mapping[str, Sequence[str]]) -> list[str]:
    """Return where this server listens; at all addresses: under the name of its machine."""
    found = []
    for name, schemes in (("rtmp", ("rtmp",)), ("http", ("http",)), ("tls", ("rtmps", "https"))):
        for address in addresses.get(name, ()):
            if not address.startswith("unix:"):
                own, _, port = address.rpartition(":")
                place = host if own in ANYWHERE else own
                found += [f"{scheme}://{place}:{port}" for scheme in schemes]
                break
    return found
