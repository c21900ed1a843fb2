"""Tests of headend.http.api.nodes."""

from pathlib import Path

import pytest
from tests.web import serve

from headend.http.api import nodes


async def test_server_alone_is_the_only_node(tmp_path: Path) -> None:
    async with serve(tmp_path, "cluster.node=here") as web:
        await web.publish()
        found = (await web.get("/nodes")).json
        assert not found["is_away"]
        [node] = found["nodes"]
        assert (node["node"], node["worker"], node["is_this"]) == ("here", None, True)
        assert (node["streams"], node["names"]) == (1, ["live/a"])
        assert node["load"]["state"] == "serving"
        assert node["load"]["sessions"] == 1
        web.live.services.draining.ends_at = 1.0
        [node] = (await web.get("/nodes")).json["nodes"]
        assert node["load"]["state"] == "draining"
        web.live.services.sessions.is_stopping = True
        [node] = (await web.get("/nodes")).json["nodes"]
        assert node["load"]["state"] == "stopping"


async def test_names_of_many_streams_are_the_first_ones_and_all_are_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(nodes, "NAMES", 2)
    async with serve(tmp_path) as web:
        for name in "cab":
            await web.publish(name)
        [node] = (await web.get("/nodes")).json["nodes"]
        assert (node["streams"], node["names"]) == (3, ["live/a", "live/b"])
