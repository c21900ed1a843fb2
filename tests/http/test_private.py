"""Tests of private streams and what authorizers say, over HTTP and WebSocket."""

import time
from pathlib import Path

import aiohttp
import pytest
from tests.harness import Live
from tests.http.watched import serve
from tests.odd_tokens import ODD, raw_token

from headend.access.tokens import Token
from headend.decisions import AccessRequest, Allow, Decision, Deny, Redirect

WEBSOCKET = {
    "Connection": "Upgrade",
    "Upgrade": "websocket",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA==",
}
VIP = "auth.private=live/a"


def token(live: Live, seconds: float = 60, *, viewers: int | None = None) -> str:
    made = Token("", "live/a", "play", time.time() + seconds, viewers=viewers)
    return live.services.access.tokens.sign(made, time.time())


@pytest.mark.parametrize("scheme", ["http", "ws"])
async def test_private_stream_needs_a_token(tmp_path: Path, scheme: str) -> None:
    async with serve(tmp_path, VIP) as web:
        await web.publish()
        url = f"{web.base.replace('http', scheme)}/live/a.flv"
        headers = WEBSOCKET if scheme == "ws" else {}
        for query, detail in (
            ("", "this stream needs a token: ?token=…"),
            ("?token=nonsense", "the token is not valid"),
            (f"?token={token(web.live, -1)}", "the token has expired"),
        ):
            address = f"{web.base}/live/a.flv{query}"
            async with web.client.get(address, headers=headers) as response:
                assert response.status == 403
                problem = await response.json(content_type=None)
                assert problem["detail"] == detail
                assert problem["code"] == "NetStream.Play.Failed"
        address = f"{url}?token={token(web.live)}"
        if scheme == "ws":
            async with web.client.ws_connect(address) as socket:
                assert (await socket.receive_bytes())[:3] == b"FLV"
        else:
            async with web.client.get(address) as response:
                assert (await response.content.readexactly(3)) == b"FLV"


@pytest.mark.parametrize("file", ["a.flv", "a/index.m3u8", "a/thumbnail.jpg"])
async def test_odd_token_is_refused_by_every_output(tmp_path: Path, file: str) -> None:
    async with serve(tmp_path, VIP) as web:
        await web.publish()
        key = web.live.services.access.secret.derive("tokens")
        for claims, header in ODD:
            address = f"{web.base}/live/{file}?token={raw_token(key, claims, header)}"
            async with web.client.get(address) as response:
                assert response.status == 403


async def test_bearer_token_is_taken_too(tmp_path: Path) -> None:
    async with serve(tmp_path, VIP) as web:
        await web.publish()
        headers = {"Authorization": f"Bearer {token(web.live)}"}
        async with web.client.get(f"{web.base}/live/a.flv", headers=headers) as response:
            assert response.status == 200


async def test_watching_over_flv_and_websocket_ends_with_the_token(tmp_path: Path) -> None:
    async with serve(tmp_path, VIP) as web:
        await web.publish()
        query = f"?token={token(web.live, 1.5)}"
        socket = await web.client.ws_connect(f"{web.base}/live/a.flv{query}")
        async with web.client.get(f"{web.base}/live/a.flv{query}") as response:
            await response.content.read()
        async for message in socket:
            assert message.type is aiohttp.WSMsgType.BINARY
        assert socket.close_code == aiohttp.WSCloseCode.OK
        await web.viewers(0)
        assert not [g for g in web.live.services.gate.live() if g.action == "play"]


async def test_token_counts_its_viewers_on_all_protocols(tmp_path: Path) -> None:
    async with serve(tmp_path, VIP) as web:
        await web.publish()
        query = f"?token={token(web.live, viewers=1)}"
        async with web.client.get(f"{web.base}/live/a.flv{query}") as response:
            assert response.status == 200
            async with web.client.get(f"{web.base}/live/a.flv{query}") as refused:
                assert refused.status == 403
        await web.viewers(0)
        await web.live.player(f"a{query}")


class Says:
    """An authorizer that always says the same."""

    def __init__(self, decision: Decision) -> None:
        self.decision = decision
        self.asked: list[AccessRequest] = []

    async def authorize(self, request: AccessRequest) -> Decision:
        self.asked.append(request)
        return self.decision


async def test_authorizers_refuse_rename_and_redirect(tmp_path: Path) -> None:
    async with serve(tmp_path) as web:
        await web.publish()
        says = Says(Deny("not you"))
        web.live.services.gate.authorizers.append(says)
        url = f"{web.base}/live/other.flv"
        async with web.client.get(url) as response:
            assert response.status == 403
            assert (await response.json(content_type=None))["detail"] == "not you"
        assert (says.asked[0].path, says.asked[0].protocol) == ("live/other", "http-flv")
        says.decision = Redirect("http://edge.example/live/a.flv")
        async with web.client.get(url, allow_redirects=False) as response:
            assert response.status == 307
            assert response.headers["Location"] == "http://edge.example/live/a.flv"
        says.decision = Allow(stream="live/a")
        async with web.client.get(url) as response:
            assert (await response.content.readexactly(3)) == b"FLV"


async def test_viewer_without_session_is_not_asked_about_each_time(tmp_path: Path) -> None:
    async with serve(tmp_path) as web:
        says = Says(Allow())
        web.live.services.gate.authorizers.append(says)
        for _ in range(3):
            async with web.client.get(f"{web.base}/live/a/thumbnail.jpg") as response:
                assert response.status == 404  # nobody publishes it
        assert len(says.asked) == 1
