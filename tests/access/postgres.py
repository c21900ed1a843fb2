"""A PostgreSQL server for tests: in a folder of its own, on a unix socket."""

import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from pwd import getpwnam

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import create_async_engine
from tests.harness import run

LIMIT_S = 60


def programs() -> Path | None:
    """Return the folder of initdb and pg_ctl, of the newest version; None: not installed."""
    found = [path.parent for path in Path("/usr/lib/postgresql").glob("*/bin/initdb")]
    on_path = shutil.which("initdb")
    if on_path is not None:
        return Path(on_path).parent
    return max(found, key=lambda path: int(path.parent.name), default=None)


class Postgres:
    """A server in a folder of its own, which may be stopped and started again.

    Attributes:
        url: `{name}` stands for a database.
    """

    def __init__(self, root: Path, folder: Path) -> None:
        """Make its files.

        Args:
            root: Its folder, empty.
            folder: Of the programs.
        """
        self.url = f"postgresql://headend@/{{name}}?host={root}"
        self._root = root
        self._folder = folder
        # PostgreSQL refuses to run as root.
        self._user = "postgres" if os.getuid() == 0 else None
        if self._user is not None:
            entry = getpwnam(self._user)
            os.chown(root, entry.pw_uid, entry.pw_gid)
        self._run("initdb", "--auth=trust", "--username=headend", "--no-sync")

    def start(self) -> None:
        options = f"-k {self._root} -c listen_addresses= -c fsync=off -c max_connections=50"
        self._run("pg_ctl", "-w", "-o", options, "-l", str(self._root / "log"), "start")

    def stop(self) -> None:
        """Stop it as a crash does."""
        self._run("pg_ctl", "-w", "-m", "immediate", "stop")

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """Have none of its processes do anything while the block runs."""
        first = int((self._root / "data" / "postmaster.pid").read_text().splitlines()[0])
        os.kill(first, signal.SIGSTOP)  # it makes no others from now on
        children = Path(f"/proc/{first}/task/{first}/children").read_text()
        frozen = [first]
        try:
            for process in map(int, children.split()):
                with suppress(ProcessLookupError):  # it ended just now
                    os.kill(process, signal.SIGSTOP)
                    frozen.append(process)
            yield
        finally:
            for process in frozen:
                with suppress(ProcessLookupError):
                    os.kill(process, signal.SIGCONT)

    def _run(self, program: str, *arguments: str) -> None:
        subprocess.run(
            [self._folder / program, "-D", self._root / "data", *arguments],
            check=True,
            cwd=self._root,
            user=self._user,
            capture_output=True,
            timeout=LIMIT_S,
        )


@contextmanager
def postgres_server() -> Iterator[Postgres]:
    """Run a server, which runs at the end too."""
    folder = programs()
    assert folder is not None, "PostgreSQL is not installed: make test installs it"
    root = Path(tempfile.mkdtemp(prefix="headend-pg-"))
    try:
        server = Postgres(root, folder)
        server.start()
        try:
            yield server
        finally:
            server.stop()
    finally:
        shutil.rmtree(root, ignore_errors=True)


@contextmanager
def postgres() -> Iterator[str]:
    """Run a server; give its URL without the name of a database: `postgresql://…host=`."""
    with postgres_server() as server:
        yield server.url


def create_database(url: str, name: str) -> str:
    """Make an empty database on a server; return its URL."""

    async def create() -> None:
        engine = create_async_engine(
            url.format(name="postgres").replace("postgresql", "postgresql+asyncpg", 1),
            isolation_level="AUTOCOMMIT",
        )
        async with engine.connect() as connection:
            await connection.execute(sa.text(f"CREATE DATABASE {name}"))
        await engine.dispose()

    run(create())
    return url.format(name=name)
