"""Tests of headend.access.passwords."""

import hashlib
import re
from base64 import b64encode
from ipaddress import ip_address
from unittest.mock import Mock

import pytest
from tests.access.gates import SECRET

from headend.access import passwords
from headend.access.known_keys import KnownKeys
from headend.access.passwords import Passwords
from headend.errors import DatabaseError, Refusal, Rejected
from headend.rtmp.authmod import Verifier, verifier
from headend.rtmp.events import ConnectCommand

HERE, ELSEWHERE = ip_address("192.0.2.1"), ip_address("192.0.2.2")
USER, PASSWORD = "pk_AbCdEfGhIjKl", "hk_secret"


def make(*apps: str, fails: bool = False) -> Passwords:
    """Make one that knows one user."""
    keys = Mock(spec=KnownKeys)

    async def password(id: str) -> Verifier | None:
        if fails:
            raise DatabaseError("database: gone")
        return verifier(USER, PASSWORD, "00112233aabb") if id == USER else None

    keys.password = password
    made = Passwords(keys, SECRET)
    made.apps = apps
    return made


def connect(app: str, **properties: str) -> ConnectCommand:
    return ConnectCommand(app, f"rtmp://h/{app}", properties, 1)


def md5(text: str) -> str:
    return b64encode(hashlib.md5(text.encode()).digest()).decode()


async def say(made: Passwords, app: str, address: object = HERE) -> str:
    asked = made.concerns(connect(app))
    assert asked is not None
    return await made.sign_in(asked, address)  # type: ignore[arg-type]


async def challenge(made: Passwords, user: str = USER) -> dict[str, str]:
    """Begin, and return what the description asks."""
    with pytest.raises(Rejected) as refusal:
        await say(made, f"live?authmod=adobe&user={user}")
    assert refusal.value.refusal is not Refusal.WRONG_SECRET
    return dict(re.findall(r"(\w+)=(\w+)", refusal.value.description.partition("?")[2]))


def answer(asked: dict[str, str], password: str = PASSWORD, *, opaque: bool = True) -> str:
    inner = md5(f"{asked['user']}{asked['salt']}{password}")
    response = md5(f"{inner}{asked['opaque']}c1ie")
    more = f"&opaque={asked['opaque']}" if opaque else ""
    return f"live?authmod=adobe&user={asked['user']}&challenge=c1ie&response={response}{more}"


def test_publisher_of_some_apps_is_asked_for_user_and_password() -> None:
    made = make("studio", "studio/*")
    encoder = {"type": "nonprivate"}
    assert made.concerns(connect("studio", **encoder)) is not None
    assert made.concerns(connect("studio", flashVer="FMLE/3.0")) is not None
    assert made.concerns(connect("studio")) is None  # a player
    assert made.concerns(connect("studio?key=hk_1", **encoder)) is None
    assert made.concerns(connect("live", **encoder)) is None
    assert made.concerns(connect("live?authmod=adobe&user=a")) is not None


async def test_who_says_nothing_is_told_how() -> None:
    made = make("studio")
    asked = made.concerns(connect("studio", type="nonprivate"))
    assert asked is not None
    with pytest.raises(Rejected, match="code=403 need auth; authmod=adobe"):
        await made.sign_in(asked, HERE)


@pytest.mark.parametrize("opaque", [True, False])
async def test_right_answer_signs_in_once(opaque: bool) -> None:
    made = make()
    asked = await challenge(made)
    said = answer(asked, opaque=opaque)
    assert await say(made, said) == USER
    with pytest.raises(Rejected, match=r"wrong secret: .*authfailed"):
        await say(made, said)
    assert len(made) == 0


async def test_wrong_answers_are_all_refused_alike() -> None:
    made = make()
    nobody = await challenge(made, "pk_nobody000000")
    assert nobody["salt"] == (await challenge(made, "pk_nobody000000"))["salt"]
    assert nobody["opaque"] != (await challenge(made, "pk_nobody000000"))["opaque"]
    told = set()
    for said, address in (
        (answer(await challenge(made), "wrong"), HERE),
        (answer(nobody), HERE),
        (answer(await challenge(made)), ELSEWHERE),
        ("live?authmod=adobe&user=&response=x", HERE),
        (f"live?authmod=adobe&user={'x' * 65}&response=x", HERE),
        (f"live?authmod=adobe&user={USER}&response=x", ELSEWHERE),
    ):
        with pytest.raises(Rejected) as refusal:
            await say(made, said, address)
        assert refusal.value.refusal is Refusal.WRONG_SECRET
        told.add(refusal.value.description)
    assert len(told) == 1


async def test_challenges_are_bounded_and_grow_old(monkeypatch: pytest.MonkeyPatch) -> None:
    made = make()
    monkeypatch.setattr(passwords, "CHALLENGES", 3)
    first = await challenge(made)
    for _ in range(3):
        last = await challenge(made)
    assert len(made) == 3
    with pytest.raises(Rejected, match="wrong secret"):
        await say(made, answer(first))
    monkeypatch.setattr(passwords, "CHALLENGE_S", -1.0)
    with pytest.raises(Rejected, match="wrong secret"):
        await say(made, answer(last))


async def test_without_database_it_is_no_wrong_password() -> None:
    with pytest.raises(Rejected, match="cannot be checked just now") as refusal:
        await say(make(fails=True), f"live?authmod=adobe&user={USER}")
    assert refusal.value.refusal is not Refusal.WRONG_SECRET
