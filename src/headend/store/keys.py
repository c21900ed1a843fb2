"""Publish keys: made once, shown once, stored as a keyed hash."""

import json
import secrets
import string
from collections.abc import Iterable, Mapping, Sequence
from ipaddress import ip_network
from typing import Final

import sqlalchemy as sa

from headend.errors import SettingsError
from headend.names import KEY_PREFIX, stream_path
from headend.rtmp.authmod import SALT_BYTES, Verifier, verifier
from headend.store.database import Database
from headend.store.publish_key import (
    ID_CHARACTERS,
    ID_PREFIX,
    KEY_CHARACTERS,
    LABEL_CHARACTERS,
    KeyOptions,
    NewKey,
    PublishKey,
)
from headend.store.server_secret import FILE_NAME as SECRET_FILE
from headend.store.server_secret import ServerSecret
from headend.store.tables import PUBLISH_KEYS

LOOKED_AT: Final = 500  # keys whose secret is checked; some milliseconds

_ALPHABET: Final = string.ascii_letters + string.digits
_KEYS: Final = PUBLISH_KEYS


class KeyStore:
    """Publish keys in the database. Every method raises DatabaseError when that fails."""

    def __init__(self, database: Database, secret: ServerSecret) -> None:
        self._database = database
        self._secret = secret

    async def create(self, stream: str, options: KeyOptions, now: float) -> NewKey:
        """Make a key for a stream.

        Raises:
            ProtocolError: No stream can have such a name.
            SettingsError: The label is too long.
        """
        new = self._make(stream_path(stream), options, now)
        async with self._database.begin() as connection:
            await connection.execute(_KEYS.insert(), [self._row(new)])
        return new

    async def rotate(self, id: str, now: float) -> NewKey | None:
        """Make a key that does what another did, and revoke that; None: there is no valid one."""
        async with self._database.begin() as connection:
            row = (await connection.execute(_select().where(_KEYS.c.id == id))).one_or_none()
            if row is None or not (old := _key(row)).is_valid(now):
                return None
            options = KeyOptions(
                old.label, old.expires_at, old.networks, old.tls_only, old.priority
            )
            new = self._make(old.stream, options, now)
            await connection.execute(_KEYS.insert(), [self._row(new)])
            await connection.execute(_revoke(id, now))
        return new

    async def revoke(self, id: str, now: float) -> PublishKey | None:
        """Revoke a key for good, one that is revoked already too; None: there is none."""
        async with self._database.begin() as connection:
            await connection.execute(_revoke(id, now))
            row = (await connection.execute(_select().where(_KEYS.c.id == id))).one_or_none()
        return None if row is None else _key(row)

    async def page(
        self, *, stream: str | None = None, limit: int = 100, after: str = ""
    ) -> list[PublishKey]:
        """Return keys in the order of their ids, revoked ones too.

        Args:
            stream: Only those of this one.
            limit: Most of them.
            after: Id of the last one seen.
        """
        query = _select().where(_KEYS.c.id > after).order_by(_KEYS.c.id).limit(limit)
        if stream is not None:
            query = query.where(_KEYS.c.stream == stream)
        async with self._database.begin() as connection:
            return [_key(row) for row in await connection.execute(query)]

    async def count(self, *, stream: str | None = None) -> int:
        """Count keys, revoked ones too."""
        query = sa.select(sa.func.count()).select_from(_KEYS)
        if stream is not None:
            query = query.where(_KEYS.c.stream == stream)
        async with self._database.begin() as connection:
            return int((await connection.execute(query)).scalar_one())

    async def get(self, id: str) -> PublishKey | None:
        """Return a key by its id."""
        async with self._database.begin() as connection:
            row = (await connection.execute(_select().where(_KEYS.c.id == id))).one_or_none()
        return None if row is None else _key(row)

    async def find(self, secret: str) -> PublishKey | None:
        """Return what is known of a key that somebody shows; it may be revoked or expired.

        It is looked for by its keyed hash: how long that takes tells nothing about other keys.
        """
        return await self.find_hash(self.hash(secret))

    def hash(self, secret: str) -> bytes:
        """Return under which hash a key is stored."""
        return self._secret.hash(secret)

    async def find_hash(self, hash: bytes) -> PublishKey | None:
        """Return what is known of a key with such a hash."""
        async with self._database.begin() as connection:
            row = (await connection.execute(_BY_HASH, {"wanted": hash})).one_or_none()
        return None if row is None else _key(row)

    async def password(self, id: str) -> Verifier | None:
        """Return what checks the key as a password, its id being the user."""
        query = sa.select(_KEYS.c.password).where(_KEYS.c.id == id)
        async with self._database.begin() as connection:
            sealed = (await connection.execute(query)).scalar_one_or_none()
        if sealed is None:
            return None
        user, salt, adobe, llnw = json.loads(self._secret.decrypt(sealed, id))
        return Verifier(user, salt, adobe, llnw)

    async def invalid(self, ids: Iterable[str], now: float) -> set[str]:
        """Say which of some keys are not valid, or not there, any more."""
        wanted = set(ids)
        query = _select().where(_KEYS.c.id.in_(wanted))
        async with self._database.begin() as connection:
            keys = [_key(row) for row in await connection.execute(query)]
        return wanted - {key.id for key in keys if key.is_valid(now)}

    async def foreign(self, now: float) -> int:
        """Count the valid keys that were made with another `server.secret`: nobody can use them.

        As after a backup was restored without that file. It looks at LOOKED_AT keys at most.
        """
        valid = sa.and_(
            _KEYS.c.revoked_at.is_(None),
            sa.or_(_KEYS.c.expires_at.is_(None), _KEYS.c.expires_at > now),
        )
        query = sa.select(_KEYS.c.id, _KEYS.c.password).where(valid).limit(LOOKED_AT)
        async with self._database.begin() as connection:
            rows = (await connection.execute(query)).all()
        return sum(not self._is_ours(id, sealed) for id, sealed in rows)

    def _is_ours(self, id: str, sealed: bytes) -> bool:
        try:
            self._secret.decrypt(sealed, id)
        except SettingsError:
            return False
        return True

    async def note_uses(self, uses: Mapping[str, tuple[str, float]]) -> None:
        """Remember when and from where keys were accepted.

        Args:
            uses: Address and Unix time, by the key's id.
        """
        values = [
            {"key": id, "used_at": now, "used_from": address} for id, (address, now) in uses.items()
        ]
        async with self._database.begin() as connection:
            await connection.execute(_NOTE_USE, values)

    def _make(self, stream: str, options: KeyOptions, now: float) -> NewKey:
        if len(options.label) > LABEL_CHARACTERS or not options.label.isprintable():
            raise SettingsError(f"label: at most {LABEL_CHARACTERS} printable characters")
        key = PublishKey(
            ID_PREFIX + _random(ID_CHARACTERS),
            stream,
            options.label,
            now,
            options.expires_at,
            None,
            options.networks,
            options.tls_only,
            options.priority,
        )
        return NewKey(key, KEY_PREFIX + _random(KEY_CHARACTERS))

    def _row(self, new: NewKey) -> dict[str, object]:
        key = new.key
        kept = verifier(key.id, new.secret, secrets.token_hex(SALT_BYTES))
        password = json.dumps([kept.user, kept.salt, kept.adobe, kept.llnw])
        return {
            "id": key.id,
            "hash": self._secret.hash(new.secret),
            "stream": key.stream,
            "label": key.label,
            "created_at": key.created_at,
            "expires_at": key.expires_at,
            "networks": [str(network) for network in key.networks],
            "tls_only": key.tls_only,
            "priority": key.priority,
            "password": self._secret.encrypt(password, key.id),
        }


