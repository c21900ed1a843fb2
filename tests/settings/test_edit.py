"""Tests of headend.settings.edit."""

import tomllib

import pytest

from headend.errors import SettingsError
from headend.settings import KEYS, load_settings
from headend.settings.edit import edited, is_editable

FILE = """\
# The server of the town hall.
live.wait_s = 7  # patience

[hls]
# shorter for the lobby
segment_s = 2

[[stream]]
match = "vip/*"
live.wait_s = 9
"""


def test_value_is_changed_and_all_else_stays() -> None:
    assert edited(FILE, {"live.wait_s": 20}) == FILE.replace("wait_s = 7", "wait_s = 20")
    assert edited(FILE, {"hls.segment_s": 3.5}) == FILE.replace("= 2\n", "= 3.5\n")


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("live.gop_cache", False),
        ("hls.segments", 5),
        ("workers", 2),
        ("rtmp.listen", ["127.0.0.1:1935", "[::1]:1935"]),
        ("tls.acme.email", 'quotes " and \n lines'),
    ],
)
def test_key_that_was_not_there_is_added_where_toml_wants_it(key: str, value: object) -> None:
    found = tomllib.loads(edited(FILE, {key: value}))
    *sections, name = key.split(".")
    for section in sections:
        found = found[section]
    assert found[name] == value
    assert "# shorter for the lobby" in edited(FILE, {key: value})


def test_key_without_a_value_is_taken_out() -> None:
    assert "patience" not in edited(FILE, {"live.wait_s": None})
    assert edited(FILE, {"srt.latency_ms": None}) == FILE
    assert edited(FILE, {"hls.part_s": None}) == FILE


def test_empty_file_takes_any_key() -> None:
    assert tomllib.loads(edited("", {"log.level": "debug", "workers": 2})) == {
        "log": {"level": "debug"},
        "workers": 2,
    }


@pytest.mark.parametrize(
    ("key", "why"),
    [
        ("live.wait", "there is no such setting"),
        ("hooks", "only a person"),  # code
        ("data", "only a person"),  # a path
        ("vod.folder", "only a person"),
        ("srt.passphrase", "only a person"),  # a secret
        ("relay.out", "only a person"),  # tables
        ("stream", "only a person"),
    ],
)
def test_key_of_the_machine_is_not_changed(key: str, why: str) -> None:
    with pytest.raises(SettingsError, match=rf"^{key}: .*{why}"):
        edited(FILE, {key: "x"})


def test_what_names_files_secrets_and_programs_is_for_people() -> None:
    closed = {key for key in KEYS if not is_editable(key)}
    assert {"auth.database", "tls.certificates", "tls.client_ca", "webhooks"} <= closed
    assert {"record.store", "auth.callback_url", "auth.outgoing", "cluster.secret"} <= closed


def test_file_that_is_wrong_or_odd_is_left_alone() -> None:
    with pytest.raises(SettingsError, match="the settings file is wrong"):
        edited("live = [", {"live.wait_s": 1})
    with pytest.raises(SettingsError, match="only a person can change"):
        edited("live = 5\n", {"live.wait_s": 1})


def test_every_key_that_may_be_changed_is_read_again_as_it_was_written() -> None:
    load_settings(None, environ={})
    for key in filter(is_editable, KEYS):
        found = tomllib.loads(edited(FILE, {key: "a"}))
        *sections, name = key.split(".")
        for section in sections:
            found = found[section]
        assert found[name] == "a"
