"""Tests of headend.embed.given: the forms in which a program gives settings."""

from pathlib import Path

import pytest

from headend.embed.given import Given
from headend.errors import SettingsError
from headend.settings import Live, Settings, load_settings


def test_nothing_listens_that_is_not_named_and_the_environment_is_not_read(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HEADEND_LIVE__WAIT_S", "7")
    settings = Given({"http": {"listen": ":0"}}, {}).loaded.settings
    assert (settings.rtmp.listen, settings.tls.listen) == ((), ())
    assert str(settings.http.listen[0]) == ":0"
    assert settings.live.wait_s == 30


def test_values_come_by_section_by_key_and_as_keywords_and_the_last_wins() -> None:
    values = {"live": {"wait_s": 1, "log_s": 2}, "limits.idle_s": 3, "tls": {"acme": {}}}
    settings = Given(values, {"live": {"log_s": 4}}).loaded.settings
    assert (settings.live.wait_s, settings.live.log_s, settings.limits.idle_s) == (1, 4, 3)


def test_whole_settings_are_taken_as_they_are(tmp_path: Path) -> None:
    settings = Settings(data=tmp_path, live=Live(wait_s=1))
    assert Given(settings, {}).loaded.settings is settings
    assert Given(settings, {}).loaded.reload().settings is settings
    assert not Given(settings, {}).needs_folder
    loaded = load_settings(None, environ={})
    assert Given(loaded, {}).loaded is loaded
    with pytest.raises(SettingsError, match="live: the settings are whole already"):
        Given(settings, {"live": {"wait_s": 1}})


def test_wrong_values_are_said_as_everywhere() -> None:
    for values, words in (
        ({"live": {"wait_s": "soon"}}, 'live.wait_s = "soon": must be'),
        ({"live": {"wiat_s": 1}}, r"unknown setting live.wiat_s \(program\): did you mean live.wa"),
        ({"live": 1}, "live is a section"),
        ({"lvie": {}}, "unknown setting lvie"),
    ):
        with pytest.raises(SettingsError, match=words):
            Given(values, {})


def test_folder_is_needed_where_none_is_named(tmp_path: Path) -> None:
    assert Given(None, {}).needs_folder
    named = Given({"data": tmp_path}, {})
    assert not named.needs_folder
    assert named.loaded.settings.data == tmp_path


def test_change_goes_on_top_and_keeps_the_folder(tmp_path: Path) -> None:
    given = Given({"live": {"wait_s": 1}}, {})
    given.use_folder(tmp_path)
    changed = given.changed({"live": {"log_s": 2}}, {"limits": {"idle_s": 3}})
    settings = changed.loaded.settings
    assert (settings.live.wait_s, settings.live.log_s, settings.limits.idle_s) == (1, 2, 3)
    assert settings.data == tmp_path
    assert changed.changed({}, {"live": {"wait_s": 5}}).loaded.settings.limits.idle_s == 3


def test_whole_settings_are_changed_as_a_whole() -> None:
    given = Given(Settings(), {})
    other = Settings(live=Live(wait_s=1))
    assert given.changed(other, {}).loaded.settings is other
    with pytest.raises(SettingsError, match="given whole, and can only be changed so"):
        given.changed(None, {"live": {"wait_s": 1}})
