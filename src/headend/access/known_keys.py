"""Publish keys for the gate, also while the database is gone.

Every key that is shown is asked for in the database, so that one revoked by another process is
refused at once. Keys that were valid lately are remembered: with `auth.on_database_error =
"allow-known"` they are believed while the database gives no answer. Uses are noted in one go.
"""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterable
from typing import TYPE_CHECKING, Final, Generic, Literal, TypeVar

from headend.access.declared_keys import DeclaredKeys
from headend.errors import DatabaseError
from headend.names import KEY_PREFIX
from headend.rtmp.authmod import Verifier
from headend.store.publish_key import ID_CHARACTERS, ID_PREFIX, KEY_CHARACTERS, PublishKey
from headend.store.server_secret import ServerSecret

if TYPE_CHECKING:
    from headend.store.keys import KeyStore

KNOWN: Final = 10_000  # keys remembered at most, about a kilobyte each
LOADING_S: Final = 8.0  # the database's modules take a second to load, more on a busy machine
ASKED: Final = 4  # questions at once: SQLite has a thread for each, and threads take turns
DOWN_S: Final = 1.0  # a database that gave no answer is not asked again for so long
USES: Final = 10_000  # noted at most between two writes; more are written with the next use

OnError = Literal["deny", "allow-known"]
K = TypeVar("K")
V = TypeVar("V")


class KnownKeys:
    """The publish keys that are known.

    Attributes:
        declared: Those of the settings, which need no database; replaced on reload.
        on_error: What happens while that gives no answer; replaced on reload.
        known_s: For how long a key is known that was seen valid; replaced on reload.
    """

    def __init__(
        self, secret: ServerSecret, on_error: OnError = "deny", known_s: float = 0.0
    ) -> None:
        """Make it without a database; `use` follows.

        Args:
            secret: What keys are hashed with.
            on_error: See above.
            known_s: See above.
        """
        self._secret = secret
        self._store: KeyStore | None = None
        self._is_there = asyncio.Event()
        self._turns = asyncio.Semaphore(ASKED)
        self._down_until = 0.0  # monotonic seconds
        self.declared = DeclaredKeys()
        self.on_error = on_error
        self.known_s = known_s
        self._by_hash: _Recent[bytes, PublishKey] = _Recent()
        self._by_id: _Recent[str, PublishKey] = _Recent()
        self._passwords: _Recent[str, Verifier] = _Recent()
        self._uses: dict[str, tuple[str, float]] = {}

    def use(self, store: "KeyStore") -> None:
        """Look keys up there from now on."""
        self._store = store
        self._is_there.set()

    async def store(self) -> "KeyStore":
        """Return the keys in the database, once that is there.

        Raises:
            DatabaseError: It is not, within LOADING_S.
        """
        if self._store is None:
            try:
                async with asyncio.timeout(LOADING_S):
                    await self._is_there.wait()
            except TimeoutError as error:
                raise DatabaseError("database: it is not open yet") from error
        assert self._store is not None
        return self._store

    async def find(self, secret: str) -> PublishKey | None:
        """Return what is known of a key that somebody shows; it may be revoked or expired.

        Raises:
            DatabaseError: It is not known, and the database gives no answer.
        """
        if not _looks_right(secret, KEY_PREFIX, KEY_CHARACTERS):
            return None
        if (declared := self.declared.find(secret)) is not None:
            return declared
        hash = self._secret.hash(secret)
        try:
            key = await self._ask(lambda store: store.find_hash(hash))
        except DatabaseError:
            key = self._known(self._by_hash, hash)
            if key is None:
                raise
            return key
        self._remember(key)
        if key is not None and key.is_valid(time.time()):
            self._by_hash.put(hash, key)
        else:
            self._by_hash.forget(hash)
        return key

    async def get(self, id: str) -> PublishKey | None:
        """Return a key by its id; its holder has proved to have it.

        Raises:
            DatabaseError: It is not known, and the database gives no answer.
        """
        if (declared := self.declared.get(id)) is not None:
            return declared
        try:
            key = await self._ask(lambda store: store.get(id))
        except DatabaseError:
            key = self._known(self._by_id, id)
            if key is None:
                raise
            return key
        self._remember(key)
        return key

    async def password(self, id: str) -> Verifier | None:
        """Return what checks a key as a password, its id being the user.

        Raises:
            DatabaseError: It is not known, and the database gives no answer.
        """
        if (declared := self.declared.password(id)) is not None:
            return declared
        if not _looks_right(id, ID_PREFIX, ID_CHARACTERS):
            return None
        try:
            verifier = await self._ask(lambda store: store.password(id))
        except DatabaseError:
            verifier = self._known(self._passwords, id)
            if verifier is None:
                raise
            return verifier
        if verifier is not None:
            self._passwords.put(id, verifier)
        return verifier

    def note_use(self, id: str, address: str, now: float) -> None:
        """Remember a use until `write_uses`."""
        if len(self._uses) < USES:
            self._uses[id] = (address, now)

    async def write_uses(self) -> None:
        """Write the uses noted since the last time; those that can't be written are kept.

        Raises:
            DatabaseError: The database gives no answer.
        """
        if not self._uses:
            return
        uses, self._uses = self._uses, {}
        try:
            await (await self.store()).note_uses(uses)
        except DatabaseError:
            self._uses = uses | self._uses
            raise

    async def invalid(self, ids: Iterable[str]) -> set[str]:
        """Say which of some keys are not valid any more.

        Raises:
            DatabaseError: The database gives no answer.
        """
        now = time.time()
        invalid, others = self.declared.invalid(ids, now)
        if others:
            invalid |= await (await self.store()).invalid(others, now)
        self._down_until = 0.0
        for id in invalid:
            self._by_id.forget(id)
        return invalid

    async def _ask(self, question: "Callable[[KeyStore], Awaitable[V]]") -> V:
        """Ask the database; few at once, and nobody while it gave no answer a moment ago.

        Raises:
            DatabaseError: It gives no answer.
        """
        async with self._turns:
            if time.monotonic() < self._down_until:
                raise DatabaseError("database: it gave no answer a moment ago")
            try:
                return await question(await self.store())
            except DatabaseError:
                self._down_until = time.monotonic() + DOWN_S
                raise

    def _remember(self, key: PublishKey | None) -> None:
        if key is not None and key.is_valid(time.time()):
            self._by_id.put(key.id, key)
        elif key is not None:
            self._by_id.forget(key.id)

    def _known(self, recent: "_Recent[K, V]", key: K) -> V | None:
        if self.on_error != "allow-known":
            return None
        return recent.get(key, time.monotonic() - self.known_s)


class _Recent(Generic[K, V]):
    """Values seen lately; the oldest is forgotten first."""

    def __init__(self) -> None:
        self._values: OrderedDict[K, tuple[V, float]] = OrderedDict()

    def put(self, key: K, value: V) -> None:
        self._values[key] = (value, time.monotonic())
        self._values.move_to_end(key)
        if len(self._values) > KNOWN:
            self._values.popitem(last=False)

    def get(self, key: K, since: float) -> V | None:
        """Return a value seen since then, monotonic seconds."""
        value, at = self._values.get(key, (None, 0.0))
        return value if at >= since else None

    def forget(self, key: K) -> None:
        self._values.pop(key, None)


def _looks_right(text: str, prefix: str, characters: int) -> bool:
    """Say whether a text may be a key or an id: what may not is not asked for."""
    rest = text.removeprefix(prefix)
    return text.startswith(prefix) and len(rest) == characters and rest.isascii() and rest.isalnum()
