"""What is kept about one person: found, given out, and overwritten.

    by an address    history, audit trail, last use of keys, webhooks not delivered yet
    by a subject     whom a playback token was made for: history, audit trail, webhooks
    by a key         a publisher's key by its id: the key's label and last use, history, audit trail

and by all of these, which recordings hold what the person has published.

What identifies the person is overwritten; the rows stay, so that counts, times and outcomes do.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

import sqlalchemy as sa

from headend.store.connection import DatabaseConnection
from headend.store.database import Database
from headend.store.tables import (
    AUDIT,
    OUTBOX,
    PUBLISH_KEYS,
    RECORDED_PUBLISHERS,
    RECORDINGS,
    SESSIONS,
)

# In place of who did something: the column of an entry's actor is never empty for other reasons.
ERASED: Final = "(erased)"
# Fields of an event that are about the person that published, watched or was refused, and their
# values where that is nobody. Source: `headend.events`.
NOBODY: Final[Mapping[str, object]] = MappingProxyType(
    {
        "address": None,
        "subject": None,
        "key_id": None,
        "user_agent": "",
        "publisher": "",
        "tags": {},
    }
)
BY_PEERS: Final = (
    "publish",
    "play",
)  # actions in the audit trail whose actor is a key or a subject
TIMEOUT_S: Final = 60.0  # of a command: whole tables are looked through

# What is given out of a key; never its hash or what checks its password.
_KEY_COLUMNS: Final = [
    column for column in PUBLISH_KEYS.c if column.name not in ("hash", "password")
]


@dataclass(frozen=True, slots=True)
class Person:
    """Whom something is kept about; what is given is joined by "or".

    Attributes:
        addresses: An IP address in all forms that may have been kept: itself and its pseudonyms.
        subject: Whom a playback token was made for.
        key: Id of a publish key.
    """

    addresses: Sequence[str] = ()
    subject: str | None = None
    key: str | None = None

    @property
    def names(self) -> list[str]:
        """What stands where a subject or an actor does."""
        return [name for name in (self.subject, self.key) if name is not None]


@dataclass(frozen=True, slots=True)
class Erased:
    """How many rows were overwritten."""

    sessions: int
    audit: int
    keys: int
    webhooks: int

    def __str__(self) -> str:
        return (
            f"{self.sessions} sessions, {self.audit} audit entries, {self.keys} keys, "
            f"{self.webhooks} webhooks"
        )


async def export(database: Database, person: Person) -> dict[str, list[dict[str, object]]]:
    """Return every row that is kept about a person, by table, as values that JSON knows.

    Raises:
        DatabaseError: It can't be read.
    """
    async with database.begin(TIMEOUT_S) as connection:
        return {
            "sessions": await _rows(
                connection, sa.select(SESSIONS).where(_in_sessions(person)), SESSIONS.c.started_at
            ),
            "audit": await _rows(
                connection, sa.select(AUDIT).where(_in_audit(person)), AUDIT.c.number
            ),
            "keys": await _rows(
                connection, sa.select(*_KEY_COLUMNS).where(_in_keys(person)), PUBLISH_KEYS.c.id
            ),
            "webhooks": await _letters(connection, person),
            "recordings": await _rows(connection, _recordings(person), RECORDINGS.c.started),
        }


async def erase(database: Database, person: Person) -> Erased:
    """Overwrite what identifies a person, in all rows or in none; return how many rows it was.

    Raises:
        DatabaseError: Nothing was overwritten.
    """
    actor = sa.case((_is_actor(person), ERASED), else_=AUDIT.c.actor)
    async with database.begin(TIMEOUT_S) as connection:
        counts = [
            (await connection.execute(change)).rowcount
            for change in (
                SESSIONS.update()
                .where(_in_sessions(person))
                .values(address=None, subject=None, user_agent=None),
                AUDIT.update().where(_in_audit(person)).values(actor=actor, address=None),
                PUBLISH_KEYS.update().where(_in_keys(person)).values(label="", used_from=None)
                if person.key is not None
                else PUBLISH_KEYS.update().where(_in_keys(person)).values(used_from=None),
            )
        ]
        # That a recording which goes on is of the person must be known when it is over.
        running = sa.select(RECORDINGS.c.id).where(RECORDINGS.c.ended.is_(None))
        published = RECORDED_PUBLISHERS.update().where(
            is_recorded(person), RECORDED_PUBLISHERS.c.recording_id.not_in(running)
        )
        await connection.execute(published.values(address=None, subject=None))
        letters = await _letters(connection, person)
        for letter in letters:
            changed = OUTBOX.update().where(OUTBOX.c.sequence == letter["sequence"])
            body = _without_person(str(letter["body"]))
            await connection.execute(changed.values(body=body))
    sessions, audit, keys = counts
    return Erased(sessions, audit, keys, len(letters))


async def _rows(
    connection: DatabaseConnection,
    query: "sa.Select[tuple[object, ...]]",
    order: sa.ColumnElement[object],
) -> list[dict[str, object]]:
    rows = await connection.execute(query.order_by(order))
    return [dict(row._mapping) for row in rows]


def _in_sessions(person: Person) -> sa.ColumnElement[bool]:
    columns = SESSIONS.c
    return sa.or_(columns.address.in_(person.addresses), columns.subject.in_(person.names))


def _in_audit(person: Person) -> sa.ColumnElement[bool]:
    # What was done to a key stays: an administrator did it.
    return sa.or_(AUDIT.c.address.in_(person.addresses), _is_actor(person))


def _is_actor(person: Person) -> sa.ColumnElement[bool]:
    # A token may have been made for somebody who is called as administrators are: "console".
    return sa.and_(AUDIT.c.actor.in_(person.names), AUDIT.c.action.in_(BY_PEERS))


def _in_keys(person: Person) -> sa.ColumnElement[bool]:
    columns = PUBLISH_KEYS.c
    return sa.or_(columns.used_from.in_(person.addresses), columns.id == person.key)


def is_recorded(person: Person) -> sa.ColumnElement[bool]:
    """Say in SQL which rows of `recorded_publishers` are about a person."""
    columns = RECORDED_PUBLISHERS.c
    return sa.or_(columns.address.in_(person.addresses), columns.subject.in_(person.names))


def _recordings(person: Person) -> "sa.Select[tuple[object, ...]]":
    """Return what tells of the recordings that hold what a person has published."""
    publishers = RECORDED_PUBLISHERS.c
    told = (publishers.session, publishers.address, publishers.subject)
    joined = sa.select(RECORDINGS, *told).join(
        RECORDED_PUBLISHERS, publishers.recording_id == RECORDINGS.c.id
    )
    return joined.where(is_recorded(person))


async def _letters(connection: DatabaseConnection, person: Person) -> list[dict[str, object]]:
    """Return the webhooks that are about a person; few wait, so all are looked through."""
    rows = await connection.execute(sa.select(OUTBOX).order_by(OUTBOX.c.sequence))
    return [dict(row._mapping) for row in rows if _is_about(person, row.body)]


def _is_about(person: Person, body: str) -> bool:
    event = _event(body)
    return (
        event.get("address") in person.addresses
        or _host(event.get("publisher")) in person.addresses
        or (person.subject is not None and event.get("subject") == person.subject)
        or (person.key is not None and event.get("key_id") == person.key)
    )


def _without_person(body: str) -> str:
    """Overwrite what the event of a person's session tells of that person."""
    event = _event(body)
    anonymous = {name: value for name, value in NOBODY.items() if name in event}
    return json.dumps({**event, **anonymous}, separators=(",", ":"))


def _host(place: object) -> str:
    """Return the address of `203.0.113.7:51044` or `[2001:db8::7]:51044`."""
    return str(place).rpartition(":")[0].strip("[]")


def _event(body: str) -> dict[str, object]:
    """Read a webhook's body; one that is no JSON object tells of nobody."""
    try:
        event = json.loads(body)
    except ValueError:
        return {}
    return event if isinstance(event, dict) else {}
