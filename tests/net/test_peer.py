"""Tests of who a peer is, behind proxies too, over every protocol."""

from ipaddress import ip_network
from pathlib import Path

import pytest
from tests.harness import C0_C1, C2, Live, Peer, command, live_server, until
from tests.hls_viewers import hls_viewer
from tests.web import Web, serve
from tests.wire import wire

from headend.hls.streams import HlsStreams
from headend.net.peer import LOCAL, forwarded_peers, named_by
from headend.net.peer import Peer as Address

HERE = Address.at("127.0.0.1", 5000)
PROXY = Address.at("10.0.0.1", 5000)
INSIDE = (ip_network("10.0.0.0/8"),)
BEHIND = "http.proxies=127.0.0.1"
BALANCED = "rtmp.proxy_protocol_from=127.0.0.1/32"


def seen(peer: Address) -> str:
    return f"{peer}{' unknown' if peer.is_unknown else ''}{' local' if peer.is_local else ''}"


@pytest.mark.parametrize(
    ("text", "peer"),
    [
        ("198.51.100.10", "198.51.100.10:0"),
        ("198.51.100.10:4711", "198.51.100.10:4711"),
        ("6.6.6.6, 198.51.100.10:4711", "198.51.100.10:4711"),
        ("198.51.100.10:4711, 10.0.0.2:80", "198.51.100.10:4711"),
        ("2001:db8::9", "[2001:db8::9]:0"),
        ("[2001:db8::9]", "[2001:db8::9]:0"),
        ("[2001:db8::9]:1", "[2001:db8::9]:1"),
        ("[::ffff:198.51.100.10]:1", "198.51.100.10:1"),
        ("[fe80::1%eth0]:1", "[fe80::1]:1"),
        ("10.0.0.3, 10.0.0.2", "10.0.0.3:0"),
        ("nonsense", "10.0.0.1:5000 unknown"),
        ("", "10.0.0.1:5000 unknown"),
        ("unknown, 10.0.0.2", "10.0.0.2:0 unknown"),
        ("198.51.100.10:", "10.0.0.1:5000 unknown"),
        ("198.51.100.10:65536", "10.0.0.1:5000 unknown"),
        ("198.51.100.256:1", "10.0.0.1:5000 unknown"),
        ("[198.51.100.10:1", "10.0.0.1:5000 unknown"),
        ("127.0.0.1", "127.0.0.1:0 unknown"),  # of the proxy's machine, not of ours
        ("[::1]:7", "[::1]:7 unknown"),
    ],
)
def test_proxy_on_another_machine_names_who_is_behind_it(text: str, peer: str) -> None:
    assert seen(named_by(PROXY, forwarded_peers(text), INSIDE)) == peer


@pytest.mark.parametrize(
    ("text", "peer"),
    [
        ("127.0.0.1", "127.0.0.1:0 local"),
        ("[::1]:7", "[::1]:7 local"),
        ("nonsense", "127.0.0.1:5000 unknown"),
        ("198.51.100.10:4711", "198.51.100.10:4711"),
    ],
)
def test_only_a_proxy_on_this_machine_can_name_this_machine(text: str, peer: str) -> None:
    assert seen(named_by(HERE, forwarded_peers(text))) == peer


def test_proxy_that_names_nobody_is_the_peer_itself() -> None:
    assert seen(named_by(HERE, [])) == "127.0.0.1:5000 local"
    assert seen(named_by(LOCAL, [None])) == "unix unknown"


# ---------------------------------------------------------------------- over RTMP

UNKNOWN = {
    "version 1": b"PROXY UNKNOWN\r\n",
    "version 2, unspecified": wire("0d0a0d0a000d0a515549540a 21 00 0000"),
    "version 2, unix": wire("0d0a0d0a000d0a515549540a 21 31 00d8") + bytes(216),
}


async def connected(live: Live, header: bytes) -> Peer:
    peer = await live.peer()
    await peer.send(header + C0_C1 + C2 + command("connect", 1, {"app": "live"}))
    await peer.send(command("createStream", 2, None))
    await peer.expect("_result 2 None 1.0")
    return peer


@pytest.mark.parametrize("header", UNKNOWN.values(), ids=UNKNOWN.keys())
async def test_peer_that_its_balancer_does_not_name_is_not_this_machine(
    header: bytes, tmp_path: Path
) -> None:
    async with live_server(tmp_path, BALANCED) as live:  # auth.publish is loopback
        peer = await connected(live, header)
        await peer.send(command("publish", 3, None, "a", "live", on=1))
        await peer.expect("NetStream.Publish.Denied")
        assert "from another machine" in peer.reasons[-1]


