"""Rules for some streams, in a whole server: over RTMP, HTTP and the API, and after a reload."""

from pathlib import Path

import pytest
from tests.harness import live_server
from tests.rtmp.peers import command
from tests.web import serve

from headend.app import Server
from headend.settings import load_settings

VIP = (
    'stream=[{ match = ["vip/*", "live/b"], auth.private = true, live.wait_s = 0, '
    "limits.viewers_per_stream = 1 }]"
)


async def test_private_by_rule_holds_over_rtmp_and_http(tmp_path: Path) -> None:
    async with serve(tmp_path, VIP) as web:
        assert (await web.ask("GET", "/vip/a.flv")).status == 403
        assert (await web.ask("GET", "/vip/a/index.m3u8")).status == 403
        viewer = await web.live.connected()
        await viewer.send(command("play", 3, None, "b", on=1))
        await viewer.expect("NetStream.Play.Failed")
        assert b"token" in viewer.heard


async def test_limit_of_viewers_by_rule_is_that_of_its_streams_only(tmp_path: Path) -> None:
    rule = 'stream=[{ match = "live/b", limits.viewers_per_stream = 1 }]'

    async with live_server(tmp_path, rule) as live:
        await live.player("a")
        await live.player("a")
        await live.player("b")
        refused = await live.connected()
        await refused.send(command("play", 3, None, "b", on=1))
        await refused.expect("NetStream.Play.Failed")
        assert b"this stream has reached its limit of viewers" in refused.heard


async def test_hls_is_off_for_streams_whose_rule_says_so(tmp_path: Path) -> None:
    async with serve(tmp_path, 'stream=[{ match = "live/a", hls.start = "off" }]') as web:
        await web.publish()
        answer = await web.ask("GET", "/live/a/index.m3u8")
        assert (answer.status, answer.detail) == (
            404,
            "This stream is not given as HLS (hls.start).",
        )


async def test_api_tells_what_rules_say_of_a_stream(tmp_path: Path) -> None:
    rule = 'stream=[{ match = "live/*", hls.segment_s = 4 }]'
    async with serve(tmp_path, rule) as web:
        await web.publish()
        answer = await web.api("GET", "/streams/live/a")
        assert answer.json["rules"] == ["hls.segment_s = 4 (live/*)"]


async def test_rule_that_a_reload_brings_holds_for_the_streams_that_are_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    file = tmp_path / "headend.toml"
    listen = 'rtmp.listen = ["127.0.0.1:0"]\ntls.listen = ["off"]\nhttp.listen = ["off"]\n'
    file.write_text(listen)

    server = Server(load_settings(file, environ={}, flags={"data": str(tmp_path / "data")}))
    await server.start()
    try:
        rules = server.services.rules
        assert not rules.of("vip/a").is_private
        file.write_text(f'{listen}[[stream]]\nmatch = "vip/*"\nauth.private = true\n')
        assert server.reload() == ["settings reloaded: stream"]
        assert server.services.rules.of("vip/a").is_private
        assert server.services.gate.policy.is_private("vip/a")
    finally:
        await server.stop()
