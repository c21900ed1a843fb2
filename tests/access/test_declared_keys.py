"""Tests of headend.access.declared_keys: keys and users of the settings."""

import time
from pathlib import Path

import pytest
from tests.access.gates import SECRET
from tests.harness import live_server

from headend.access.declared_keys import DeclaredKeys
from headend.access.known_keys import KnownKeys
from headend.rtmp.authmod import verifier
from headend.settings import Settings, load_settings
from headend.settings.declared import sha256

KEY = "hk_" + "a" * 32
OTHER = "hk_" + "b" * 32
PASSWORD = "correct horse"
TEXT = f"""\
[[auth.publish_keys]]
stream = "live/a"
hash = "{sha256(KEY)}"
label = "Ann"
networks = ["10.0.0.0/8"]
tls_only = true
priority = 3

[[auth.publish_keys]]
stream = "live/b"
key = "{OTHER}"
expires = 2001-01-01

[[auth.users]]
name = "studio1"
stream = "studio/a"
password = "{PASSWORD}"
"""


def load(folder: Path, text: str = TEXT) -> Settings:
    path = folder / "headend.toml"
    path.write_text(text)
    return load_settings(path, environ={}).settings


def declared(folder: Path, text: str = TEXT) -> DeclaredKeys:
    auth = load(folder, text).auth
    return DeclaredKeys(auth.publish_keys, auth.users)


def test_key_is_found_by_itself_and_by_its_id_whichever_way_it_is_declared(tmp_path: Path) -> None:
    keys = declared(tmp_path)
    found = keys.find(KEY)
    assert found is not None
    assert (found.stream, found.label, found.priority, found.tls_only) == ("live/a", "Ann", 3, True)
    assert found.source == "settings"
    assert keys.get(found.id) == found
    expired = keys.find(OTHER)
    assert expired is not None
    assert not expired.is_valid(time.time())
    assert keys.find("hk_" + "c" * 32) is None
    assert DeclaredKeys().find(KEY) is None


def test_all_are_listed_in_the_order_of_their_ids(tmp_path: Path) -> None:
    keys = declared(tmp_path)
    ids = [key.id for key in keys.all()]
    assert ids == sorted(ids)
    assert len(ids) == 3
    assert [key.id for key in keys.all("studio/a")] == ["studio1"]


def test_user_signs_in_with_a_password_or_what_checks_it(tmp_path: Path) -> None:
    keys = declared(tmp_path)
    kept = keys.password("studio1")
    assert kept is not None
    assert kept == verifier("studio1", PASSWORD, kept.salt)
    check = f"authmod:{kept.salt}:{kept.adobe}:{kept.llnw}"
    hashed = TEXT.replace(f'password = "{PASSWORD}"', f'hash = "{check}"')
    assert declared(tmp_path, hashed).password("studio1") == kept
    assert keys.password("nobody") is None


def test_expired_key_is_not_valid_and_an_unknown_one_is_left_to_the_database(
    tmp_path: Path,
) -> None:
    keys = declared(tmp_path)
    valid, expired = keys.find(KEY), keys.find(OTHER)
    assert valid is not None
    assert expired is not None
    ids = [valid.id, expired.id, "studio1", "pk_other"]
    assert keys.invalid(ids, time.time()) == ({expired.id}, {"pk_other"})


@pytest.mark.parametrize(
    ("old", "new", "goes"),
    [
        ('label = "Ann"', 'label = "Bob"', False),
        ('stream = "live/a"', 'stream = "live/c"', True),
        (sha256(KEY), sha256("another"), True),
        (f'password = "{PASSWORD}"', 'password = "other horse"', True),
        ('stream = "studio/a"', 'stream = "studio/b"', True),
        ('name = "studio1"', 'name = "studio2"', True),
    ],
)
def test_what_a_change_of_the_settings_takes_away_is_known(
    old: str, new: str, goes: bool, tmp_path: Path
) -> None:
    before, after = declared(tmp_path), declared(tmp_path, TEXT.replace(old, new))
    assert bool(before.gone(after)) == goes


def test_secrets_of_declared_entries_are_hidden_from_the_log(tmp_path: Path) -> None:
    from headend.settings import secret_values

    assert {OTHER, PASSWORD} <= set(secret_values(load(tmp_path)))


async def test_declared_keys_need_no_database(tmp_path: Path) -> None:
    keys = KnownKeys(SECRET)  # there is no store, and none is waited for
    keys.declared = declared(tmp_path)
    found = await keys.find(KEY)
    assert found is not None
    assert await keys.get(found.id) == found
    assert await keys.password("studio1") is not None
    assert await keys.invalid([found.id, "studio1"]) == set()


async def test_declared_key_publishes_until_it_is_taken_out_of_the_settings(
    tmp_path: Path,
) -> None:
    file = tmp_path / "headend.toml"
    table = f'[[auth.publish_keys]]\nstream = "live/a"\nhash = "{sha256(KEY)}"\n'
    file.write_text(table)
    async with live_server(tmp_path / "data", "auth.publish=key", path=file) as live:
        publisher = await live.publisher(f"a?key={KEY}")
        file.write_text(f'{table}label = "Ann"\n')
        live.server.reload()
        file.write_text("")
        live.server.reload()
        await publisher.expect("NetStream.Publish.Denied")
        assert publisher.reasons[-1] == "the publish key was revoked"