# Everything but what is secret.
_COLUMNS: Final = [column for column in _KEYS.c if column.name not in ("hash", "password")]


def _select() -> "sa.Select[tuple[object, ...]]":
    return sa.select(*_COLUMNS)


# Asked at every publish: built once.
_BY_HASH: Final = _select().where(_KEYS.c.hash == sa.bindparam("wanted"))
_NOTE_USE: Final = _KEYS.update().where(_KEYS.c.id == sa.bindparam("key"))


def _revoke(id: str, now: float) -> sa.Update:
    values = _KEYS.update().values(revoked_at=now)
    return values.where(_KEYS.c.id == id, _KEYS.c.revoked_at.is_(None))


def _key(row: "sa.Row[tuple[object, ...]]") -> PublishKey:
    values = dict(row._mapping)
    networks: Sequence[str] = values.pop("networks")
    return PublishKey(**values, networks=tuple(ip_network(text) for text in networks))


def _random(size: int) -> str:
    return "".join(secrets.choice(_ALPHABET) for _ in range(size))


def foreign_warning(count: int) -> str:
    """Say what it means that keys were made with another secret."""
    return (
        f"{count} publish keys of the database were made with another {SECRET_FILE} and are not "
        "valid: restore that file from the backup, or make the keys anew"
    )
