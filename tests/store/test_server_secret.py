"""Tests of headend.store.server_secret."""

from pathlib import Path

import pytest

from headend.errors import SettingsError
from headend.store.server_secret import FILE_NAME, ServerSecret


def test_secret_is_made_once_and_only_its_owner_may_read_it(tmp_path: Path) -> None:
    data = tmp_path / "data"
    first = ServerSecret.load_or_create(data)
    again = ServerSecret.load_or_create(data)
    path = data / FILE_NAME
    assert path.stat().st_mode & 0o777 == 0o600
    assert first.hash("a") == again.hash("a")
    assert path.read_text() not in repr(first)


def test_hashes_depend_on_secret_and_text() -> None:
    one, two = ServerSecret(bytes(32)), ServerSecret(bytes(31) + b"\x01")
    assert len({one.hash("a"), one.hash("b"), two.hash("a"), one.derive("a"), one.derive("b")}) == 5
    assert one.hash("\udce9") != one.hash("e")  # bytes of a peer that are no UTF-8


def test_hash_and_derived_keys_stay_what_they_are() -> None:
    # Stored hashes must be found by every later version.
    secret = ServerSecret(bytes(range(32)))
    assert secret.hash("hk_a").hex() == (
        "4bf46164ef40e0056c8abbbe8cd852561db79bc8ad03f406bf742f07b6657169"
    )
    assert secret.derive("tokens").hex() == (
        "5447b100a0674b4d751a3bd6aa64bd8de08483bb47114e7d22dd9dc5f87bb14d"
    )


def test_what_is_encrypted_is_read_with_the_same_secret_in_the_same_place() -> None:
    secret = ServerSecret(bytes(32))
    sealed = secret.encrypt("caf\xe9", "pk_1")
    assert secret.decrypt(sealed, "pk_1") == "caf\xe9"
    assert secret.encrypt("caf\xe9", "pk_1") != sealed
    for other, data, place in (
        (ServerSecret(bytes(31) + b"\x01"), sealed, "pk_1"),
        (secret, sealed, "pk_2"),
        (secret, sealed[:-1], "pk_1"),
        (secret, b"", "pk_1"),
    ):
        with pytest.raises(SettingsError, match=r"encrypted with another server\.secret"):
            other.decrypt(data, place)


@pytest.mark.parametrize("text", ["", "00", "no hexadecimal", "00" * 31, "\xe9"])
def test_file_that_holds_something_else_is_refused(text: str, tmp_path: Path) -> None:
    (tmp_path / FILE_NAME).write_text(text)
    with pytest.raises(SettingsError, match=r"server\.secret"):
        ServerSecret.load_or_create(tmp_path)


def test_folder_that_cannot_be_used_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SettingsError, match="cannot use"):
        ServerSecret.load_or_create(tmp_path / "file")
