"""Tests of headend.cli.publish against a server process."""

import re
from pathlib import Path

import pytest
from tests.cli.program import Program, Server
from tests.e2e.wait import wait_for
from tests.sources.media import make

from headend.cli.main import run
from headend.errors import MediaError


def bodies(path: Path) -> list[tuple[int, bytes]]:
    """Kinds and bodies of an FLV file, read without our own reader."""
    data, position, found = path.read_bytes(), 13, []
    while position < len(data):
        size = int.from_bytes(data[position + 1 : position + 4], "big")
        found.append((data[position], data[position + 11 : position + 11 + size]))
        position += 11 + size + 4
    return found


def test_bodies_of_an_flv_file_arrive_untouched(clip: Path, tmp_path: Path) -> None:
    (tmp_path / "server").mkdir()
    server = Server(tmp_path / "server")  # where a player may wait for long
    copy = tmp_path / "copy.flv"
    try:
        player = Program(tmp_path, "play", f"{server.url}/exact", "-o", str(copy))
        wait_for(lambda: "play live/exact waits" in server.log(), "the player")
        assert run(["publish", str(clip), f"{server.url}/exact", "--no-pace"]) == 0
        assert player.wait() == 0, player.errors.read_text()
    finally:
        server.kill()
    assert bodies(copy) == bodies(clip)
    assert copy.read_bytes()[4] == 5


def test_file_goes_out_in_real_time(
    server: Server, clip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    slept = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    monkeypatch.setattr("asyncio.sleep", sleep)
    assert run(["publish", str(clip), f"{server.url}/paced"]) == 0
    assert max(slept) == pytest.approx(2.9, abs=0.5)  # the last picture


def test_loop_goes_on_until_it_is_interrupted(server: Server, clip: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy.flv"
    (tmp_path / "publisher").mkdir()
    arguments = ("publish", str(clip), f"{server.url}/loop", "--loop", "--no-pace")
    publisher = Program(tmp_path / "publisher", *arguments)
    wait_for(lambda: "publish live/loop accepted" in server.log(), "the publisher")
    assert run(["play", f"{server.url}/loop", "-o", str(copy), "--duration", "10"]) == 0
    assert copy.stat().st_size > 3 * clip.stat().st_size
    assert publisher.interrupt() == 130
    assert re.fullmatch(r"published \d\d:.*, .* MB, .* Mbit/s\n", publisher.errors.read_text())


def test_what_does_not_fit_is_encoded_and_said(
    server: Server, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = make(tmp_path / "a.avi", "mpeg4", "pcm_s16le")
    assert run(["publish", str(path), f"{server.url}/encoded", "--no-pace"]) == 0
    assert capsys.readouterr().err.splitlines()[:-1] == [
        "mpeg4 does not fit into RTMP: encoding it as H.264",
        "pcm_s16le does not fit into RTMP: encoding it as AAC",
    ]


def test_device_is_opened_with_its_options(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[object] = []

    def note(*arguments: object) -> None:
        calls.extend(arguments)
        raise MediaError("no such device")

    monkeypatch.setattr("headend.sources.files.open_source", note)
    arguments = ["-f", "v4l2", "--option", "framerate=30", "--option", "a=b=c"]
    assert run(["publish", "/dev/video0", "rtmp://h/live/cam1", *arguments]) == 1
    assert calls == ["/dev/video0", "v4l2", {"framerate": "30", "a": "b=c"}]


def test_option_without_a_value(server: Server, clip: Path) -> None:
    assert run(["publish", str(clip), f"{server.url}/option", "--option", "fast"]) == 2


def test_url_that_is_wrong(clip: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["publish", str(clip), "http://h/live/cam1"]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_file_that_is_not_there(server: Server, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["publish", "/no/such.mp4", f"{server.url}/gone"]) == 1
    assert capsys.readouterr().err == "headend: /no/such.mp4: No such file or directory\n"


def test_server_that_is_not_there(clip: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["publish", str(clip), "rtmp://127.0.0.1:1/live/cam1"]) == 1
    assert capsys.readouterr().err == "headend: cannot connect to 127.0.0.1:1: Connection refused\n"


def test_name_that_is_taken(
    server: Server, clip: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    publisher = Program(tmp_path, "publish", str(clip), f"{server.url}/taken", "--loop")
    wait_for(lambda: "publish live/taken accepted" in server.log(), "the publisher")
    assert run(["publish", str(clip), f"{server.url}/taken"]) == 3
    assert "NetStream.Publish.BadName: live/taken is already" in capsys.readouterr().err
    assert publisher.interrupt() == 130
