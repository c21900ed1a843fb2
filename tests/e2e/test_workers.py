"""A server of two workers: every URL works on each, and what is one stays one."""

import json
import os
import re
import signal
import urllib.request
from collections import Counter
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from tests.e2e.conftest import StartServer
from tests.e2e.peers import Peers
from tests.e2e.server import Server
from tests.e2e.wait import LIMIT_S, wait_for
from tests.hls_checker import Playlist, Segment, parse

PATH = "live/a"


@pytest.fixture
def workers() -> int:
    return 2


def api(server: Server, path: str, method: str = "GET", values: object = None) -> Any:
    """Ask the API over a connection of its own, which any worker may take."""
    data = None if values is None else json.dumps(values).encode()
    request = urllib.request.Request(f"http://{server.http[0]}/api/v1/{path}", data, method=method)
    request.add_header("Content-Type", "application/json")
    request.add_header("Authorization", f"Bearer {server.token}")
    with urllib.request.urlopen(request, timeout=LIMIT_S) as answer:
        body = answer.read()
    return json.loads(body) if body else None


def viewers(server: Server) -> dict[int, int]:
    """Return how many viewers each worker has."""
    return {each["worker"]: each["viewers"] for each in api(server, "server")["workers"]}


def is_player(session: dict[str, Any]) -> bool:
    return bool(session["plays"]) and session["protocol"] == "rtmp" and session["peer"] != "unix"


def _has_media(file: Path) -> bool:
    return file.exists() and file.stat().st_size > 0


def play_everywhere(server: Server, peers: Peers, folder: Path) -> int:
    """Have players come until both workers have one; return how many there are."""
    count = 0

    def has_all() -> bool:
        return wait_for(lambda: sum(viewers(server).values()) == count, "viewers") and all(
            viewers(server).values()
        )

    while not count or not has_all():
        count += 1
        peers.play(server.url(PATH), folder / f"played{count}.flv")
    return count


@pytest.mark.limit(120)
def test_viewers_of_all_workers_see_the_stream_and_the_api_shows_one_server(
    server: Server, peers: Peers, clip: Path, tmp_path: Path
) -> None:
    peers.publish(clip, server.url(PATH), is_endless=True)
    server.wait_media(PATH)
    count = play_everywhere(server, peers, tmp_path)
    stream = server.wait_stream(PATH, viewers=count, is_copy=False, state="live")
    assert stream["viewers_by_protocol"] == {"rtmp": count}
    files = [tmp_path / f"played{number + 1}.flv" for number in range(count)]
    wait_for(lambda: all(map(_has_media, files)), "media at every player")
    # Each asks a worker by chance: all answer the same.
    for _ in range(6):
        assert len(server.streams()) == 1
        nodes = api(server, "nodes")["nodes"]
        assert [each["worker"] for each in nodes] == [0, 1]
        assert sum(each["streams"] for each in nodes) == 1
        status, _ = server.get(f"/{PATH}/index.m3u8")
        assert status == 200
        status, _ = server.get(f"/{PATH}/thumbnail.jpg")
        assert status == 200
    _, text = server.get("/metrics", server.token)
    shown = re.findall(r'^headend_stream_viewers\{stream="live/a"\} (\S+)$', text, re.MULTILINE)
    assert float(shown[0]) >= count  # a viewer of HLS counts for a while
    assert len(re.findall(r"^headend_worker_sessions\{", text, re.MULTILINE)) == 2

    sessions = api(server, "sessions?limit=1000")["sessions"]
    # What one worker fetches from the other is a session too, over a unix socket.
    players = [each["id"] for each in sessions if is_player(each)]
    assert len(set(players)) == count
    for number in players:
        api(server, f"sessions/{number}", "DELETE")
    wait_for(
        lambda: not any(map(is_player, api(server, "sessions")["sessions"])), "no player is left"
    )
    over = Counter(each["id"] for each in api(server, "sessions?state=over")["sessions"])
    assert set(players) <= set(over)  # told once, whichever worker had it
    assert set(over.values()) == {1}


