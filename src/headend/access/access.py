"""All that decides who may what, run beside a server: it never holds that up.

The database is opened in the background, and tried again for ever. While it runs, keys in use are
looked at twice a second: one that another process revoked ends its sessions within a second.
"""

import asyncio
import logging
import random
import time
from asyncio import AbstractEventLoop
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from headend.access.declared_keys import DeclaredKeys
from headend.access.gate import Gate
from headend.access.guard import Guard
from headend.access.jwks import load_keys, read_document
from headend.access.known_keys import KnownKeys
from headend.access.passwords import Passwords
from headend.access.policy import Policy
from headend.access.tickets import Tickets
from headend.access.tokens import Tokens
from headend.errors import DatabaseError, HeadendError, SettingsError
from headend.events import Events
from headend.net.places import Rules
from headend.net.pseudonyms import Pseudonyms
from headend.settings import RuleBook, Settings
from headend.store.server_secret import ServerSecret

if TYPE_CHECKING:
    from headend.store.database import Database

log = logging.getLogger(__name__)

LOOK_S: Final = 0.4  # between two looks at the keys in use
WRITE_S: Final = 5.0  # between two notes of what keys were used
CHECK_S: Final = 30.0  # between two looks whether the database can be written to …
RETRY_S: Final = 1.0  # … and after one that failed
OPEN_S: Final = 30.0  # an attempt to open the database takes no longer
FIRST_PAUSE_S: Final = 0.5  # between two attempts; twice as long each time …
LONGEST_PAUSE_S: Final = 30.0  # … up to this
MOST_TOLD: Final = 5  # keys of a JWKS that are not used and named in the log
CLOSE_S: Final = 3.0  # for what was asked of the database when the server stops


