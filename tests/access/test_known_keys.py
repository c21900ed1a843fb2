"""Tests of headend.access.known_keys."""

import time
from dataclasses import replace
from typing import Any
from unittest.mock import Mock

import pytest
from tests.access.gates import SECRET

from headend.access import known_keys
from headend.access.known_keys import KnownKeys, OnError
from headend.errors import DatabaseError
from headend.rtmp.authmod import verifier
from headend.store.keys import KeyStore
from headend.store.publish_key import PublishKey

KEY = "hk_" + 32 * "a"
ID = "pk_" + 12 * "b"
FOUND = PublishKey(ID, "live/a")


class Store:
    """A store that answers, or fails, as a test says."""

    def __init__(self, on_error: OnError = "allow-known", known_s: float = 60.0) -> None:
        self.key: PublishKey | None = FOUND
        self.fails = False
        self.asked = 0
        self.noted: list[object] = []
        self.keys = KnownKeys(SECRET, on_error, known_s)
        store = Mock(spec=KeyStore)
        for name in ("find_hash", "get", "password", "invalid", "note_uses"):
            setattr(store, name, getattr(self, f"_{name}"))
        self.keys.use(store)

    def _ask(self) -> PublishKey | None:
        self.asked += 1
        if self.fails:
            raise DatabaseError("database: gone")
        return self.key

    async def _find_hash(self, hash: bytes) -> PublishKey | None:
        return self._ask()

    async def _get(self, id: str) -> PublishKey | None:
        return self._ask()

    async def _password(self, id: str) -> object:
        return self._ask() and verifier(id, KEY, "salt")

    async def _invalid(self, ids: Any, now: float) -> set[str]:
        self._ask()
        return set(ids)

    async def _note_uses(self, uses: object) -> None:
        self._ask()
        self.noted.append(uses)


async def test_known_key_is_believed_while_the_database_is_away() -> None:
    made = Store()
    assert await made.keys.find(KEY) == FOUND
    assert await made.keys.password(ID) == verifier(ID, KEY, "salt")
    made.fails = True
    assert await made.keys.find(KEY) == FOUND
    assert await made.keys.get(ID) == FOUND
    assert await made.keys.password(ID) == verifier(ID, KEY, "salt")
    for unknown in (made.keys.find("hk_" + 32 * "x"), made.keys.get("pk_" + 12 * "x")):
        with pytest.raises(DatabaseError):
            await unknown


@pytest.mark.parametrize(("on_error", "known_s"), [("deny", 60.0), ("allow-known", -1.0)])
async def test_no_key_is_believed_by_default_or_after_its_time(
    on_error: OnError, known_s: float
) -> None:
    made = Store(on_error, known_s)
    await made.keys.find(KEY)
    await made.keys.password(ID)
    made.fails = True
    for question in (made.keys.find(KEY), made.keys.get(ID), made.keys.password(ID)):
        with pytest.raises(DatabaseError):
            await question


async def test_revoked_key_is_known_no_more() -> None:
    made = Store()
    await made.keys.find(KEY)
    made.key = replace(FOUND, revoked_at=time.time())
    assert await made.keys.find(KEY) == made.key
    made.fails = True
    for question in (made.keys.find(KEY), made.keys.get(ID)):
        with pytest.raises(DatabaseError):
            await question


async def test_key_that_is_gone_is_known_no_more() -> None:
    made = Store()
    await made.keys.get(ID)
    assert await made.keys.invalid([ID]) == {ID}
    made.key = None
    assert await made.keys.find(KEY) is None
    assert await made.keys.password(ID) is None
    made.fails = True
    with pytest.raises(DatabaseError):
        await made.keys.get(ID)


@pytest.mark.parametrize("text", ["", "hk_", "hk_" + 31 * "a", "hk_" + 32 * "-", "pk_" + 32 * "a"])
async def test_what_can_be_no_key_is_not_asked_for(text: str) -> None:
    made = Store()
    assert await made.keys.find(text) is None
    assert await made.keys.password(text) is None
    assert made.asked == 0


async def test_database_that_gave_no_answer_is_left_alone_for_a_moment() -> None:
    made = Store()
    made.fails = True
    for _ in range(5):
        with pytest.raises(DatabaseError):
            await made.keys.find(KEY)
    assert made.asked == 1
    made.fails = False
    await made.keys.invalid([ID])  # it answers again
    assert await made.keys.find(KEY) == FOUND


async def test_uses_are_written_together_and_kept_when_they_cannot_be(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(known_keys, "USES", 2)
    made = Store()
    for number in range(3):
        made.keys.note_use(f"pk_{number}", "192.0.2.1", number)
    made.fails = True
    with pytest.raises(DatabaseError):
        await made.keys.write_uses()
    made.fails = False
    await made.keys.write_uses()
    await made.keys.write_uses()
    assert made.noted == [{"pk_0": ("192.0.2.1", 0), "pk_1": ("192.0.2.1", 1)}]


async def test_keys_are_forgotten_within_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(known_keys, "KNOWN", 1)
    made = Store()
    await made.keys.find(KEY)
    made.key = replace(FOUND, id="pk_" + 12 * "c")
    await made.keys.find("hk_" + 32 * "c")
    made.fails = True
    with pytest.raises(DatabaseError):
        await made.keys.find(KEY)


async def test_without_a_store_it_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(known_keys, "LOADING_S", 0.01)
    with pytest.raises(DatabaseError, match="not open yet"):
        await KnownKeys(SECRET).find(KEY)
