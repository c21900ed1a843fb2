"""Tests of a server whose disk is full: at its first start, and while it runs."""

import os
import resource
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.e2e.conftest import StartServer
from tests.e2e.disks import mounted_disk
from tests.e2e.server import Server, command, environ
from tests.e2e.wait import wait_for

pytestmark = pytest.mark.e2e

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 300 KB."""
    with mounted_disk(tmp_path / "disk", "300k") as folder:
        yield folder


def fill(disk: Path) -> Path:
    """Fill a disk to its last byte; return the file that does."""
    path = disk / "filler"
    with path.open("wb", buffering=0) as file:
        try:
            while file.write(bytes(1024)):
                pass
        except OSError:
            pass
    return path


def no_files() -> None:
    """Have this process write no byte to any file."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))


def run(
    words: list[str], before: Callable[[], None] | None = None
) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        words, env=environ(), capture_output=True, text=True, timeout=60, preexec_fn=before
    )


@pytest.mark.parametrize(
    "given",
    [("serve",), ("serve", "tls.listen=127.0.0.1:0"), ("demo",)],
    ids=["admin token", "certificate", "demo"],
)
def test_first_start_that_may_write_nothing_fails_with_1_and_leaves_no_file(
    given: tuple[str, ...], tmp_path: Path
) -> None:
    """What it leaves would be refused by later starts; 2 would say that none may succeed."""
    done = run(command(tmp_path, *given, arguments=("--log-level", "info")), no_files)
    assert done.returncode == 1, done.stderr
    assert done.stderr.splitlines()[-1].startswith(f"headend: data folder {tmp_path / 'data'}: ")
    assert done.stderr.endswith("File too large\n")
    assert list((tmp_path / "data").iterdir()) == []
    again = Server(tmp_path)
    assert again.stop() == 0


@pytest.mark.parametrize("name", ["server.secret", "tls/self-signed.key"])
def test_start_that_lacks_a_file_and_may_write_none_fails_with_1(name: str, tmp_path: Path) -> None:
    flags = ("--tls", "127.0.0.1:0", "--log-level", "info")
    assert Server(tmp_path, arguments=flags).stop() == 0
    (tmp_path / "data" / name).unlink()
    before = set((tmp_path / "data").rglob("*"))
    done = run(command(tmp_path, "serve", arguments=flags), no_files)
    assert done.returncode == 1, done.stderr
    assert done.stderr.endswith("File too large\n")
    assert set((tmp_path / "data").rglob("*")) == before


def test_file_of_settings_that_finds_no_room_fails_with_1(tmp_path: Path) -> None:
    words = [*command(tmp_path, "config")[:3], "config", "init", str(tmp_path / "a.toml")]
    done = run(words, no_files)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == f"headend: {tmp_path / 'a.toml'}: File too large\n"
    assert list(tmp_path.iterdir()) == []


@needs_root
def test_first_start_on_a_full_disk_can_be_done_again_when_there_is_room(
    start_server: StartServer, small_disk: Path
) -> None:
    filler = fill(small_disk)
    data = small_disk / "data"
    flags = ("--data", str(data), "--log-level", "info")
    server = start_server(arguments=flags, is_ready=False)
    assert server.process.wait() == 1
    assert server.log()[-1].endswith("No space left on device")
    filler.unlink()
    assert start_server(arguments=flags).stop() == 0


@needs_root
def test_disk_that_is_full_for_a_time_is_seen_in_the_metrics_and_told_once(
    start_server: StartServer, small_disk: Path
) -> None:
    server = start_server(arguments=("--data", str(small_disk / "data")))

    def is_up() -> bool:
        return "headend_database_up 1.0" in server.get("/metrics")[1]

    wait_for(is_up, "the database is up")
    filler = fill(small_disk)
    token = (small_disk / "data" / "admin.token").read_text().strip()

    def is_down() -> bool:
        server.get("/api/v1/reload", token + "wrong")  # which is noted in the audit trail
        return not is_up()

    wait_for(is_down, "the database is down")
    filler.unlink()
    wait_for(is_up, "the database is up again")
    lines = [line for line in server.log() if "database" in line and "audit" not in line]
    assert sum("is full; running streams go on" in line for line in lines) <= 1
    assert sum("answers again" in line for line in lines) <= 1
    assert server.stop() == 0
