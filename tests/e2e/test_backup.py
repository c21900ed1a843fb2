"""Tests that the backup of the manual restores a server, and what is told if not."""

import asyncio
import json
import re
import sqlite3
import subprocess
import sys
from itertools import count
from pathlib import Path

import pytest
from tests.e2e.conftest import StartServer
from tests.e2e.server import Server, environ
from tests.e2e.wait import wait_for
from tests.harness import KEYFRAME, VIDEO_HEADER

from headend import client
from headend.media.tag import VIDEO, Tag
from headend.store.server_secret import ServerSecret

pytestmark = pytest.mark.e2e

MANUAL = Path(__file__).parents[2] / "docs" / "operations.md"
TLS = ("--tls", "127.0.0.1:0")


def blocks() -> list[str]:
    """The shell blocks of the manual: how a backup is made, and how it is restored."""
    text = MANUAL.read_text()
    section = text[text.index("## Backup") : text.index("## Upgrade")]
    found = re.findall(r"```sh\n(.*?)```", section, re.DOTALL)
    assert len(found) == 2
    return found


def run_block(block: str, data: Path, backup: Path) -> None:
    """Run a block as it stands in the manual, with other folders."""
    script = block.replace("/var/lib/headend", str(data)).replace("/backup/headend", str(backup))
    script = re.sub(r"^headend", f"{sys.executable} -m headend", script, flags=re.MULTILINE)
    subprocess.run(["sh", "-eu", "-c", script], check=True, timeout=60, env=environ())


def headend(*arguments: str) -> "subprocess.CompletedProcess[str]":
    words = [sys.executable, "-m", "headend", *arguments]
    return subprocess.run(
        words, env=environ(), capture_output=True, text=True, timeout=60, check=False
    )


def make_key(server: Server, stream: str) -> str:
    done = headend("key", "create", stream, "--data", str(server.data), "--json")
    assert done.returncode == 0, done.stderr
    return str(json.loads(done.stdout)["key"])


def test_backup_of_a_server_that_runs_restores_its_keys_and_its_token(
    start_server: StartServer, clip: Path, tmp_path: Path
) -> None:
    server = start_server("auth.publish=key", arguments=TLS)
    server.wait_log("database is open")
    keys = [make_key(server, "live/a"), make_key(server, "live/b")]
    token = server.token
    make, restore = blocks()
    backup = tmp_path / "backup"
    run_block(make, server.data, backup)
    run_block(make, server.data, backup)  # the next one takes its place
    server.process.kill()

    restored = tmp_path / "restored"
    run_block(restore, restored, backup)
    assert {path.stat().st_mode & 0o077 for path in restored.iterdir() if path.is_file()} == {0}
    again = start_server("auth.publish=key", arguments=(*TLS, "--data", str(restored)))
    assert (restored / "admin.token").read_text().strip() == token
    assert (restored / "tls" / "self-signed.pem").read_bytes() == (
        server.data / "tls" / "self-signed.pem"
    ).read_bytes()
    for name, key in zip("ab", keys, strict=True):
        done = headend("publish", str(clip), f"{again.url(f'live/{name}')}?key={key}", "--no-pace")
        assert done.returncode == 0, done.stderr
    assert again.stop() == 0
    assert not [line for line in again.log() if "another server.secret" in line]


def test_backup_takes_the_place_of_a_database_with_what_is_not_in_its_file_yet(
    start_server: StartServer, tmp_path: Path
) -> None:
    server = start_server(arguments=TLS)
    server.wait_log("database is open")
    make_key(server, "live/before")
    make, restore = blocks()
    run_block(make, server.data, tmp_path / "backup")
    make_key(server, "live/after")
    server.process.kill()  # and leaves headend.db-wal behind
    assert (server.data / "headend.db-wal").exists()
    run_block(restore, server.data, tmp_path / "backup")
    done = headend("key", "list", "--data", str(server.data), "--json")
    assert [key["stream"] for key in json.loads(done.stdout)] == ["live/before"]


