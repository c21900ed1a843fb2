"""Tests of headend.store.erasure, on SQLite and PostgreSQL."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from ipaddress import ip_address
from pathlib import Path

import pytest
from tests.store.audit_entries import MADE, REFUSED
from tests.store.kept_sessions import NONE, PLAY, PUBLISH

from headend.net.pseudonyms import Pseudonyms
from headend.store.audit import AuditTrail
from headend.store.database import Database
from headend.store.erasure import ERASED, Erased, Person, erase, export
from headend.store.history import History
from headend.store.keys import KeyStore
from headend.store.publish_key import KeyOptions
from headend.store.records import AuditFilter, SessionFilter
from headend.store.server_secret import ServerSecret
from headend.store.tables import OUTBOX

ADDRESS = "203.0.113.7"


@asynccontextmanager
async def kept(url: str) -> AsyncIterator[tuple[Database, str]]:
    """Give a database that holds something about two people, and the id of the one's key."""
    database = Database(url, Path("/nowhere"))
    await database.open()
    keys = KeyStore(database, ServerSecret(bytes(32)))
    key = (await keys.create("live/a", KeyOptions(label="Ann's camera"), 1.0)).key.id
    await keys.create("live/b", KeyOptions(label="Bob's camera"), 1.0)
    await keys.note_uses({key: (ADDRESS, 2.0)})
    await History(database, "here").write(
        [replace(PUBLISH, subject=key), PLAY, replace(PLAY, id="d4", subject="Bob")], NONE
    )
    refused = replace(REFUSED, actor=key)
    await AuditTrail(database).append([refused, replace(MADE, target=key)])
    async with database.begin() as connection:
        await connection.execute(OUTBOX.insert(), [event("1", ADDRESS), event("2", "10.0.0.1")])
    try:
        yield database, key
    finally:
        await database.close()


def event(id: str, address: str) -> dict[str, object]:
    body = {"type": "session.started", "address": address, "user_agent": "VLC"}
    return {
        "id": id, "endpoint": "a", "stream": "live/a", "event": "session.started",
        "body": json.dumps(body), "created_at": 1.0, "attempts": 0, "next_at": 1.0,
    }  # fmt: skip


async def test_everything_about_an_address_is_given_out(database_url: str) -> None:
    async with kept(database_url) as (database, key):
        found = await export(database, Person([ADDRESS]))
        assert [row["id"] for row in found["sessions"]] == ["a1"]
        assert [row["action"] for row in found["audit"]] == ["publish"]
        assert [row["id"] for row in found["keys"]] == [key]
        assert [row["id"] for row in found["webhooks"]] == ["1"]
        text = json.dumps(found)
        assert "hash" not in text
        assert "password" not in text
        nobody = await export(database, Person(["198.51.100.1"], "Carl", "pk_none"))
        assert not any(nobody.values())


async def test_address_is_overwritten_and_counts_stay(database_url: str) -> None:
    async with kept(database_url) as (database, key):
        assert await erase(database, Person([ADDRESS])) == Erased(1, 1, 1, 1)
        assert not any((await export(database, Person([ADDRESS]))).values())
        history = History(database, "here")
        assert await history.count(SessionFilter()) == 3
        (publish,) = await history.page(SessionFilter(kind="publish"))
        assert (publish.address, publish.subject, publish.user_agent) == (None, None, None)
        assert publish.started_at == PUBLISH.started_at
        made, refused = await AuditTrail(database).page(AuditFilter())
        assert (refused.address, refused.actor) == (None, key)
        assert made.address == MADE.address
        async with database.begin() as connection:
            rows = (await connection.execute(OUTBOX.select().order_by(OUTBOX.c.id))).all()
        assert [json.loads(row.body)["address"] for row in rows] == [None, "10.0.0.1"]


async def test_viewer_is_forgotten_by_the_subject_of_a_token(database_url: str) -> None:
    async with kept(database_url) as (database, _):
        assert await erase(database, Person(subject="customer 17")) == Erased(1, 0, 0, 0)
        history = History(database, "here")
        assert await history.count(SessionFilter(subject="Bob")) == 1
        assert await history.count(SessionFilter(subject="customer 17")) == 0


async def bodies(database: Database) -> list[str]:
    async with database.begin() as connection:
        rows = await connection.execute(OUTBOX.select().order_by(OUTBOX.c.id))
        return [row.body for row in rows]


def letter(id: str, body: str) -> dict[str, object]:
    return {**event(id, ""), "body": body}


OF_ANN = {"stream": "live/a", "address": "192.0.2.1", "user_agent": "VLC", "subject": "Ann"}
OF_BOB = {"stream": "live/Ann", "address": "192.0.2.2", "user_agent": "Ann", "subject": "Bob"}


