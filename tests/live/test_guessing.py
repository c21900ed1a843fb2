"""Tests of what happens to who guesses keys and tokens."""

import asyncio
import secrets
import time
from ipaddress import IPv4Address
from pathlib import Path
from typing import Literal

import pytest
from tests.harness import Live, command, live_server, log_lines, resident_bytes, witness
from tests.odd_tokens import ODD, raw_token

from headend.decisions import AccessRequest
from headend.errors import Refusal, Rejected
from headend.store.publish_key import KeyOptions

GUESSES = 400


async def guess(live: Live, address: IPv4Address, key: str = "") -> str:
    """Guess a key; return why it was refused."""
    key = key or f"hk_{secrets.token_hex(16)}"
    with pytest.raises(Rejected) as refusal:
        await live.services.gate.decide(AccessRequest("publish", "live/a", address, key=key))
    assert refusal.value.refusal in (Refusal.WRONG_SECRET, Refusal.SHUT_OUT)
    return refusal.value.description


def addresses(count: int) -> list[IPv4Address]:
    return [IPv4Address(f"198.18.{number // 250}.{number % 250}") for number in range(count)]


async def test_who_guesses_from_one_address_is_shut_out_and_streams_go_on(tmp_path: Path) -> None:
    async with live_server(tmp_path, "auth.wrong_attempts=4") as live, witness(live) as seen:
        store = await live.key_store()
        new = await store.create("live/a", KeyOptions(), time.time())
        (one,) = addresses(1)
        reasons = [await guess(live, one) for _ in range(GUESSES)]
        assert reasons[:4] == 4 * ["the publish key is not valid"]
        assert set(reasons[4:]) == {
            "too many wrong keys, tokens or passwords came from this address; try again later"
        }
        assert await guess(live, one, new.secret) == reasons[-1]  # a right one neither
        neighbour = AccessRequest("publish", "live/a", addresses(2)[1], key=new.secret)
        assert (await live.services.gate.decide(neighbour)).key_id == new.key.id
        await seen.go_on()


async def test_who_guesses_from_many_addresses_gets_nowhere_and_memory_is_bounded(
    tmp_path: Path,
) -> None:
    async with live_server(tmp_path, "auth.wrong_attempts=4") as live, witness(live) as seen:
        before = resident_bytes()
        for first in range(0, GUESSES, 50):
            many = addresses(GUESSES)[first : first + 50]
            reasons = await asyncio.gather(*(guess(live, address) for address in many))
            assert set(reasons) == {"the publish key is not valid"}
        assert len(live.services.gate.guard) == GUESSES
        assert resident_bytes() - before < 20_000_000
        assert not live.services.gate.guard.bans
        await seen.go_on()


@pytest.mark.parametrize("action", ["play", "publish"])
async def test_odd_tokens_count_as_wrong_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, action: Literal["play", "publish"]
) -> None:
    async def sleep(seconds: float) -> None:
        """Guessing is slowed down elsewhere."""

    given = (f"auth.wrong_attempts={len(ODD) + 1}", "auth.private=live/*", "auth.publish=key")
    async with live_server(tmp_path, *given) as live:
        key = live.services.access.secret.derive("tokens")
        monkeypatch.setattr("headend.access.gate.sleep", sleep)
        (one,) = addresses(1)
        for claims, header in (*ODD, ("{", "{")):
            asked = AccessRequest(action, "live/a", one, token=raw_token(key, claims, header))
            assert live.services.gate.guard.banned_s(one, asyncio.get_running_loop().time()) == 0
            with pytest.raises(Rejected, match="the token is not valid"):
                await live.services.gate.decide(asked)
        assert live.services.gate.guard.bans == 1


async def test_wrong_keys_from_this_machine_shut_nobody_out(tmp_path: Path) -> None:
    async with live_server(tmp_path, "auth.wrong_attempts=2") as live:
        local = IPv4Address("127.0.0.1")
        reasons = {await guess(live, local) for _ in range(20)}
        assert reasons == {"the publish key is not valid"}


async def test_answers_to_guesses_wait_longer_each_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits: list[float] = []

    async def sleep(seconds: float) -> None:
        waits.append(seconds)

    async with live_server(tmp_path) as live:
        await live.key_store()
        (one,) = addresses(1)
        await guess(live, one)
        monkeypatch.setattr("headend.access.gate.sleep", sleep)
        for _ in range(6):
            await guess(live, one)
    assert waits == [0.25, 0.5, 1.0, 2.0]


async def test_refusals_of_who_is_shut_out_are_one_line(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def shut_out(request: AccessRequest) -> None:
        raise Rejected(Refusal.SHUT_OUT, "too many wrong keys")

    async with live_server(tmp_path, "auth.publish=key") as live:
        monkeypatch.setattr(live.services.gate, "check_ban", shut_out)
        for _ in range(5):
            peer = await live.connected()
            await peer.send(command("publish", 3, None, "hk_1", "live", on=1))
            await peer.expect("NetStream.Publish.Denied")
        assert len(log_lines(caplog, "too many wrong keys")) == 1