def test_database_that_was_restored_without_its_secret_is_told(
    start_server: StartServer, clip: Path, tmp_path: Path
) -> None:
    server = start_server("auth.publish=key", arguments=TLS)
    server.wait_log("database is open")
    key = make_key(server, "live/a")
    make, restore = blocks()
    run_block(make, server.data, tmp_path / "backup")
    restored = tmp_path / "restored"
    run_block(restore, restored, tmp_path / "backup")
    (restored / "server.secret").unlink()
    ServerSecret.load_or_create(restored)
    again = start_server("auth.publish=key", arguments=("--data", str(restored)))
    again.wait_log("1 publish keys of the database were made with another server.secret")
    done = headend("publish", str(clip), f"{again.url('live/a')}?key={key}")
    assert done.returncode == 3
    done = headend("key", "list", "--data", str(restored))
    assert "restore that file from the backup" in done.stderr


def test_database_of_a_newer_version_ends_the_server_with_2(
    start_server: StartServer, tmp_path: Path
) -> None:
    first = start_server()
    first.wait_log("database is open")
    assert first.stop() == 0
    with sqlite3.connect(first.data / "headend.db") as database:
        database.execute("UPDATE alembic_version SET version_num = '9999_newer'")
    flags = ("--data", str(first.data), "--log-level", "info")
    server = start_server(arguments=flags, is_ready=False)
    assert server.process.wait() == 2
    assert (
        "headend: database: it was made by a newer Headend (tables 9999_newer" in server.log()[-1]
    )
    done = headend("key", "list", "--data", str(first.data))
    assert (done.returncode, done.stdout) == (2, "")
    assert "it was made by a newer Headend" in done.stderr


STREAMS = 24


def test_backup_under_the_load_of_many_streams_is_whole_and_holds_nobody_up(
    start_server: StartServer, tmp_path: Path
) -> None:
    server = start_server("limits.connections_per_minute=0")
    server.wait_log("database is open")
    make_key(server, "live/a")
    made = asyncio.run(back_up_beside(server, tmp_path))
    restored = tmp_path / "restored"
    done = headend("restore", str(made), "--data", str(restored))
    assert done.returncode == 0, done.stderr
    with sqlite3.connect(restored / "headend.db") as database:
        assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        streams = {stream for (stream,) in database.execute("SELECT stream FROM sessions")}
        keys = list(database.execute("SELECT stream FROM publish_keys"))
    assert streams == {f"live/{number}" for number in range(STREAMS)}
    assert keys == [("live/a",)]


async def back_up_beside(server: Server, folder: Path) -> Path:
    """Back up while many publish; a player gets frames after it. Return one with all sessions."""
    seen: list[Tag] = []
    target = folder / "backup.zip"

    async def back_up() -> None:
        words = ("backup", str(target), "--data", str(server.data))
        done = await asyncio.to_thread(headend, *words)
        assert done.returncode == 0, done.stderr

    async with asyncio.TaskGroup() as tasks:
        running = [
            tasks.create_task(publish(server.url(f"live/{number}"))) for number in range(STREAMS)
        ]
        running.append(tasks.create_task(play(server.url("live/0"), seen)))
        await asyncio.to_thread(server.wait_log, "publish live/", STREAMS)
        await back_up()
        before = len(seen)
        await asyncio.to_thread(wait_for, lambda: len(seen) > before, "frames behind a backup")
        for task in running:
            task.cancel()
    await asyncio.to_thread(wait_for, lambda: recorded(server) == STREAMS, "ended sessions")
    await back_up()
    return target


def recorded(server: Server) -> int:
    """Count the streams whose sessions are in the history."""
    with sqlite3.connect(server.data / "headend.db") as database:
        query = "SELECT count(DISTINCT stream) FROM sessions"
        return int(database.execute(query).fetchone()[0])


async def publish(url: str) -> None:
    """Publish pictures in real time."""
    async with client.publish(url) as out:
        await out.write(Tag(VIDEO, 0, VIDEO_HEADER, False, True))
        for number in count(1):
            await out.write(Tag(VIDEO, number * 40, KEYFRAME, True, False))
            await asyncio.sleep(0.04)


async def play(url: str, seen: list[Tag]) -> None:
    async with client.play(url) as stream:
        async for tag in stream:
            seen.append(tag)  # noqa: PERF401  # another task looks at them meanwhile