@pytest.mark.parametrize(
    "name",
    ["stream", "address", "user_agent", "subject", "live/a", "VLC", "null", "", '":"', "session"],
)
async def test_subject_that_is_a_word_of_others_changes_nothing_but_the_person(
    name: str, database_url: str
) -> None:
    """As a token that was made for somebody called "stream"."""
    theirs = {**OF_ANN, "subject": name}

    async with kept(database_url) as (database, _):
        before = await bodies(database)
        told = [json.dumps(each) for each in (theirs, OF_BOB, OF_ANN)]
        async with database.begin() as connection:
            rows = [letter(str(number), body) for number, body in enumerate(told, 3)]
            await connection.execute(OUTBOX.insert(), rows)
        assert (await erase(database, Person(subject=name))).webhooks == 1
        after = await bodies(database)
        assert after[:2] == before
        assert json.loads(after[2]) == {
            "stream": "live/a", "address": None, "user_agent": "", "subject": None
        }  # fmt: skip
        assert after[3:] == told[1:]


async def test_key_and_address_are_looked_for_in_their_own_fields(database_url: str) -> None:
    used = {"stream": "pk_1", "key_id": "pk_1", "address": "192.0.2.1"}
    named = {"stream": "pk_1", "subject": "pk_1", "reason": "192.0.2.1", "address": "192.0.2.9"}

    async with kept(database_url) as (database, _):
        rows = [letter("3", json.dumps(used)), letter("4", json.dumps(named))]
        async with database.begin() as connection:
            await connection.execute(OUTBOX.insert(), rows)
        assert (await erase(database, Person(["192.0.2.1"], key="pk_1"))).webhooks == 1
        after = [json.loads(body) for body in (await bodies(database))[2:]]
        assert after == [{"stream": "pk_1", "key_id": None, "address": None}, named]


@pytest.mark.parametrize(
    ("address", "place"),
    [("203.0.113.99", "203.0.113.99:4711"), ("2001:db8::7", "[2001:db8::7]:4711")],
)
async def test_place_of_a_publisher_is_an_address_too(
    address: str, place: str, database_url: str
) -> None:
    told = {"stream": "live/a", "publisher": place, "tags": {"customer": "17"}}

    async with kept(database_url) as (database, _):
        async with database.begin() as connection:
            await connection.execute(OUTBOX.insert(), [letter("3", json.dumps(told))])
        assert (await erase(database, Person([address]))).webhooks == 1
        after = json.loads((await bodies(database))[2])
        assert after == {"stream": "live/a", "publisher": "", "tags": {}}
        assert (await erase(database, Person([address]))).webhooks == 0


@pytest.mark.parametrize("body", ["", "{", "[]", '"Ann"', "null"])
async def test_webhook_that_is_no_event_stays_as_it_is(body: str, database_url: str) -> None:
    async with kept(database_url) as (database, _):
        async with database.begin() as connection:
            await connection.execute(OUTBOX.insert(), [letter("3", body)])
        assert (await erase(database, Person(subject="Ann"))).webhooks == 0
        assert (await bodies(database))[2] == body


async def test_person_who_is_called_as_an_administrator_is_no_administrator(
    database_url: str,
) -> None:
    async with kept(database_url) as (database, _):
        refused = replace(REFUSED, actor="console", address=None)
        await AuditTrail(database).append([refused, replace(MADE, actor="console")])
        assert (await erase(database, Person(subject="console"))).audit == 1
        made, erased, *_ = await AuditTrail(database).page(AuditFilter())
        assert (made.action, made.actor) == (MADE.action, "console")
        assert (erased.action, erased.actor) == (REFUSED.action, ERASED)


async def test_publisher_is_forgotten_by_the_id_of_a_key(database_url: str) -> None:
    async with kept(database_url) as (database, key):
        found = await export(database, Person(key=key))
        assert [row["label"] for row in found["keys"]] == ["Ann's camera"]
        assert await erase(database, Person(key=key)) == Erased(1, 1, 1, 0)
        (row,) = (await export(database, Person(key=key)))["keys"]
        assert (row["label"], row["used_from"], row["stream"]) == ("", None, "live/a")
        made, refused = await AuditTrail(database).page(AuditFilter())
        assert (refused.actor, refused.outcome) == (ERASED, "refused")
        assert made.target == key  # what an administrator did stays


async def test_what_was_kept_under_pseudonyms_is_found_by_the_address(database_url: str) -> None:
    pseudonyms = Pseudonyms(bytes(32), "pseudonymous", 1)
    address = ip_address(ADDRESS)
    async with kept(database_url) as (database, _):
        shown = pseudonyms.shown(address, 86_400 * 7)
        await History(database, "here").write([replace(PLAY, id="p", address=shown)], NONE)
        forms = pseudonyms.all(address, 86_400 * 3, 86_400 * 9)
        found = await export(database, Person(forms))
        assert {row["id"] for row in found["sessions"]} == {"a1", "p"}


def test_result_is_told_in_words() -> None:
    told = str(Erased(3, 2, 1, 0))
    assert told == "3 sessions, 2 audit entries, 1 keys, 0 webhooks"
