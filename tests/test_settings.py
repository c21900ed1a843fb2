"""Tests that keep `headend.example.toml` complete and equal to the defaults."""

import re
from pathlib import Path

import pytest

from headend.errors import SettingsError
from headend.settings import KEYS, Settings, example_toml, load_settings, plain_values, reference

ROOT = Path(__file__).parent.parent
EXAMPLE = ROOT / "headend.example.toml"
REFERENCE = ROOT / "docs/settings.md"


def test_example_file_is_what_config_init_writes() -> None:
    # `headend config init --force headend.example.toml` writes it anew.
    assert EXAMPLE.read_text() == example_toml()


def test_reference_is_what_the_program_prints() -> None:
    # `headend config reference > docs/settings.md` writes it anew.
    assert REFERENCE.read_text() == reference()


def test_every_key_and_every_field_of_a_table_is_in_the_reference() -> None:
    rows = re.findall(r"^\| `([\w.]+)` \|", REFERENCE.read_text(), flags=re.MULTILINE)
    assert [row for row in rows if "." in row] == [key for key in KEYS if "." in key]
    assert set(KEYS) <= set(rows)
    fields = set(rows) - set(KEYS)
    assert {"cert", "match", "url", "on_demand", "sources", "events"} <= fields


def test_reference_says_what_a_key_takes_and_when_it_takes_effect() -> None:
    rows = {row.split("`")[1]: row for row in REFERENCE.read_text().splitlines() if "| `" in row}
    assert '| "key" |' not in rows["auth.publish"]
    assert '"loopback", "key" or "open"' in rows["auth.publish"]
    assert "a number from 0 to 3600" in rows["live.wait_s"]
    assert "(restart, secret, or a file)" in rows["auth.database"]
    assert "a list of addresses" in rows["rtmp.listen"]


def test_example_file_sets_nothing() -> None:
    loaded = load_settings(EXAMPLE, environ={})
    assert plain_values(loaded.settings) | {"data": ""} == plain_values(Settings()) | {"data": ""}
    assert set(loaded.sources.values()) == {"default"}


def test_every_key_is_in_the_example_file_with_its_default(tmp_path: Path) -> None:
    file = tmp_path / "headend.toml"
    file.write_text(re.sub(r"^#(?=\w)", "", EXAMPLE.read_text(), flags=re.MULTILINE))
    loaded = load_settings(file, environ={})
    assert plain_values(loaded.settings) | {"data": ""} == plain_values(Settings()) | {"data": ""}
    assert {key for key in KEYS if loaded.sources[key] != f"file {file}"} == {"data"}


def examples() -> list[tuple[str, str]]:
    """Return the settings in the manuals, each with where it is from."""
    found = []
    for manual in (*sorted((ROOT / "docs").glob("*.md")), ROOT / "README.md"):
        blocks = re.findall(r"```toml\n(.*?)```", manual.read_text(), re.DOTALL)
        found += [(f"{manual.name} {number}", block) for number, block in enumerate(blocks, 1)]
    return found


@pytest.mark.parametrize(("name", "example"), examples(), ids=lambda text: text.split("\n")[0])
def test_examples_of_the_manuals_can_be_put_below_the_file_of_config_init(
    name: str, example: str, tmp_path: Path
) -> None:
    file = tmp_path / "headend.toml"
    file.write_text(f"{example_toml()}\n{example}")
    assert f"file {file}" in load_settings(file, environ={}).sources.values(), name


@pytest.mark.parametrize(
    "text",
    [
        "[auth]\nprivate = []\n[auth]\npublish = 'open'\n",
        "auth.private = []\n[auth]\npublish = 'open'\n",
        "[auth]\nprivate = []\nprivate = []\n",
        "webhooks = []\n[[webhooks]]\nname = 'a'\n",
        "[relay]\nout = []\n[[relay.out]]\nmatch = 'a'\n",
    ],
)
def test_what_is_given_twice_is_told_as_such(text: str, tmp_path: Path) -> None:
    file = tmp_path / "headend.toml"
    file.write_text(text)
    with pytest.raises(SettingsError, match=r"a section may be given once.* \(at line \d"):
        load_settings(file, environ={})


def test_every_key_has_one_comment_line_that_is_a_sentence() -> None:
    lines = EXAMPLE.read_text().splitlines()
    for number, line in enumerate(lines):
        if " = " in line and not line.startswith("# "):
            assert line.startswith("#")
            assert lines[number - 1].startswith("# ")
            assert lines[number - 1].endswith(".")
            assert not lines[number - 2].startswith("# ")
