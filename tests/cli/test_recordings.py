"""Tests of `headend recordings`."""

import asyncio
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.e2e.media import AAC, H264, frames, make, picture, tone
from tests.harness import run as run_live
from tests.record.fragmented import FRAGMENTED, add
from tests.record.made import begun, recording
from tests.record.served import serve

from headend.cli.main import run

Capture = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    options = (*picture(1), *tone(1), *H264, *AAC, *FRAGMENTED)
    return make("ffmpeg", tmp_path_factory.mktemp("clip") / "clip.mp4", *options)


@pytest.fixture
def beside(tmp_path: Path, clip: Path) -> Callable[[Callable[[], None]], None]:
    """Run commands beside a server with recordings r1, which is over, and r2, which runs."""

    def go(commands: Callable[[], None]) -> None:
        async def main() -> None:
            async with serve(tmp_path / "data") as web:
                whole = recording(bytes=1_500_000, files=1, duration_s=3725.5)
                await add(web, clip, whole)
                await add(web, clip, begun("r2", started=1000.0, stream="vip/a"))
                await asyncio.to_thread(commands)

        run_live(main(), limit_s=60)

    return go


def call(folder: Path, *arguments: str) -> int:
    return run(["recordings", *arguments, "--data", str(folder / "data")])


def test_recordings_are_listed_shown_and_deleted(
    tmp_path: Path, capsys: Capture, beside: Callable[[Callable[[], None]], None]
) -> None:
    first = "r1  live/a  1970-01-01T00:01:40Z  1:02:05  1.5 MB  ready\n"
    second = "r2  vip/a  1970-01-01T00:16:40Z  0:00:00  0.0 MB  recording\n"

    def said() -> str:
        return capsys.readouterr().out

    def commands() -> None:
        assert call(tmp_path, "list") == 0
        assert said() == second + first
        assert call(tmp_path, "list", "live/*") == 0
        assert said() == first
        assert call(tmp_path, "list", "--from", "1970-01-01T00:10:00Z") == 0
        assert said() == second
        assert call(tmp_path, "list", "--to", "500", "--json") == 0
        (found,) = json.loads(said())["recordings"]
        assert call(tmp_path, "show", "r1", "--json") == 0
        assert json.loads(said()) == found
        assert call(tmp_path, "show", "r1") == 0
        assert said() == f"{first}    /recordings/r1/index.m3u8\n"
        assert call(tmp_path, "delete", "r2") == 1
        assert "this recording goes on: end it first" in capsys.readouterr().err
        assert call(tmp_path, "delete", "r1") == 0
        assert call(tmp_path, "show", "r1") == 1
        assert "There is no such recording" in capsys.readouterr().err
        assert call(tmp_path, "list", "--from", "yesterday") == 2

    beside(commands)


def test_recording_is_exported_to_a_file_that_was_not_there(
    tmp_path: Path, clip: Path, capsys: Capture, beside: Callable[[Callable[[], None]], None]
) -> None:
    file = tmp_path / "out.mp4"

    def commands() -> None:
        assert call(tmp_path, "export", "r2", str(file)) == 1
        assert call(tmp_path, "export", "r9", str(file)) == 1
        assert call(tmp_path, "export", "r1", str(tmp_path / "none" / "out.mp4")) == 1
        assert "No such file or directory" in capsys.readouterr().err
        assert [path.name for path in tmp_path.iterdir()] == ["data"]
        assert call(tmp_path, "export", "r1", str(file)) == 0
        assert frames(file) == frames(clip)
        assert call(tmp_path, "export", "r1", str(file)) == 2
        assert "it is there already" in capsys.readouterr().err
        assert sorted(path.name for path in tmp_path.iterdir()) == ["data", "out.mp4"]

    beside(commands)


def test_clip_is_cut_and_shown_and_a_wrong_range_is_refused(
    tmp_path: Path, capsys: Capture, beside: Callable[[Callable[[], None]], None]
) -> None:
    def commands() -> None:
        assert call(tmp_path, "clip", "r1", "--from", "0", "--to", "1", "--json") == 0
        made = json.loads(capsys.readouterr().out)
        assert (made["kind"], made["origin"]) == ("clip", "r1")
        assert call(tmp_path, "clip", "r1", "--from", "0", "--to", "1") == 0
        assert "live/a" in capsys.readouterr().out
        assert call(tmp_path, "clip", "r1", "--from", "0.2", "--to", "1", "--exact", "--json") == 0
        assert json.loads(capsys.readouterr().out)["duration_s"] == 0.8
        assert call(tmp_path, "clip", "r1", "--from", "900", "--to", "901") == 2
        assert "The clip must be within the recording" in capsys.readouterr().err
        assert call(tmp_path, "clip", "r1", "--from", "1") == 2

    beside(commands)


def test_command_says_that_no_server_runs(tmp_path: Path, capsys: Capture) -> None:
    assert call(tmp_path, "list") == 1
    assert "no server runs with the data folder" in capsys.readouterr().err
