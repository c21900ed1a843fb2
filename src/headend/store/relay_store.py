"""The relays that the API added: their URLs and keys are secrets at rest."""

import json
from dataclasses import dataclass, field
from typing import Final

import sqlalchemy as sa

from headend.store.database import Database
from headend.store.server_secret import ServerSecret
from headend.store.tables import RELAYS


@dataclass(frozen=True, slots=True)
class StoredRelay:
    """A relay as the API was given it.

    Attributes:
        id: Its id.
        direction: out or in.
        spec: As in the settings; holds secrets.
    """

    id: str
    direction: str
    spec: dict[str, object] = field(repr=False)


class RelayStore:
    """Relays in the database. Every method raises DatabaseError when that fails."""

    def __init__(self, database: Database, secret: ServerSecret, node: str) -> None:
        """Take the parts.

        Args:
            database: Where they are kept.
            secret: Encrypts them.
            node: This server, among those that share the database.
        """
        self._database: Final = database
        self._secret: Final = secret
        self._node: Final = node

    async def keep(self, relay: StoredRelay, now: float) -> None:
        """Keep a relay; `now` in Unix seconds."""
        row = {
            "id": relay.id,
            "node": self._node,
            "direction": relay.direction,
            "spec": self._secret.encrypt(json.dumps(relay.spec), relay.id),
            "created_at": now,
        }
        async with self._database.begin() as connection:
            await connection.execute(RELAYS.insert(), [row])

    async def forget(self, id: str) -> None:
        """Forget a relay; one that is not there is no error."""
        async with self._database.begin() as connection:
            await connection.execute(RELAYS.delete().where(RELAYS.c.id == id))

    async def relays(self) -> list[StoredRelay]:
        """Return the relays of this server, the oldest first.

        Raises:
            SettingsError: They were encrypted with another secret.
        """
        query = (
            sa.select(RELAYS.c.id, RELAYS.c.direction, RELAYS.c.spec)
            .where(RELAYS.c.node == self._node)
            .order_by(RELAYS.c.created_at, RELAYS.c.id)
        )
        async with self._database.begin() as connection:
            rows = (await connection.execute(query)).all()
        return [
            StoredRelay(id, direction, json.loads(self._secret.decrypt(spec, id)))
            for id, direction, spec in rows
        ]