class Access:
    """All that decides who may what in one server; `start` and `close` once each.

    Attributes:
        gate: Decides.
        keys: Publish keys.
        tokens: Signs and checks tokens.
        guard: Slows down guessers.
        passwords: Signs in by user and password.
        tickets: Stand for parameters of viewers of HLS.
        secret: Of the server.
        failed: Fails if the database can never be used, as one of a newer version.
    """

    def __init__(
        self, loop: AbstractEventLoop, settings: Settings, bus: Events, pseudonyms: Pseudonyms
    ) -> None:
        """Build everything, without a database yet.

        Raises:
            SettingsError: The data folder or a setting of `auth` can't be used.
        """
        auth = settings.auth
        self._loop = loop
        self._settings = settings
        self.secret: Final = ServerSecret.load_or_create(settings.data)
        self.keys: Final = KnownKeys(self.secret, auth.on_database_error, auth.known_s)
        self.keys.declared = DeclaredKeys(auth.publish_keys, auth.users)
        self.tokens: Final = Tokens(self.secret.derive("tokens"))
        self.passwords: Final = Passwords(self.keys, self.secret)
        self.tickets: Final = Tickets(self.secret.derive("tickets"))
        self.guard: Final = Guard(auth.wrong_attempts, auth.ban_s)
        self.gate: Final = Gate(
            loop, Policy(RuleBook(settings)), self.tokens, self.keys, self.guard, bus, pseudonyms
        )
        self.failed: Final[asyncio.Future[None]] = loop.create_future()
        self.failed.add_done_callback(_note_failure)
        self._database: Database | None = None
        self._opened = asyncio.Event()
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._others: asyncio.Task[None] | None = None
        self._write_at = loop.time() + WRITE_S
        self._check_at = loop.time() + CHECK_S
        self._is_failing = False
        self._is_closing = False

    def configure(self, rules: RuleBook, rtmps: str) -> None:
        """Take settings that may have changed.

        Args:
            rules: Those in effect from now on, and what they say of each stream.
            rtmps: What peers are told to use that must come over TLS.
        """
        settings = rules.settings
        auth = settings.auth
        is_other = auth.jwks != self._settings.auth.jwks
        self._settings = settings
        if is_other and self._others is not None:
            self._others.cancel()
            self.tokens.take_others(None)
            self._others = self._loop.create_task(self._read_others())
        self.gate.policy = Policy(rules, rtmps)
        self.passwords.apps, self.passwords.offered = auth.password_apps, auth.password_scheme
        before, self.keys.declared = self.keys.declared, DeclaredKeys(auth.publish_keys, auth.users)
        self.gate.revoke(before.gone(self.keys.declared))
        self.keys.on_error, self.keys.known_s = auth.on_database_error, auth.known_s
        self.guard.most, self.guard.ban_s = auth.wrong_attempts, auth.ban_s

    def start(self) -> None:
        """Open the database, and read the keys of others, in the background."""
        self._task = self._loop.create_task(self._run())
        self._others = self._loop.create_task(self._read_others())

    async def close(self) -> None:
        """Write what is to be written, and close the database."""
        if self._others is not None:
            self._others.cancel()
            with suppress(asyncio.CancelledError):
                await self._others
        if self._task is not None:
            self._is_closing = True
            self._wake.set()
            # A question that is cancelled leaves a thread of SQLite behind that still answers.
            await asyncio.wait((self._task,), timeout=CLOSE_S)
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
        if self._database is not None:
            if self._opened.is_set():
                with suppress(DatabaseError):
                    await self.keys.write_uses()
            await self._database.close()

    async def database(self) -> "Database":
        """Return the database once it is open; wait for ever."""
        await self._opened.wait()
        assert self._database is not None
        return self._database

    @property
    def is_open(self) -> bool:
        """Say whether the database answers, and takes what is written."""
        return self._opened.is_set() and not self._is_failing

    def look(self) -> None:
        """Look at the keys in use at once: one of them may have been revoked."""
        self._wake.set()

    # ------------------------------------------------------------------ in the background

    async def _run(self) -> None:
        try:
            database = await self._build()
            await self._open(database)
            while not self._is_closing:
                await self._look_once()
                await self._pause(LOOK_S)
        except SettingsError as error:
            log.error("%s", error)
            self.failed.set_exception(error)
        except Exception:
            log.exception("access stopped looking at its keys: a bug")

    async def _read_others(self) -> None:
        """Read the keys of others who sign tokens, again and again; there may be none."""
        was = ""
        while self._settings.auth.jwks:
            auth = self._settings.auth
            try:
                document = await read_document(auth.jwks, Rules.of(auth.outgoing), auth.outgoing_ca)
                if document != was:
                    others = load_keys(document)
                    self.tokens.take_others(others.keys)
                    log.info("auth.jwks: %d keys are read", len(others.keys.keys))
                    for line in others.left_out[:MOST_TOLD]:
                        log.warning("auth.jwks: %s", line)
                    was = document
            except HeadendError as error:
                log.error("%s; those read before stay valid", error)
            except Exception:
                log.exception("auth.jwks: a bug")
            await asyncio.sleep(auth.jwks_refresh_s)

    async def _pause(self, seconds: float) -> None:
        """Wait so long, or until somebody wants a look."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._wake.wait()
        self._wake.clear()

    async def _build(self) -> "Database":
        """Load the database's modules in a thread: they take most of a second."""

        def load() -> None:
            from headend.store import keys  # noqa: F401

            self.tokens.load()

        await asyncio.to_thread(load)
        from headend.store.database import Database
        from headend.store.keys import KeyStore

        url = self._settings.auth.database.get_secret_value()
        database = self._database = Database(url, self._settings.data)
        self.keys.use(KeyStore(database, self.secret))
        return database

    async def _open(self, database: "Database") -> None:
        """Try until it is open."""
        pause = FIRST_PAUSE_S
        while not self._is_closing:
            try:
                async with asyncio.timeout(OPEN_S):
                    await database.open()
            except (DatabaseError, TimeoutError) as error:
                log.error(
                    "%s; keys cannot be checked until it answers, trying again in %.1f s",
                    error if str(error) else f"database: not open within {OPEN_S:g} s",
                    pause,
                )
            else:
                self._opened.set()
                log.info("database is open")
                await self._look_for_foreign_keys()
                return
            await self._pause(pause * random.uniform(0.8, 1.2))
            pause = min(pause * 2, LONGEST_PAUSE_S)

    async def _look_for_foreign_keys(self) -> None:
        """Tell of keys that nobody can use, as after a backup was restored in part."""
        from headend.store.keys import foreign_warning

        with suppress(DatabaseError):
            if foreign := await (await self.keys.store()).foreign(time.time()):
                log.error("%s", foreign_warning(foreign))

    async def _look_once(self) -> None:
        """End what rests on keys that are not valid any more, and note uses now and then."""
        gate = self.gate
        ids = {grant.key_id for grant in gate.live() if grant.key_id is not None}
        try:
            if ids:
                gate.revoke(await self.keys.invalid(ids))
            await self._write()
        except DatabaseError as error:
            self._check_at = self._loop.time() + RETRY_S
            if not self._is_failing:
                log.error("%s; running streams go on", error)
            self._is_failing = True

    async def _write(self) -> None:
        """Note uses and see whether that is possible, each when it is due.

        Whoever may read may be unable to write, as on a disk that is full: only a write shows that
        all is well again.
        """
        now = self._loop.time()
        if now >= self._write_at:
            self._write_at = now + WRITE_S
            await self.keys.write_uses()
        assert self._database is not None
        is_news = self._database.is_suspect and not self._is_failing
        if now < self._check_at and not is_news:
            return
        await self._database.check_writing()
        self._check_at = now + CHECK_S
        if self._is_failing:
            log.info("database answers again")
        self._is_failing = False


def _note_failure(failed: "asyncio.Future[None]") -> None:
    """See it, whether or not anybody waits for it."""
    if not failed.cancelled():
        failed.exception()