@pytest.mark.limit(120)
def test_name_has_one_publisher_whichever_worker_it_comes_to(
    server: Server, peers: Peers, clip: Path
) -> None:
    peers.publish(clip, server.url(PATH), is_endless=True)
    server.wait_media(PATH)
    for _ in range(6):
        assert peers.publish(clip, server.url(PATH)).wait() != 0
    assert len(api(server, "sessions?limit=1000")["sessions"]) == 1
    # Ended over the API, at whichever worker it is.
    api(server, f"streams/{PATH}", "DELETE")
    wait_for(lambda: not server.streams(), "no stream")


@pytest.mark.limit(120)
def test_worker_that_is_killed_comes_back_and_the_others_go_on(
    server: Server, peers: Peers, clip: Path
) -> None:
    peers.publish(clip, server.url(PATH), is_endless=True)
    server.wait_media(PATH)
    before = {each["pid"]: each["sessions"] for each in api(server, "server")["workers"]}
    owner = next(pid for pid, sessions in before.items() if sessions)
    other = next(pid for pid in before if pid != owner)
    os.kill(other, signal.SIGKILL)

    def pids() -> set[int]:
        try:
            return {each["pid"] for each in api(server, "server")["workers"]}
        except OSError:  # of worker 0, which is being started
            return set()

    wait_for(lambda: len(pids()) == 2 and other not in pids(), "another worker")
    assert owner in pids()
    received = server.stream(PATH)["bytes_in"]
    wait_for(lambda: server.stream(PATH).get("bytes_in", 0) > received, "more media")
    assert server.stop() == 0
    assert "a bug" not in server.process.output()


@pytest.mark.limit(120)
def test_hls_goes_on_at_the_worker_to_which_a_publisher_comes_back(
    server: Server, peers: Peers, clip: Path
) -> None:
    moved = f"stream {PATH}: it is published at another server from now on"
    publisher = peers.publish(clip, server.url(PATH), is_endless=True)
    last = media_playlist(server).segments[-1]
    while not any(moved in line for line in server.log()):
        publisher.kill()
        server.wait_stream(PATH, state="interrupted")
        last = media_playlist(server).segments[-1]
        publisher = peers.publish(clip, server.url(PATH), is_endless=True)
        wait_for(partial(is_of_next_run, server, last), "segments of the next run")
    # What players have not fetched yet is still there.
    for _ in range(4):
        status, text = server.get(f"/{PATH}/{last.name}")
        assert status == 200, text
        assert server.get(f"/{PATH}/{last.name[:7]}0.m4s")[0] == 404


def media_playlist(server: Server) -> Playlist:
    """Return the media playlist, from whichever worker, once there is one."""
    texts: list[str] = []

    def is_given() -> bool:
        status, text = server.get(f"/{PATH}/main.m3u8")
        texts.append(text)
        return status == 200

    wait_for(is_given, "a playlist")
    return parse(texts[-1])


def is_of_next_run(server: Server, last: Segment) -> bool:
    """Say whether the newest segment is behind the next discontinuity; no number may fall."""
    newest = media_playlist(server).segments[-1]
    assert newest.number >= last.number
    assert newest.discontinuity <= last.discontinuity + 1
    return newest.discontinuity > last.discontinuity


@pytest.mark.limit(120)
def test_key_that_is_revoked_ends_its_publishers_at_all_workers(
    start_server: StartServer, peers: Peers, clip: Path
) -> None:
    server = start_server("auth.publish=key")
    keys: list[dict[str, str]] = []

    def publishing() -> set[int]:
        workers = api(server, "server")["workers"]
        return {each["worker"] for each in workers if each["sessions"]}

    while len(publishing()) < 2:
        path = f"live/cam{len(keys)}"
        keys.append(api(server, "keys", "POST", {"stream": path}))
        peers.publish(clip, f"{server.url(path)}?key={keys[-1]['key']}", is_endless=True)
        server.wait_media(path)
    for key in keys:
        api(server, f"keys/{key['id']}", "DELETE")
    wait_for(lambda: not server.streams(), "the end of all streams")
    ended = "ended: the publish key was revoked"
    assert sum(ended in line for line in server.log()) == len(keys)
