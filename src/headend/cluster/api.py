"""The API's part about the cluster: its nodes, and how many streams each publishes."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from aiohttp import web

from headend.features.routes import Route
from headend.http.api.models import Model
from headend.http.api.route import V1

if TYPE_CHECKING:
    from headend.cluster.redis_directory import RedisDirectory

NODES: Final = f"{V1}/nodes"


class NodeStatus(Model):
    """A node of the cluster."""

    node: str
    boot: str
    rtmp: str
    http: str
    streams: int
    is_this: bool


class NodeList(Model):
    """All nodes, and whether Redis answers: else they are those known last."""

    nodes: list[NodeStatus]
    is_away: bool


def routes(directory: "RedisDirectory") -> Sequence[Route]:
    """Return the operation that lists the nodes."""

    async def nodes(request: web.Request) -> NodeList:
        found = [
            NodeStatus(
                node=each.label,
                boot=each.boot,
                rtmp=each.rtmp,
                http=each.http,
                streams=directory.count(each),
                is_this=each == directory.me,
            )
            for each in directory.members()
        ]
        return NodeList(nodes=found, is_away=directory.is_away)

    return [Route("GET", NODES, "Nodes of the cluster", nodes, NodeList)]
