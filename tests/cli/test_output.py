"""Tests of what goes to stdout and what to stderr."""

import json

import pytest

from headend.cli import output

Capture = pytest.CaptureFixture[str]


def test_results_go_to_stdout(capsys: Capture) -> None:
    output.result("one\ntwo")
    assert capsys.readouterr() == ("one\ntwo\n", "")


def test_json_is_one_document_on_stdout(capsys: Capture) -> None:
    output.result_json({"name": "Füße", "tags": [1, 2]})
    out, err = capsys.readouterr()
    assert json.loads(out) == {"name": "Füße", "tags": [1, 2]}
    assert "Füße" in out
    assert err == ""


def test_notes_and_errors_are_one_line_on_stderr_without_control_characters(
    capsys: Capture,
) -> None:
    output.note("a\nb\x1b[2J")
    output.fail("c")
    assert capsys.readouterr() == ("", "a\\nb\\x1b[2J\nheadend: c\n")
