"""Tests of headend.cli.pages and completion: help, man pages, and what shells are told."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from headend.cli.main import build, run
from headend.cli.pages import asks_for_help, commands, man_pages, program

Capture = pytest.CaptureFixture[str]
PROGRAM = program(build())
PATHS = [path for path, _ in commands(PROGRAM, "")]
SOURCE = Path(__file__).parents[2] / "src"


@pytest.mark.parametrize("path", PATHS)
def test_help_of_every_command_is_in_words_of_people(path: str, capsys: Capture) -> None:
    assert run([*path.split(), "--help"]) == 0
    out = capsys.readouterr().out
    assert out.startswith(f"Usage: headend {path}".rstrip())
    assert not re.search(r"<[a-z\[\] ]+>|\b(str|int|float|bool|list\[|None)\b", out)
    assert "-h, --help" in out


def test_only_a_group_without_a_command_asks_for_help() -> None:
    words = {"": True, "key": True, "key list": False, "status": False, "nothing": False}
    words |= {"key --json": False, "-h": False}
    assert {each: asks_for_help(PROGRAM, each.split()) for each in words} == words


def test_every_command_has_a_page_with_its_options() -> None:
    pages = man_pages(PROGRAM)
    assert set(pages) == {f"{f'headend {path}'.strip().replace(' ', '-')}.1" for path in PATHS}
    page = pages["headend-key-create.1"]
    assert page.startswith('.TH "HEADEND-KEY-CREATE" "1"')
    assert ".B \\-\\-label TEXT" in page
    assert ".BR headend\\-key (1)" in page
    assert ".BR headend\\-key\\-create (1)" in pages["headend-key.1"]


def test_no_line_of_a_page_is_taken_for_a_command_of_roff() -> None:
    known = re.compile(r"\.(TH|SH|TP|PP|B|BR)\b")
    for name, page in man_pages(PROGRAM).items():
        wrong = [line for line in page.splitlines() if line[:1] in ".'" and not known.match(line)]
        assert not [line for line in wrong if line], name


def test_pages_are_written_to_a_folder(tmp_path: Path, capsys: Capture) -> None:
    assert run(["man", str(tmp_path / "man1")]) == 0
    assert len(list((tmp_path / "man1").iterdir())) == len(PATHS)
    assert f"wrote {len(PATHS)} pages" in capsys.readouterr().err


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_shell_gets_a_script_that_asks_the_program(shell: str, capsys: Capture) -> None:
    assert run(["completion", shell]) == 0
    assert "_HEADEND_COMPLETE" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("typed", "position", "found"),
    [("headend hea", 1, "healthcheck"), ("headend key cre", 2, "create")],
)
def test_program_says_what_may_follow(typed: str, position: int, found: str) -> None:
    environ = os.environ | {
        "PYTHONPATH": str(SOURCE),
        "_HEADEND_COMPLETE": "complete_bash",
        "COMP_WORDS": typed,
        "COMP_CWORD": str(position),
    }
    done = subprocess.run(
        [sys.executable, "-m", "headend"], env=environ, capture_output=True, text=True, timeout=60,
        check=False,
    )  # fmt: skip
    assert done.stdout.split() == [found], done.stderr
