"""Tests of the command `probe`."""

import json
from pathlib import Path

import pytest
from tests.cli.program import Server
from tests.sources.media import make

from headend.cli.main import run
from headend.cli.probe import describe
from headend.client.probing import Facts


def test_file_as_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    film = make(tmp_path / "a.flv", "libx264", "aac")
    assert run(["probe", str(film), "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    video, audio = document["video"], document["audio"]
    assert (video["codec"], video["width"], video["height"]) == ("h264", 64, 48)
    assert video["frame_rate"] == pytest.approx(20, abs=0.5)
    assert (audio["codec"], audio["sample_rate"], audio["channels"]) == ("aac", 48000, 2)
    assert document["protocol"] == "file"


def test_file_in_words(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    film = make(tmp_path / "a.mkv", "mpeg4", "aac")
    assert run(["probe", str(film)]) == 0
    shown = capsys.readouterr()
    assert shown.out.startswith("video  mpeg4")
    assert "64×48, 20 fps" in shown.out
    assert "\naudio  aac LC, 48000 Hz, stereo, " in shown.out
    assert shown.out.splitlines()[-1].startswith("file   ")


def test_little_is_known_of_a_stream_of_one_sound() -> None:
    assert describe(Facts("rtmp", None, None, None, 0.0, None, 1.234, ())) == [
        "rtmp   0.0 s looked at, first sound after 1.23 s"
    ]


@pytest.mark.parametrize(
    ("source", "code", "words"),
    [
        ("none.mp4", 1, "none.mp4: No such file or directory"),
        ("rtmp://127.0.0.1:1/live/a", 1, "Connection refused"),
        ("rtmp://:1/a", 2, "no valid HOST"),
        ("http://", 2, "no host in it"),
    ],
)
def test_what_cannot_be_looked_at(
    source: str, code: int, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["probe", source]) == code
    assert words in capsys.readouterr().err


def test_stream_that_nobody_publishes_is_refused(
    server: Server, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["probe", f"{server.url}/none"]) == 3
    assert "NetStream.Play.StreamNotFound" in capsys.readouterr().err
