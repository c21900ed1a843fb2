"""Tests of secrets that a file holds in place of the settings."""

import os
from pathlib import Path

import pytest

from headend.errors import SettingsError
from headend.settings import KEYS, Settings, load_settings, settings_of
from headend.settings.relay import RelayOut
from headend.settings.secret_files import SECRET_BYTES, read_secret
from headend.settings.tables import read_table

SECRET = "correct horse battery staple"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "secret"
    path.write_text(f"{SECRET}\n")
    return path


def load(path: Path, text: str, **environ: str) -> Settings:
    settings = path / "headend.toml"
    settings.write_text(text)
    return load_settings(settings, environ=environ).settings


@pytest.mark.parametrize("key", ["auth.callback_secret", "srt.passphrase"])
def test_secret_of_a_section_may_be_in_a_file(key: str, file: Path) -> None:
    loaded = load_settings(None, [f"{key}_file={file}"], environ={})
    section, _, name = key.partition(".")
    assert getattr(getattr(loaded.settings, section), name).get_secret_value() == SECRET
    assert loaded.sources[key] == "flag --set"
    assert f"{key}_file" not in KEYS


def test_environment_may_name_the_file_too(file: Path) -> None:
    environ = {"HEADEND_AUTH__CALLBACK_SECRET_FILE": str(file)}
    auth = load_settings(None, environ=environ).settings.auth
    assert auth.callback_secret.get_secret_value() == SECRET


def test_secret_of_a_table_may_be_in_a_file(file: Path, tmp_path: Path) -> None:
    key_file = tmp_path / "key"
    key_file.write_text("a-b-c\n")
    settings = load(
        tmp_path,
        f'[[webhooks]]\nname = "a"\nurl = "https://example.com/"\nsecret_file = "{file}"\n'
        f'[[relay.out]]\nmatch = "live/*"\nurl = "rtmp://host/app"\nkey_file = "{key_file}"\n',
    )
    assert settings.webhooks[0].secret.get_secret_value() == SECRET
    key = settings.relay.out[0].key
    assert key is not None
    assert key.get_secret_value() == "a-b-c"


def test_secret_may_be_a_credential_of_systemd(file: Path, tmp_path: Path) -> None:
    text = 'auth.callback_secret_file = "credential:secret"\n'
    settings = load(tmp_path, text, CREDENTIALS_DIRECTORY=str(tmp_path))
    assert settings.auth.callback_secret.get_secret_value() == SECRET


def test_later_source_wins_whichever_form_it_has(file: Path) -> None:
    other = "another secret of 16"
    for overrides, expected in (
        ([f"auth.callback_secret={other}", f"auth.callback_secret_file={file}"], SECRET),
        ([f"auth.callback_secret_file={file}", f"auth.callback_secret={other}"], other),
    ):
        auth = load_settings(None, overrides, environ={}).settings.auth
        assert auth.callback_secret.get_secret_value() == expected


@pytest.mark.parametrize(
    ("where", "why"),
    [
        ("{folder}/nothing", "No such file"),
        ("{folder}", "Is a directory"),
        ("{folder}/empty", "it is empty"),
        ("{folder}/pipe", "it is no file"),
        ("{folder}/large", f"it is longer than {SECRET_BYTES} bytes"),
        ("{folder}/binary", "it is no text"),
        ("credential:a", "CREDENTIALS_DIRECTORY is not set"),
        ("credential:../a", "a credential is named without a path"),
        ("credential:", "a credential is named without a path"),
        ("", "must be the path of a file"),
    ],
)
def test_file_that_cannot_be_read_is_told(where: str, why: str, tmp_path: Path) -> None:
    (tmp_path / "empty").write_text(" \n")
    (tmp_path / "large").write_bytes(b"x" * (SECRET_BYTES + 1))
    (tmp_path / "binary").write_bytes(b"\xff\xfe")
    os.mkfifo(tmp_path / "pipe")
    text = where.format(folder=tmp_path)
    with pytest.raises(ValueError, match=why):
        read_secret(text, {})
    with pytest.raises(SettingsError, match=rf"auth\.callback_secret_file: .*{why}"):
        load_settings(None, [f"auth.callback_secret_file={text}"], environ={})


def test_value_that_is_no_secret_cannot_be_in_a_file(file: Path) -> None:
    with pytest.raises(SettingsError, match=r"unknown setting auth\.jwks_file"):
        load_settings(None, [f"auth.jwks_file={file}"], environ={})


def test_entry_with_both_forms_is_wrong(file: Path, tmp_path: Path) -> None:
    text = f'[[relay.out]]\nmatch = "a"\nurl = "rtmp://h/a"\nkey = "k"\nkey_file = "{file}"\n'
    with pytest.raises(SettingsError, match="key and key_file are given: one of them is enough"):
        load(tmp_path, text)


def test_what_the_api_is_given_reads_no_files(file: Path) -> None:
    item = {"match": "live/*", "url": "rtmp://host/app", "key_file": str(file)}
    with pytest.raises(ValueError, match="unknown field"):
        read_table(RelayOut, item)


def test_program_that_embeds_a_server_may_name_files(file: Path) -> None:
    settings = settings_of({"auth": {"callback_secret_file": str(file)}}).settings
    assert settings.auth.callback_secret.get_secret_value() == SECRET


def test_schema_knows_the_fields_that_name_files() -> None:
    webhook = Settings.model_json_schema()["$defs"]["Webhook"]
    assert "secret_file" in webhook["properties"]
    assert webhook["required"] == ["name", "url"]
