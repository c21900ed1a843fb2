"""Tests of what people are told about a TOML file that is none."""

import tomllib
from pathlib import Path

import pytest

from headend.errors import SettingsError
from headend.settings import load_settings
from headend.settings.toml_faults import explain


def told(text: str) -> str:
    with pytest.raises(tomllib.TOMLDecodeError) as caught:
        tomllib.loads(text)
    return explain(text, str(caught.value))


@pytest.mark.parametrize(
    ("text", "hint", "place"),
    [
        ("[live]\nwait_s = soon\n", 'a text needs quotes, as in wait_s = "…"', "line 2, column 10"),
        ("[http]\nlisten = [\n  :80\n]\n", 'a text needs quotes, as in key = "…"', "line 3"),
        ("wait_s: 7\n", "write wait_s = …, with = in place of :", "line 1, column 7"),
        ("live\n", "write live = … with a value, or [live] for a section", "line 1"),
        (
            "a = 16 MiB\n",
            'a size, an address or a date is a text in quotes, as in a = "16 MiB"',
            "",
        ),
        ("a = 10s\n", "a number of seconds has no unit", "line 1, column 7"),
        ("a = 127.0.0.1:80\n", "an address or a date is a text in quotes", "line 1"),
        ("a = 007\n", "a number has no leading zeros", "line 1"),
        ("a = True\n", "write true, in small letters", "line 1, column 5"),
        ("a = off\n", "write true or false, or a text in quotes", "line 1"),
        ("a =\n", "write a value behind a =", "line 1"),
        ('a = "C:\\Users"\n', r"in double quotes a \ begins an escape", "line 1"),
        ('a = "C:\\Media"\n', r"in double quotes a \ begins an escape", "line 1"),
        ('a = "open\nb = 1\n', "a text ends, with its closing quote, on the line", "line 1"),
        ("a = “x”\n", "quotes must be straight", "line 1, column 5"),
        ("// words\n", "a comment begins with #", "line 1, column 1"),
        ('a = "b" "c"\n', "one key and its value a line", "line 1"),
        ("[live\n", "a closing bracket is missing", "line 1, column 6"),
        ("[[live]\n", "a closing bracket is missing", "line 1"),
        ("a = [1,\n2\n", "a closing bracket is missing, or a comma", "line 3, column 1"),
        ("a = [1 2]\n", "a comma between two items", "line 1"),
        ("a = { b = 1, b = 2 }\n", "a key may be given once", "line 1"),
        ("a = 1\n[a]\n", "a section may be given once", "line 2"),
        ("a = [\n\n", "something that began on a line above is not closed", "line 3"),
        ("a = 1\r\nb = x\r\n", "a text needs quotes, as in b", "line 2, column 5"),
        ('a = """\nb', "a text ends", "line 2"),
        ("a = 1\n =\n", "Invalid statement", "line 2"),
    ],
)
def test_fault_is_told_with_what_to_write_and_where(text: str, hint: str, place: str) -> None:
    line = told(text)
    assert hint in line
    assert f"(at {place}" in line
    assert "\n" not in line


@pytest.mark.parametrize(
    "text",
    ['a = "hunter2\nb = 1\n', "a = hunter2\n", 'a = [\n"hunter2", x\n]\n', "a = 'x' hunter2\n"],
)
def test_fault_shows_no_value_as_it_may_be_a_secret(text: str) -> None:
    assert "hunter2" not in told(text)


def test_fault_is_told_with_its_file(tmp_path: Path) -> None:
    file = tmp_path / "headend.toml"
    file.write_text("[live]\nwait_s = soon\n")
    with pytest.raises(SettingsError) as caught:
        load_settings(file, environ={})
    said = 'Invalid value: a text needs quotes, as in wait_s = "…" (at line 2, column 10)'
    assert str(caught.value) == f"{file}: {said}"
