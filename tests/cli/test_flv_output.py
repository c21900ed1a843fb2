"""Tests of headend.cli.flv_output."""

import os
from pathlib import Path

import pytest
from tests.wire import wire

from headend.cli.flv_output import FlvOutput
from headend.media.tag import AUDIO, SCRIPT, VIDEO, Tag


def video(timestamp: int) -> Tag:
    return Tag(VIDEO, timestamp, wire("2701"), False, False)


def test_file_holds_its_tags_and_says_what_they_are(tmp_path: Path) -> None:
    path = tmp_path / "out.flv"
    with FlvOutput(path) as output:
        output.write(video(0x0102_0304))
    assert path.read_bytes() == wire("""
        464c56 01 01 00000009 00000000
        09 000002 020304 01 000000 2701 0000000d
    """)


@pytest.mark.parametrize(("kinds", "flags"), [((AUDIO,), 4), ((SCRIPT,), 0), ((AUDIO, VIDEO), 5)])
def test_flags_name_what_the_file_holds(tmp_path: Path, kinds: list[int], flags: int) -> None:
    path = tmp_path / "out.flv"
    with FlvOutput(path) as output:
        for kind in kinds:
            output.write(Tag(kind, 0, b"", False, False))  # type: ignore[arg-type]
    assert path.read_bytes()[4] == flags


def test_stdout_gets_each_tag_at_once(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    with FlvOutput(None) as output:
        output.write(video(0))
        assert capfdbinary.readouterr().out == wire("""
            464c56 01 05 00000009 00000000
            09 000002 000000 00 000000 2701 0000000d
        """)
    print("stdout is still open")


def test_pipe_that_has_a_name_is_written_too(tmp_path: Path) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    reader = os.open(path, os.O_RDWR)  # or the writer would wait for one
    with FlvOutput(path) as output:
        output.write(video(0))
    assert os.read(reader, 4096)[:5] == wire("464c56 01 05")
    os.close(reader)


def test_no_tag_makes_no_file(tmp_path: Path) -> None:
    path = tmp_path / "out.flv"
    with FlvOutput(path) as output:
        assert not output.is_open
    assert not path.exists()


def test_time_starts_with_the_first_frame() -> None:
    output = FlvOutput(None)
    header = Tag(VIDEO, 5, b"", False, True)
    metadata = Tag(SCRIPT, 7, b"", False, False)
    tags = [metadata, header, video(3000), video(3040), video(2990), metadata]
    assert [output.timestamp(tag) for tag in tags] == [0, 0, 0, 40, 0, 0]


def test_time_goes_on_when_timestamps_wrap() -> None:
    output = FlvOutput(None)
    assert [output.timestamp(video(t)) for t in (0xFFFF_FFF6, 0, 30)] == [0, 10, 40]
