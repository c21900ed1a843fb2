"""Tests of relays out: one publish reaches servers of all kinds, whatever befalls them."""

from pathlib import Path
from typing import Any

import pytest
from tests.e2e import media
from tests.e2e.backend import free_port
from tests.e2e.conftest import StartServer
from tests.e2e.nginx import Start, nginx_rtmp
from tests.e2e.peers import Peers
from tests.e2e.server import Server
from tests.e2e.wait import wait_for

pytestmark = pytest.mark.e2e


@pytest.fixture
def nginx(peers: Peers, tmp_path: Path) -> tuple[str, Start]:
    """Where an nginx is to listen, and what starts it."""
    return nginx_rtmp("application live { live on; }", peers, tmp_path / "nginx")


def out(*destinations: str, match: str = "live/*") -> str:
    """Write the setting of relays to some destinations."""
    items = (f'{{match="{match}", insecure=true, url="{url}"}}' for url in destinations)
    return f"relay.out=[{', '.join(items)}]"


def targets(server: Server) -> dict[str, dict[str, Any]]:
    """Return the streams of relays by where they go."""
    return {each["url"]: each for relay in server.relays() for each in relay["targets"]}


def wait_state(server: Server, url: str, state: str) -> dict[str, Any]:
    def look() -> dict[str, Any]:
        target = targets(server).get(url, {})
        return target if target.get("state") == state else {}

    return wait_for(look, f"{url} is {state}")


def wait_tries(server: Server, url: str, count: int) -> None:
    wait_for(lambda: targets(server)[url]["tries"] >= count, f"{count} tries of {url}")


def test_one_publish_reaches_two_headends_and_nginx_unchanged(
    start_server: StartServer,
    peers: Peers,
    nginx: tuple[str, Start],
    clip: Path,
    tmp_path: Path,
) -> None:
    plain = start_server()
    secure = start_server(arguments=("--tls", "127.0.0.1:0"))
    place, start_nginx = nginx
    start_nginx()
    source = start_server(
        out(
            f"rtmp://{plain.rtmp[0]}/live/{{name}}",
            f"rtmps://{secure.tls[0]}/copy/{{name}}",
            f"rtmp://{place}/live/{{name}}",
        )
    )
    urls = (plain.url("live/a"), secure.url("copy/a"), f"rtmp://{place}/live/a")
    files = [tmp_path / f"{number}.flv" for number in range(len(urls))]
    players = [peers.play(url, file) for url, file in zip(urls, files, strict=True)]
    for each, path in ((plain, "live/a"), (secure, "copy/a")):
        each.wait_stream(path, viewers=1)
    peers.publish(clip, source.url("live/a"), is_paced=True).succeed()
    published = media.frames(clip)
    for player, file in zip(players[:2], files, strict=False):
        player.succeed()
        media.assert_joined(media.frames(file), published)
    # nginx does not tell its players that the stream is over.
    last = published["video0"][-1].hash
    wait_for(lambda: last in str(media.frames(files[2])), "the last picture from nginx")
    players[2].kill()
    media.assert_joined(media.frames(files[2]), published, may_lack=12)


def test_destination_that_is_killed_is_live_soon_after_it_came_back(
    start_server: StartServer,
    peers: Peers,
    nginx: tuple[str, Start],
    clip: Path,
) -> None:
    place, start_nginx = nginx
    process = start_nginx()
    port = free_port()
    listen = ("--tls", f"127.0.0.1:{port}")
    other = start_server(arguments=listen)
    steady = start_server()
    urls = [
        f"rtmp://{place}/live/a",
        f"rtmps://127.0.0.1:{port}/live/a",
        f"rtmp://{steady.rtmp[0]}/live/a",
    ]
    source = start_server(out(*urls))
    peers.publish(clip, source.url("live/a"), is_endless=True)
    for url in urls:
        wait_state(source, url, "live")
    process.kill()
    other.process.kill()
    for url in urls[:2]:
        wait_state(source, url, "retrying")
    for url in urls[:2]:  # long enough for pauses to grow
        wait_tries(source, url, 5)
    start_nginx()
    again = start_server(arguments=listen)
    for url in urls[:2]:
        wait_state(source, url, "live")
    again.wait_media("live/a")
    assert targets(source)[urls[2]]["tries"] == 1
    assert steady.stream("live/a")["state"] == "live"
    for url in urls[:2]:
        # Live, lost, refused, live again: a line for each, and none for a try. A server that is
        # about to go or to come may have other reasons.
        lines = sum(f"relay out live/a to {url}" in line for line in source.log())
        assert 3 <= lines < targets(source)[url]["tries"]
        assert targets(source)[url]["tries"] >= 4
