"""Tests of headend.cli.play against a server process."""

import asyncio
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.cli.program import SOURCE, Program, Server
from tests.e2e.wait import wait_for
from tests.wire import wire

from headend.cli.main import run
from headend.media.tag import AUDIO, Tag

SUMMARY = r"played 00:00:\d\d\.\d, \d+\.\d MB, \d+\.\d\d Mbit/s\n"


@pytest.fixture
def url(server: Server, clip: Path, tmp_path: Path) -> Iterator[str]:
    """A stream that goes on and on."""
    (tmp_path / "publisher").mkdir()
    url = f"{server.url}/{tmp_path.name}"
    publisher = Program(tmp_path / "publisher", "publish", str(clip), url, "--loop")
    wait_for(lambda: f"publish live/{tmp_path.name} accepted" in server.log(), "the publisher")
    yield url
    publisher.kill()


def timestamps(data: bytes) -> list[int]:
    """Timestamps of a whole FLV file, read without our own reader."""
    position, found = 13, []
    while position < len(data):
        head = data[position : position + 11]
        found.append(head[7] << 24 | int.from_bytes(head[4:7], "big"))
        size = int.from_bytes(head[1:4], "big") + 11
        assert int.from_bytes(data[position + size : position + size + 4], "big") == size
        position += size + 4
    assert position == len(data)
    return found


def test_stream_is_played_to_a_file_for_a_while(url: str, tmp_path: Path) -> None:
    path = tmp_path / "out.flv"
    assert run(["play", url, "-o", str(path), "--duration", "0.5"]) == 0
    times = timestamps(path.read_bytes())
    assert times[0] == 0
    assert 300 <= max(times) < 500


@pytest.mark.parametrize("arguments", [[], ["-o", "-"]])
def test_stream_is_played_to_stdout(
    url: str, arguments: list[str], capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    assert run(["play", url, "--duration", "0.2", *arguments]) == 0
    shown = capfdbinary.readouterr()
    assert shown.out.startswith(wire("464c56 01 05 00000009 00000000"))
    assert timestamps(shown.out)
    assert re.fullmatch(SUMMARY, shown.err.decode())


def test_reader_of_stdout_that_has_had_enough_is_no_failure(url: str) -> None:
    command = [sys.executable, "-m", "headend", "play", url]
    player = subprocess.Popen(
        command,
        env={"PYTHONPATH": str(SOURCE)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert player.stdout is not None
    assert player.stderr is not None
    assert player.stdout.read(3) == b"FLV"
    player.stdout.close()
    assert player.wait(20) == 0
    assert re.fullmatch(SUMMARY, player.stderr.read().decode())
    player.stderr.close()


def test_interrupted_player_leaves_a_whole_file(url: str, tmp_path: Path) -> None:
    path = tmp_path / "out.flv"
    player = Program(tmp_path, "play", url, "-o", str(path))
    wait_for(path.exists, f"{path}")
    assert player.interrupt() == 130
    assert timestamps(path.read_bytes())
    assert re.fullmatch(SUMMARY, player.errors.read_text())


def test_stdout_that_is_a_terminal_gets_no_media(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    assert run(["play", "rtmp://127.0.0.1:1/live/cam1"]) == 2
    assert "-o" in capsys.readouterr().err


def test_stream_that_nobody_publishes_is_refused_and_leaves_no_file(
    server: Server, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "out.flv"
    assert run(["play", f"{server.url}/nobody", "-o", str(path)]) == 3
    assert "NetStream.Play.StreamNotFound" in capsys.readouterr().err
    assert not path.exists()


class Stream:
    """Takes the place of a stream that is played: gives tags, and then ends or stands still."""

    def __init__(self, *tags: Tag, stands_still: bool = False) -> None:
        self._tags = list(tags)
        self._stands_still = stands_still

    async def __aenter__(self) -> "Stream":
        return self

    async def __aexit__(self, *_: object) -> None:
        pass

    def __aiter__(self) -> "Stream":
        return self

    async def __anext__(self) -> Tag:
        if self._tags:
            return self._tags.pop(0)
        if self._stands_still:
            await asyncio.Event().wait()
        raise StopAsyncIteration


def test_stream_that_ends_before_anything_came_is_a_failure(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("headend.client.play", lambda url, **_: Stream())
    assert run(["play", "rtmp://h/live/cam1", "-o", str(tmp_path / "out.flv")]) == 1
    assert capsys.readouterr().err == "headend: the stream ended before anything came\n"


def test_broken_stdout_is_put_away(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[int] = []

    class Broken(Stream):
        async def __anext__(self) -> Tag:
            raise BrokenPipeError

    monkeypatch.setattr("headend.client.play", lambda url, **_: Broken())
    monkeypatch.setattr("os.dup2", lambda new, old: calls.append(old))
    assert run(["play", "rtmp://h/live/cam1"]) == 0
    assert calls == [sys.stdout.fileno()]


def test_stream_that_stands_still_ends_with_the_duration(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    stream = Stream(Tag(AUDIO, 7, wire("af 01 21"), False, False), stands_still=True)
    monkeypatch.setattr("headend.client.play", lambda url, **_: stream)
    monkeypatch.setattr("headend.cli.play.STALL_S", 0.0)
    path = tmp_path / "out.flv"
    assert run(["play", "rtmp://h/live/cam1", "-o", str(path), "--duration", "0.01"]) == 0
    assert timestamps(path.read_bytes()) == [0]


def test_server_that_dies_in_mid_stream_is_told_and_no_success(clip: Path, tmp_path: Path) -> None:
    for name in ("server", "publisher", "player"):
        (tmp_path / name).mkdir()
    server = Server(tmp_path / "server")
    url = f"{server.url}/a"
    publisher = Program(tmp_path / "publisher", "publish", str(clip), url, "--loop", "--reconnect")
    out = tmp_path / "out.flv"
    player = Program(tmp_path / "player", "play", url, "-o", str(out))
    try:
        wait_for(lambda: out.exists() and out.stat().st_size > 1000, "media")
        server.kill()
        assert player.wait() == 1
        summary, why = player.errors.read_text().splitlines()
        assert re.fullmatch(SUMMARY, f"{summary}\n")
        assert why == "headend: the server closed the connection in the middle of the stream"
        wait_for(lambda: "trying again in" in publisher.errors.read_text(), "another try")
        lines = publisher.errors.read_text().splitlines()
        assert lines[0].endswith("; connecting again")
        assert all("publish 127.0.0.1:" in line for line in lines)  # and no words of libraries
    finally:
        server.kill()
        publisher.kill()
        player.kill()
