"""What is said when a package is missing that only some set-ups need."""

from pathlib import Path

import pytest

from headend.errors import SettingsError
from headend.settings import extras
from headend.store.database import Database


@pytest.mark.parametrize("module", extras.EXTRAS)
def test_missing_package_is_told_with_the_command_that_brings_it(
    module: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(extras, "find_spec", lambda name: None)
    with pytest.raises(SettingsError) as caught:
        extras.require(module, "a.setting")
    assert str(caught.value).startswith("a.setting needs the package")
    assert f"pip install {module} " in str(caught.value)
    assert "\n" not in str(caught.value)


def test_package_that_is_there_is_not_told() -> None:
    extras.require("asyncpg", "auth.database")


def test_postgresql_needs_its_driver_and_sqlite_does_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(extras, "find_spec", lambda name: None)
    Database("", tmp_path)
    with pytest.raises(SettingsError, match=r"auth\.database needs the package asyncpg"):
        Database("postgresql://user:hidden@127.0.0.1/headend", tmp_path)
