"""Tests of headend.store.relay_store, on each kind of database."""

from pathlib import Path

import pytest
import sqlalchemy as sa

from headend.errors import SettingsError
from headend.store.database import Database
from headend.store.relay_store import RelayStore, StoredRelay
from headend.store.server_secret import ServerSecret

SECRET = ServerSecret(bytes(range(32)))


async def test_relays_are_kept_encrypted_for_their_server(database_url: str) -> None:
    database = Database(database_url, Path("/nowhere"))
    await database.open()
    try:
        store = RelayStore(database, SECRET, "node-1")
        spec: dict[str, object] = {"match": "live/*", "url": "rtmp://h/hush", "key": "hush-key"}
        first, second = StoredRelay("rl_2", "out", spec), StoredRelay("rl_1", "in", spec)
        await store.keep(first, 1000)
        await store.keep(second, 2000)
        assert await store.relays() == [first, second]
        assert "hush" not in repr(first)
        assert await RelayStore(database, SECRET, "node-2").relays() == []
        async with database.begin() as connection:
            rows = (await connection.execute(sa.text("SELECT * FROM relays"))).all()
        assert "hush" not in str(rows)
        with pytest.raises(SettingsError, match=r"another server\.secret"):
            await RelayStore(database, ServerSecret(bytes(32)), "node-1").relays()
        await store.forget("rl_2")
        await store.forget("rl_2")
        assert await store.relays() == [second]
    finally:
        await database.close()
