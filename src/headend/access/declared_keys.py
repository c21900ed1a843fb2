"""Publish keys and users that the settings declare; they need no database.

key    its id is pk_ and the start of a hash of key and stream
user   its id is its name; it signs in with a password and has no key
"""

from collections.abc import Iterable, Sequence
from hashlib import sha256
from typing import Final

from headend.rtmp.authmod import Verifier, verifier
from headend.settings import DeclaredKey, DeclaredUser
from headend.settings.declared import SALT_BYTES
from headend.settings.declared import sha256 as hash_of
from headend.store.publish_key import ID_CHARACTERS, ID_PREFIX, PublishKey


class DeclaredKeys:
    """The keys and users of one state of the settings."""

    def __init__(
        self, keys: Sequence[DeclaredKey] = (), users: Sequence[DeclaredUser] = ()
    ) -> None:
        self._by_hash: Final = {each.digest: _key(each, _id(each)) for each in keys}
        self._users: Final = {each.name: _verifier(each) for each in users}
        self._by_id: Final = {key.id: key for key in self._by_hash.values()} | {
            each.name: _key(each, each.name) for each in users
        }

    def find(self, secret: str) -> PublishKey | None:
        """Return what is known of a key that somebody shows; it may be expired."""
        return self._by_hash.get(hash_of(secret)) if self._by_hash else None

    def get(self, id: str) -> PublishKey | None:
        """Return a key or a user by its id."""
        return self._by_id.get(id)

    def password(self, name: str) -> Verifier | None:
        """Return what checks the password of a user."""
        return self._users.get(name)

    def all(self, stream: str | None = None) -> list[PublishKey]:
        """Return all, or those of a stream, in the order of their ids."""
        found = (self._by_id[id] for id in sorted(self._by_id))
        return [key for key in found if stream in (None, key.stream)]

    def invalid(self, ids: Iterable[str], now: float) -> tuple[set[str], set[str]]:
        """Return which of some ids are declared and not valid, and which are not declared."""
        wanted = set(ids)
        own = {id: self._by_id[id] for id in wanted if id in self._by_id}
        return {id for id, key in own.items() if not key.is_valid(now)}, wanted - own.keys()

    def gone(self, after: "DeclaredKeys") -> list[str]:
        """Return the ids that do not hold in another state: removed, or of another password."""
        return [
            id
            for id, key in self._by_id.items()
            if (other := after.get(id)) is None
            or other.stream != key.stream
            or after.password(id) != self.password(id)
        ]


def _id(key: DeclaredKey) -> str:
    return ID_PREFIX + sha256(f"{key.digest} {key.stream}".encode()).hexdigest()[:ID_CHARACTERS]


def _key(declared: DeclaredKey | DeclaredUser, id: str) -> PublishKey:
    return PublishKey(
        id,
        declared.stream,
        declared.label,
        expires_at=declared.expires,
        networks=declared.networks,
        tls_only=declared.tls_only,
        priority=declared.priority,
        source="settings",
    )


def _verifier(user: DeclaredUser) -> Verifier:
    if user.password is None:
        _, salt, adobe, llnw = user.hash.split(":")
        return Verifier(user.name, salt, adobe, llnw)
    salt = sha256(f"salt {user.name}".encode()).hexdigest()[: 2 * SALT_BYTES]
    return verifier(user.name, user.password.get_secret_value(), salt)
