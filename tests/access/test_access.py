"""Tests of headend.access.access, in a whole server."""

import asyncio
import json
import time
from collections.abc import Iterable
from pathlib import Path

import pytest
from joserfc import jwt
from joserfc.jwk import KeySet, OKPKey
from tests.access.hanging import Disk
from tests.harness import command, live_server, log_lines, until

from headend.access import access
from headend.http.metrics import database_is_up
from headend.store import database
from headend.store.publish_key import KeyOptions
from headend.store.recorder import Recorder
from headend.store.records import AuditEntry


def signer() -> tuple[OKPKey, str]:
    """Make a key, and the JWKS that shows it."""
    key = OKPKey.generate_key("Ed25519", {"kid": "1"})
    return key, json.dumps(KeySet([key]).as_dict(private=False))


async def test_key_publishes_and_is_revoked_on_each_kind_of_database(
    tmp_path: Path, database_url: str
) -> None:
    given = ("auth.publish=key", f"auth.database={database_url}")
    async with live_server(tmp_path, *given) as live:
        store = await live.key_store()
        new = await store.create("live/a", KeyOptions(), time.time())
        publisher = await live.publisher(new.secret)
        await store.revoke(new.key.id, time.time())
        await publisher.expect("NetStream.Publish.Denied")
        assert publisher.reasons[-1] == "the publish key was revoked"
        refused = await live.connected()
        await refused.send(command("publish", 3, None, new.secret, "live", on=1))
        await refused.expect("NetStream.Publish.Denied")


async def test_server_starts_without_database_and_opens_it_when_it_can(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(access, "FIRST_PAUSE_S", 0.05)
    folder = tmp_path / "away"
    given = ("auth.publish=key", f"auth.database=sqlite:///{folder}/keys.db")
    async with live_server(tmp_path, *given) as live:
        await until(lambda: log_lines(caplog, "keys cannot be checked until it answers"))
        assert not live.services.access.is_open
        folder.mkdir()
        await until(lambda: live.services.access.is_open)
        store = await live.key_store()
        new = await store.create("live/a", KeyOptions(), time.time())
        await live.publisher(new.secret)


async def test_database_that_hangs_stalls_no_stream(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with live_server(tmp_path) as live:
        new = await (await live.key_store()).create("live/a", KeyOptions(), time.time())
        publisher = await live.publisher(new.secret)
        player = await live.player("a")

        monkeypatch.setattr(database, "TIMEOUT_S", 2.0)
        monkeypatch.setattr(database, "begun", lambda engine: Hanging())
        late = await live.connected()
        await late.send(command("publish", 3, None, new.secret, "live", on=1))
        for number in range(20):
            await publisher.send_video(bytes([0x17, 1, 0, 0, 0, number]))
            await player.expect_media(number + 1)
        assert "NetStream.Publish.Denied" not in late.said
        await late.expect("NetStream.Publish.Denied")
        assert late.reasons[-1].startswith("keys cannot be checked just now")
        monkeypatch.undo()


async def test_database_that_only_reads_is_told_once_and_is_not_up(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on a disk that is full: what is read now and then must not pass for an answer."""
    caplog.set_level("INFO", "headend")
    disk = Disk().use(monkeypatch)
    monkeypatch.setattr(access, "LOOK_S", 0.01)
    monkeypatch.setattr(access, "RETRY_S", 0.03)

    async with live_server(tmp_path) as live:
        services = live.services
        new = await (await live.key_store()).create("live/a", KeyOptions(), time.time())
        await live.publisher(new.secret)  # its key is read at each look
        await until(lambda: database_is_up(services))
        disk.is_full = True
        services.features[Recorder].note(AuditEntry(0, "a", "b", "c", None, "done"))
        await until(lambda: not database_is_up(services))
        invalid, looks = services.access.keys.invalid, 0

        async def count(ids: Iterable[str]) -> set[str]:
            nonlocal looks
            looks += 1
            return await invalid(ids)

        monkeypatch.setattr(services.access.keys, "invalid", count)
        await until(lambda: looks >= 10)
        assert not database_is_up(services)
        assert len(log_lines(caplog, "disk is full; running streams go on")) == 1
        assert not log_lines(caplog, "database answers again")
        disk.is_full = False
        await until(lambda: log_lines(caplog, "database answers again"))
        await until(lambda: database_is_up(services))
        assert len(log_lines(caplog, "disk is full; running streams go on")) == 1


async def test_settings_that_are_reloaded_hold_at_once(tmp_path: Path) -> None:
    _, document = signer()
    (tmp_path / "keys.json").write_text(document)
    file = tmp_path / "headend.toml"
    file.write_text("[auth]\npublish = 'open'\n")
    async with live_server(tmp_path, path=file) as live:
        await live.publisher("a")
        tokens = live.services.access.tokens
        file.write_text(f"[auth]\npublish = 'key'\njwks = '{tmp_path}/keys.json'\n")
        live.server.reload()
        peer = await live.connected()
        await peer.send(command("publish", 3, None, "b", "live", on=1))
        await peer.expect("NetStream.Publish.Denied")
        await until(lambda: tokens._others)
        file.write_text("[auth]\npublish = 'open'\n")
        live.server.reload()
        assert not tokens._others
        await live.publisher("b")
        assert live.services.registry.publication("live/a") is not None


class Hanging:
    """A connection that never comes."""

    async def __aenter__(self) -> None:
        await asyncio.sleep(60)

    async def __aexit__(self, *_: object) -> None:
        """Never reached."""


async def test_keys_of_others_are_read_again_and_kept_while_they_cannot_be(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (key, document), (other, other_document) = signer(), signer()
    file = tmp_path / "keys.json"
    file.write_text(document)
    given = ("auth.private=live/vip", f"auth.jwks={file}", "auth.jwks_refresh_s=1")
    async with live_server(tmp_path, *given) as live:
        tokens = live.services.access.tokens
        await until(lambda: tokens._others)

        async def play(key: OKPKey) -> str:
            claims = {"stream": "live/vip", "exp": 4_000_000_000}
            header = {"alg": "Ed25519", "kid": "1"}
            token = jwt.encode(header, claims, key, algorithms=["Ed25519"])
            peer = await live.connected()
            await peer.send(command("play", 3, None, f"vip?token={token}", on=1))
            return await peer.expect("NetStream.Play")

        assert "Play.Start" in await play(key) or "Play.Reset" in await play(key)
        assert "Play.Failed" in await play(other)
        file.unlink()
        await until(lambda: log_lines(caplog, "those read before stay valid"))
        assert "Play.Failed" not in await play(key)
        before = tokens._others
        file.write_text(other_document)
        await until(lambda: tokens._others != before)
        assert "Play.Failed" in await play(key)
        assert "Play.Failed" not in await play(other)
