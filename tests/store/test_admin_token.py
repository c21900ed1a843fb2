"""Tests of headend.store.admin_token."""

import stat
from pathlib import Path

import pytest

from headend.errors import SettingsError
from headend.store.admin_token import load_or_create


def test_first_start_makes_a_token_and_later_ones_find_it(tmp_path: Path) -> None:
    token, is_new = load_or_create(tmp_path)
    assert is_new
    assert len(token) == 43  # 32 bytes in base64 without padding
    assert load_or_create(tmp_path) == (token, False)
    assert (tmp_path / "admin.token").read_text() == token + "\n"


def test_two_servers_have_different_tokens(tmp_path: Path) -> None:
    assert load_or_create(tmp_path / "a")[0] != load_or_create(tmp_path / "b")[0]


def test_only_the_owner_may_read_the_token_and_the_folder(tmp_path: Path) -> None:
    data = tmp_path / "parent" / "data"
    load_or_create(data)
    assert stat.S_IMODE((data / "admin.token").stat().st_mode) == 0o600
    assert stat.S_IMODE(data.stat().st_mode) == 0o700


def test_token_written_by_a_person_is_taken_without_white_space(tmp_path: Path) -> None:
    (tmp_path / "admin.token").write_text("  secret\n\n")
    assert load_or_create(tmp_path) == ("secret", False)


def test_empty_file_is_an_error_that_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "admin.token").write_text("\n")
    with pytest.raises(SettingsError, match=r"admin\.token is empty: delete it"):
        load_or_create(tmp_path)


def test_file_that_is_no_text_is_an_error_without_its_contents(tmp_path: Path) -> None:
    (tmp_path / "admin.token").write_bytes(b"secret\xff")
    with pytest.raises(SettingsError, match=r"cannot use admin\.token") as error:
        load_or_create(tmp_path)
    assert "secret" not in str(error.value)


def test_folder_that_cannot_be_made_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SettingsError, match=r"data folder .*file"):
        load_or_create(tmp_path / "file")