async def test_balancer_that_connects_for_itself_is_where_it_is(tmp_path: Path) -> None:
    async with live_server(tmp_path, BALANCED) as live:
        peer = await connected(live, wire("0d0a0d0a000d0a515549540a 20 00 0000"))
        await peer.send(command("publish", 3, None, "a", "live", on=1))
        await peer.expect("NetStream.Publish.Start")


async def test_peer_that_nobody_names_is_shut_out_for_its_guesses(tmp_path: Path) -> None:
    settings = (BALANCED, "auth.private=live/*", "auth.wrong_attempts=2")
    async with live_server(tmp_path, *settings) as live:
        for _ in range(3):
            peer = await connected(live, b"PROXY UNKNOWN\r\n")
            await peer.send(command("play", 3, None, "a?token=nonsense", on=1))
            await peer.expect("NetStream.Play.Failed")
        assert peer.reasons[-1].startswith("too many wrong keys")


async def test_lists_of_addresses_have_nobody_that_is_unknown(tmp_path: Path) -> None:
    async with live_server(tmp_path, BALANCED, "auth.play_from=127.0.0.0/8") as live:
        peer = await connected(live, b"PROXY UNKNOWN\r\n")
        await peer.send(command("play", 3, None, "a", on=1))
        await peer.expect("NetStream.Play.Failed")
        assert peer.reasons[-1] == "watching is not allowed from your address"
        peer = await connected(live, b"PROXY TCP4 127.0.0.1 127.0.0.1 1 2\r\n")
        await peer.send(command("play", 3, None, "a", on=1))
        await peer.expect("NetStream.Play.Start")


# ---------------------------------------------------------------------- over HTTP


def forwarded(text: str) -> dict[str, str]:
    return {"X-Forwarded-For": text}


async def guess(web: Web, by: str) -> str:
    answer = await web.ask("GET", "/live/a/index.m3u8?token=nonsense", headers=forwarded(by))
    assert answer.status == 403
    return answer.detail


@pytest.mark.parametrize("by", ["198.51.100.10:4711", "[2001:db8::9]:1", "nonsense"])
async def test_guesses_behind_a_proxy_count_for_who_makes_them(by: str, tmp_path: Path) -> None:
    settings = (BEHIND, "auth.private=live/*", "auth.wrong_attempts=2")
    async with serve(tmp_path, *settings) as web:
        details = [await guess(web, by) for _ in range(3)]
        assert details[:2] == 2 * ["the token is not valid"]
        assert details[2].startswith("too many wrong keys")
        assert await guess(web, "198.51.100.77:1") == "the token is not valid"


async def viewers(web: Web) -> list[str]:
    """Return who watches, as the API shows it."""
    sessions = (await web.get("/sessions")).json["sessions"]
    return [each["peer"] for each in sessions if each["plays"]]


@pytest.mark.parametrize("scheme", ["http", "ws"])
async def test_viewers_of_flv_behind_a_proxy_are_who_they_are(scheme: str, tmp_path: Path) -> None:
    async with serve(tmp_path, BEHIND) as web:
        await web.publish()
        headers, url = forwarded("198.51.100.10:4711"), f"{web.base}/live/a.flv"
        if scheme == "ws":
            async with web.client.ws_connect(url, headers=headers) as socket:
                assert (await socket.receive_bytes())[:3] == b"FLV"
                assert await viewers(web) == ["198.51.100.10:4711"]
        else:
            async with web.client.get(url, headers=headers) as response:
                assert (await response.content.readexactly(3)) == b"FLV"
                assert await viewers(web) == ["198.51.100.10:4711"]
        await web.client.close()  # the admission counts out what it has counted in
        publishers = len(web.live.services.sessions.connections)
        await until(lambda: web.live.services.admission.connections == publishers)


async def test_viewers_of_hls_behind_a_proxy_are_told_apart(tmp_path: Path) -> None:
    async with serve(tmp_path, BEHIND, "limits.viewers_per_stream=1", "hls.part_s=0") as web:
        await web.publish()
        hls = web.live.services.features[HlsStreams]
        packaged = hls.begin(web.stream())
        hls_viewer(packaged, Address.at("198.51.100.10", 1), "")
        path = "/live/a/abc123-1.m4s"
        headers = {"User-Agent": "", **forwarded("198.51.100.10:4711")}
        assert (await web.ask("GET", path, headers=headers)).status == 404  # it may ask
        headers |= forwarded("198.51.100.11:4711")
        assert (await web.ask("GET", path, headers=headers)).status == 403


async def test_api_is_not_given_to_who_is_not_named(tmp_path: Path) -> None:
    async with serve(tmp_path, BEHIND, "auth.api_from=127.0.0.1") as web:
        assert (await web.get("/server")).status == 200
        assert (await web.get("/server", headers=forwarded("nonsense"))).status == 403
        assert (await web.get("/server", headers=forwarded("127.0.0.1:1"))).status == 200
