"""The API's part about who shares the streams: this server, its workers, nodes of its cluster."""

import socket
from collections.abc import Sequence
from typing import Final, Literal

from aiohttp import web
from pydantic import Field

from headend.features.feature import Feature
from headend.features.routes import Route
from headend.http.api.models import Model
from headend.http.api.route import V1
from headend.http.api.server import describe
from headend.http.passing import Passing
from headend.live import status
from headend.live.services import Services

NODES: Final = f"{V1}/nodes"
NAMES: Final = 100  # streams of a node that are named


class NodeLoad(Model):
    """What a node has to do, as it said some seconds ago."""

    state: Literal["serving", "draining", "stopping"]
    sessions: int
    viewers: int
    bit_rate_in: int
    bit_rate_out: int
    memory_bytes: int
    loop_lag_s: float


class NodeStatus(Model):
    """A node of the cluster, a worker of this server, or this server alone."""

    node: str
    worker: int | None = Field(description="Number among the workers; null: it has none.")
    boot: str = Field(description="Id of this start; empty: there are no others.")
    rtmp: str = Field(description="Where other nodes fetch streams; empty: there are none.")
    http: str
    is_this: bool = Field(description="It answers this request.")
    streams: int = Field(description="Streams that are published there.")
    names: list[str] = Field(description=f"These streams, the first {NAMES} by name.")
    load: NodeLoad | None = Field(description="null: it has not said yet.")


class NodeList(Model):
    """All nodes or workers."""

    nodes: list[NodeStatus]
    is_away: bool = Field(
        default=False, description="The cluster's Redis does not answer: this was known last."
    )


class Neighbours(Feature):
    """The feature that knows the other nodes of a cluster."""

    def nodes(self) -> NodeList:
        """Return all nodes, this one first."""
        raise NotImplementedError


def routes(services: Services) -> Sequence[Route]:
    """Return the operation that lists the nodes."""

    async def nodes(request: web.Request) -> NodeList:
        cluster = services.features.find(Neighbours)
        return NodeList(nodes=[_alone(services)]) if cluster is None else cluster.nodes()

    summary = "Nodes of the cluster or workers: streams, sessions, load."
    return [Route("GET", NODES, summary, nodes, NodeList)]


def load(services: Services) -> NodeLoad:
    """Return what this process has to do now."""
    told = describe(services)
    still: Literal["serving", "draining"] = "draining" if told.is_draining else "serving"
    return NodeLoad(
        state="stopping" if told.is_stopping else still,
        sessions=told.sessions,
        viewers=told.viewers,
        bit_rate_in=told.bit_rate_in,
        bit_rate_out=told.bit_rate_out,
        memory_bytes=told.memory_bytes,
        loop_lag_s=told.loop_lag_s,
    )


def _alone(services: Services) -> NodeStatus:
    passing = services.features.find(Passing)
    me = None if passing is None else passing.directory.me
    names = [each.path for each in status.listed(services) if each.is_live and not each.is_copy]
    return NodeStatus(
        node=services.settings.cluster.node or socket.gethostname(),
        worker=None if me is None else me.worker,
        boot="" if me is None else me.boot,
        rtmp="",
        http="",
        is_this=True,
        streams=len(names),
        names=sorted(names)[:NAMES],
        load=load(services),
    )
