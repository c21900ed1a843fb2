"""Viewers over HLS are sessions like others: listed, counted, kickable."""

from pathlib import Path

import pytest
from tests.harness import log_lines, until
from tests.hls_viewers import hls_viewer
from tests.web import Web, serve

from headend.hls import viewers
from headend.hls.streams import HlsStream, HlsStreams
from headend.net.peer import Peer

PART = "/live/a/abc123-1.m4s"  # which is never there: 404 to a viewer that may ask


async def packaged(web: Web) -> HlsStream:
    await web.publish()
    return web.live.services.features[HlsStreams].begin(web.stream())


async def ask(web: Web, program: str) -> int:
    return (await web.ask("GET", PART, headers={"User-Agent": program})).status


async def test_viewer_is_listed_with_what_it_was_given(tmp_path: Path) -> None:
    async with serve(tmp_path) as web:
        stream = await packaged(web)
        assert await ask(web, "one") == 404
        assert await ask(web, "one") == 404
        (viewer,) = web.live.services.sessions.viewers
        stream.audience.gave(None, 5)
        given = hls_viewer(stream, Peer.at("127.0.0.1", 1), "one")
        assert given is viewer
        stream.audience.gave(given, 70)
        listed = (await web.get("/sessions?protocol=hls")).json["sessions"]
        assert [(each["plays"], each["user_agent"], each["bytes_out"]) for each in listed] == [
            (["live/a"], "one", 70)
        ]
        server = (await web.get("/server")).json
        assert (server["viewers"], server["sessions"], server["bytes_out"] >= 75) == (1, 2, True)
        stream = (await web.get("/streams/live/a")).json
        assert stream["viewers_by_protocol"] == {"hls": 1}


async def test_kicked_viewer_is_refused_for_a_while_and_others_are_not(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with serve(tmp_path) as web:
        await packaged(web)
        for program in ("one", "two"):
            assert await ask(web, program) == 404
        listed = (await web.get("/sessions?protocol=hls")).json["sessions"]
        number = next(each["id"] for each in listed if each["user_agent"] == "one")
        assert (await web.api("DELETE", f"/sessions/{number}")).status == 204
        assert log_lines(caplog, "closed by an administrator")
        refused = await web.ask("GET", PART, headers={"User-Agent": "one"})
        assert (refused.status, "closed your session" in refused.detail) == (403, True)
        playlist = await web.ask("GET", "/live/a/index.m3u8", headers={"User-Agent": "one"})
        assert playlist.status == 403
        assert await ask(web, "two") == 404
        monkeypatch.setattr(viewers, "KICKED_S", 0.0)
        (other,) = web.live.services.sessions.viewers
        other.kick()
        assert await ask(web, "two") == 404


async def test_only_so_many_kicked_viewers_are_remembered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(viewers, "KICKED", 2)
    async with serve(tmp_path) as web:
        stream = await packaged(web)
        for number in range(3):
            hls_viewer(stream, Peer.at("127.0.0.1", 1), f"agent {number}").kick()
        assert [await ask(web, f"agent {number}") for number in range(3)] == [404, 403, 403]


async def test_stop_of_the_server_ends_viewers(tmp_path: Path) -> None:
    async with serve(tmp_path) as web:
        stream = await packaged(web)
        viewer = hls_viewer(stream, Peer.at("127.0.0.1", 1))
        viewer.stop()
        viewer.kick()
        assert viewer.is_over
        assert not stream.audience
        await until(lambda: not web.live.services.sessions.viewers)
        stream.audience.gave(viewer, 5)  # of a request that waited
        assert web.live.services.counters.bytes_out == 5
