"""This module keeps `headend.example.toml` complete and equal to the defaults."""

from pathlib import Path

from headend.settings import KEYS, Settings, example_toml, load_settings, plain_values

EXAMPLE = Path(__file__).parent.parent / "headend.example.toml"


def test_example_file_is_what_config_init_writes() -> None:
    # `headend config init --force headend.example.toml` writes it anew.
    assert EXAMPLE.read_text() == example_toml()


def test_every_key_is_in_the_example_file_with_its_default() -> None:
    loaded = load_settings(EXAMPLE, environ={})
    assert plain_values(loaded.settings) | {"data": ""} == plain_values(Settings()) | {"data": ""}
    assert {key for key in KEYS if loaded.sources[key] != f"file {EXAMPLE}"} == {"data"}


def test_every_key_has_one_comment_line_that_is_a_sentence() -> None:
    lines = EXAMPLE.read_text().splitlines()
    for number, line in enumerate(lines):
        if " = " in line and not line.startswith("#"):
            assert lines[number - 1].startswith("# ")
            assert lines[number - 1].endswith(".")
            assert not lines[number - 2].startswith("# ")
