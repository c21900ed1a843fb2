"""Tests of headend.store.keys, on each kind of database."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from ipaddress import ip_network
from pathlib import Path

import pytest
import sqlalchemy as sa

from headend.errors import ProtocolError, SettingsError
from headend.rtmp.authmod import Challenge, SignInAnswer, is_right, verifier
from headend.store.database import Database
from headend.store.keys import KeyStore
from headend.store.publish_key import KeyOptions
from headend.store.server_secret import ServerSecret

SECRET = ServerSecret(bytes(range(32)))


@asynccontextmanager
async def opened(url: str) -> AsyncIterator[tuple[KeyStore, Database]]:
    database = Database(url, Path("/nowhere"))
    await database.open()
    try:
        yield KeyStore(database, SECRET), database
    finally:
        await database.close()


async def test_key_is_found_by_what_it_is_and_stored_as_a_hash(database_url: str) -> None:
    async with opened(database_url) as (keys, database):
        options = KeyOptions(
            "studio", 2000.5, (ip_network("10.0.0.0/8"), ip_network("::1/128")), True, 7
        )
        new = await keys.create("live/a", options, 1000.25)
        assert new.secret.startswith("hk_")
        assert len(new.secret) == 35
        assert new.key.id.startswith("pk_")
        assert new.secret not in repr(new)
        found = await keys.find(new.secret)
        assert found == new.key
        assert (found.label, found.created_at, found.expires_at) == ("studio", 1000.25, 2000.5)
        assert (found.networks, found.tls_only, found.priority) == (options.networks, True, 7)
        assert await keys.get(new.key.id) == found
        assert await keys.find("hk_" + "a" * 32) is None
        assert await keys.find(new.secret.swapcase()) is None
        async with database.begin() as connection:
            everything = str(
                (await connection.execute(sa.text("SELECT * FROM publish_keys"))).all()
            )
        assert new.secret not in everything


async def test_keys_of_another_secret_are_counted_while_they_would_be_valid(
    database_url: str,
) -> None:
    async with opened(database_url) as (keys, database):
        ended = await keys.create("live/a", KeyOptions(expires_at=1500), 1000)
        revoked = await keys.create("live/a", KeyOptions(), 1000)
        await keys.revoke(revoked.key.id, 1200)
        await keys.create("live/a", KeyOptions(), 1000)
        await keys.create("live/b", KeyOptions(expires_at=3000), 1000)
        others = KeyStore(database, ServerSecret(bytes(32)))
        await others.create("live/c", KeyOptions(), 1000)
        assert ended.key.id != revoked.key.id
        assert await keys.foreign(2000) == 1
        assert await others.foreign(2000) == 2


async def test_key_is_valid_until_it_expires_or_is_revoked(database_url: str) -> None:
    async with opened(database_url) as (keys, _):
        new = await keys.create("live/a", KeyOptions(expires_at=2000), 1000)
        assert new.key.is_valid(1999.9)
        assert not new.key.is_valid(2000)
        revoked = await keys.revoke(new.key.id, 1500)
        assert revoked is not None
        assert revoked.revoked_at == 1500
        assert not revoked.is_valid(1000)
        again = await keys.revoke(new.key.id, 1600)
        assert again == revoked  # the first time stands
        assert await keys.find(new.secret) == revoked
        assert await keys.revoke("pk_nothing", 1) is None


async def test_rotated_key_gives_way_to_one_that_does_the_same(database_url: str) -> None:
    async with opened(database_url) as (keys, _):
        old = await keys.create("live/a", KeyOptions("studio", None, (), True, 3), 1000)
        new = await keys.rotate(old.key.id, 1100)
        assert new is not None
        assert new.secret != old.secret
        assert (new.key.stream, new.key.label, new.key.tls_only) == ("live/a", "studio", True)
        assert new.key.priority == 3
        was = await keys.find(old.secret)
        assert was is not None
        assert was.revoked_at == 1100
        assert await keys.rotate(old.key.id, 1200) is None
        assert await keys.rotate("pk_nothing", 1200) is None


async def test_keys_are_listed_in_pages(database_url: str) -> None:
    async with opened(database_url) as (keys, _):
        made = [await keys.create(f"live/{n % 2}", KeyOptions(), n) for n in range(5)]
        ids = sorted(new.key.id for new in made)
        first = await keys.page(limit=3)
        rest = await keys.page(limit=3, after=first[-1].id)
        # Databases sort letters in an order of their own; nobody is left out or told twice.
        assert sorted(key.id for key in [*first, *rest]) == ids
        assert len(await keys.page(stream="live/0")) == 3
        assert (await keys.count(), await keys.count(stream="live/1")) == (5, 2)


async def test_key_is_a_password_too_with_its_id_as_user(database_url: str) -> None:
    async with opened(database_url) as (keys, _):
        new = await keys.create("live/a", KeyOptions(), 1000)
        id = new.key.id
        known = await keys.password(id)
        assert known is not None
        assert known == verifier(id, new.secret, known.salt)
        challenge = Challenge("adobe", id, "n")
        assert not is_right(SignInAnswer("adobe", id, "n", "c", "x"), challenge, known, "live")
        assert await keys.password("pk_nothing") is None


async def test_keys_that_are_not_valid_any_more_are_named(database_url: str) -> None:
    async with opened(database_url) as (keys, _):
        good, expired, revoked = [
            (await keys.create("live/a", KeyOptions(expires_at=end), 1)).key.id
            for end in (None, 100, None)
        ]
        await keys.revoke(revoked, 50)
        named = await keys.invalid({good, expired, revoked, "pk_nothing"}, 200)
        assert named == {expired, revoked, "pk_nothing"}
        assert await keys.invalid([], 200) == set()


async def test_use_is_noted(database_url: str) -> None:
    async with opened(database_url) as (keys, _):
        id = (await keys.create("live/a", KeyOptions(), 1000)).key.id
        await keys.note_uses({id: ("10.0.0.7", 1100)})
        used = await keys.get(id)
        assert used is not None
        assert (used.used_at, used.used_from) == (1100, "10.0.0.7")


@pytest.mark.parametrize("stream", ["", "live/", "live/..", "live/a*"])
async def test_key_is_for_a_name_that_a_stream_can_have(stream: str, tmp_path: Path) -> None:
    async with opened(f"sqlite:///{tmp_path}/a.db") as (keys, _):
        with pytest.raises(ProtocolError):
            await keys.create(stream, KeyOptions(), 1)


@pytest.mark.parametrize("label", ["a" * 201, "a\nb"])
async def test_label_is_short_and_printable(label: str, tmp_path: Path) -> None:
    async with opened(f"sqlite:///{tmp_path}/a.db") as (keys, _):
        with pytest.raises(SettingsError, match="label"):
            await keys.create("live/a", KeyOptions(label), 1)
