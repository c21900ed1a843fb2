"""Tests of whom relays trust: certificates, fingerprints, and limits."""

import logging
from pathlib import Path

import pytest
from tests.harness import Live, log_lines, until
from tests.relay.servers import into, out, publish_pictures, server, states, targets

from headend.tls.served import ServedCertificates

TLS = "tls.listen=127.0.0.1:0"


def secure_url(live: Live) -> str:
    return f"rtmps://{live.server.addresses['tls'][0]}/live/{{name}}"


def fingerprint(live: Live) -> str:
    return live.services.features[ServedCertificates].store.certificates[0].fingerprint


async def decided(live: Live) -> None:
    """Wait until a relay's first try is over, or has succeeded."""
    await until(lambda: states(live) not in ([], ["connecting"]))


async def test_certificate_that_nobody_vouches_for_is_failed_with_the_reason(
    tmp_path: Path,
) -> None:
    async with server(tmp_path, "there", TLS) as there:
        url = secure_url(there)
        async with server(tmp_path, "here", out(url)) as live:
            await publish_pictures(await live.publisher("a"))
            await until(lambda: states(live) == ["failed"])
            assert "its certificate is not trusted" in targets(live)[0]["reason"]
            assert not there.services.registry.publication("live/a")


async def test_fingerprint_decides_alone(tmp_path: Path) -> None:
    async with server(tmp_path, "there", TLS) as there:
        url, right = secure_url(there), fingerprint(there)
        for name, given, state in (("a", right, "live"), ("b", "00" * 32, "failed")):
            more = f', fingerprint="{given}"'
            async with server(tmp_path, name, out(url, more=more)) as live:
                await publish_pictures(await live.publisher(name))
                await decided(live)
                assert states(live) == [state]
                if state == "failed":
                    assert "another fingerprint" in targets(live)[0]["reason"]


async def test_stream_is_fetched_over_tls(tmp_path: Path) -> None:
    async with server(tmp_path, "origin", TLS) as origin:
        more = f', fingerprint="{fingerprint(origin)}"'
        async with server(tmp_path, "edge", into(secure_url(origin), more=more)) as edge:
            sent = await publish_pictures(await origin.publisher("a"))
            player = await edge.player("a")
            assert await player.expect_media(len(sent)) == sent
            assert [each.tls is not None for each in origin.services.sessions.connections] != [
                False
            ] * 2


async def test_authority_that_cannot_be_read_is_failed(tmp_path: Path) -> None:
    setting = out("rtmps://127.0.0.1:1/live/{name}", more=f', ca="{tmp_path}/no.pem"')
    async with server(tmp_path, "there") as there:
        port = there.server.addresses["rtmp"][0].rpartition(":")[2]
        setting = setting.replace(":1/", f":{port}/")
        async with server(tmp_path, "here", setting) as live:
            await publish_pictures(await live.publisher("a"))
            await until(lambda: states(live) == ["failed"])
            assert "no.pem: No such file" in targets(live)[0]["reason"]


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("rtmp://127.0.0.1:1", "the URL names no stream"),
        ("rtmp://no-such-host.invalid/live/{name}", "no-such-host.invalid"),
    ],
)
async def test_url_that_leads_nowhere_has_a_reason(url: str, words: str, tmp_path: Path) -> None:
    async with server(tmp_path, "here", out(url)) as live:
        await publish_pictures(await live.publisher("a"))
        await decided(live)
        assert words in targets(live)[0]["reason"]


async def test_no_more_streams_are_sent_than_the_limit(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO):
        urls = [f"rtmp://127.0.0.1:1/{number}/{{name}}" for number in range(3)]
        async with server(tmp_path, "here", out(*urls), "limits.relays=2") as live:
            await publish_pictures(await live.publisher("a"))
            await until(lambda: states(live) == ["retrying", "retrying"])
        assert len(log_lines(caplog, "limits.relays")) == 1
