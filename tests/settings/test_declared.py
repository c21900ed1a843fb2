"""Tests of keys, users and tokens that the settings declare: what is wrong is said."""

import pytest

from headend.errors import SettingsError
from headend.settings import load_settings, plain_values
from headend.settings.declared import sha256

HASH = sha256("x")
USER = 'name = "a", stream = "live/a"'


def load(key: str, *tables: str) -> object:
    text = ", ".join(f"{{ {table} }}" for table in tables)
    return load_settings(None, [f"auth.{key}=[{text}]"], environ={}).settings.auth


@pytest.mark.parametrize(
    ("key", "table", "says"),
    [
        ("publish_keys", 'stream = "live/a"', "one of key, key_file and hash must be given"),
        (
            "publish_keys",
            f'stream = "live/a", key = "hk_{"a" * 32}", hash = "{HASH}"',
            "one of key, key_file and hash must be given",
        ),
        ("publish_keys", f'hash = "{HASH}"', "stream is missing"),
        ("publish_keys", 'stream = "live/a", key = "secret"', "key must be hk_ and 32 letters"),
        ("publish_keys", 'stream = "live/a", hash = "abc"', "hash must be sha256: and 64"),
        ("publish_keys", f'stream = "a/../b", hash = "{HASH}"', "is .., which is not allowed"),
        (
            "publish_keys",
            f'stream = "live/a", hash = "{HASH}", expires = "soon"',
            "expires must be a date or time",
        ),
        ("users", f'{USER}, password = "short"', "password must be a text of at least 8"),
        ("users", f"{USER}", "one of password, password_file and hash must be given"),
        ("users", f'{USER}, hash = "{HASH}"', "hash must be as `headend key declare"),
        ("users", 'name = "pk_a", stream = "live/a", password = "12345678"', "name must be 1 to"),
        ("api_tokens", f'name = "a b", hash = "{HASH}"', "name must be 1 to 32"),
        ("api_tokens", 'name = "a", token = "short"', "token must be a text of at least 32"),
        ("api_tokens", f'name = "a", hash = "{HASH}", access = "some"', 'must be "read" or "all"'),
    ],
)
def test_wrong_entry_is_told_without_its_values(key: str, table: str, says: str) -> None:
    with pytest.raises(SettingsError) as caught:
        load(key, table)
    assert says in str(caught.value)
    assert f"auth.{key} = (hidden): entry 1" in str(caught.value)


@pytest.mark.parametrize(
    ("key", "tables", "what"),
    [
        ("publish_keys", [f'stream = "live/{name}", hash = "{HASH}"' for name in "ab"], "key"),
        ("users", [f'{USER}, password = "1234567{number}"' for number in "89"], "name"),
        ("api_tokens", [f'name = "{name}", hash = "{HASH}"' for name in "ab"], "token"),
    ],
)
def test_entries_that_cannot_be_told_apart_are_wrong(
    key: str, tables: list[str], what: str
) -> None:
    with pytest.raises(SettingsError, match=f"entries 1 and 2 have the same {what}"):
        load(key, *tables)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("2030-01-01", "2030-01-01T00:00:00Z"),
        ("2030-01-01T12:00:00", "2030-01-01T12:00:00Z"),
        ("2030-01-01T12:00:00+02:00", "2030-01-01T10:00:00Z"),
        ('"2030-01-01"', "2030-01-01T00:00:00Z"),
        ('""', ""),
    ],
)
def test_expiry_is_a_date_or_a_time_of_toml_or_a_text(text: str, shown: str) -> None:
    table = f'stream = "live/a", hash = "{HASH}", expires = {text}'
    loaded = load_settings(None, [f"auth.publish_keys=[{{ {table} }}]"], environ={})
    keys = plain_values(loaded.settings)["auth.publish_keys"]
    assert isinstance(keys, list)
    assert keys[0]["expires"] == shown


def test_what_lets_somebody_sign_in_is_not_shown() -> None:
    check = "authmod:0123456789ab:" + "A" * 22 + "==:" + "0" * 32
    table = f'{USER}, hash = "{check}"'
    loaded = load_settings(None, [f"auth.users=[{{ {table} }}]"], environ={})
    assert check not in str(plain_values(loaded.settings)["auth.users"])
