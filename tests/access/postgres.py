"""This module runs a PostgreSQL server for the tests: in a folder of its own, on a unix socket."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from pwd import getpwnam

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import create_async_engine
from tests.live import run

LIMIT_S = 60


def programs() -> Path | None:
    """Return the folder of initdb and pg_ctl, of the newest version; None: not installed."""
    found = [path.parent for path in Path("/usr/lib/postgresql").glob("*/bin/initdb")]
    on_path = shutil.which("initdb")
    if on_path is not None:
        return Path(on_path).parent
    return max(found, key=lambda path: int(path.parent.name), default=None)


@contextmanager
def postgres() -> Iterator[str]:
    """Run a server; give its URL without the name of a database: `postgresql://…host=`."""
    folder = programs()
    assert folder is not None, "PostgreSQL is not installed: make test installs it"
    root = Path(tempfile.mkdtemp(prefix="headend-pg-"))
    # PostgreSQL refuses to run as root.
    user = "postgres" if os.getuid() == 0 else None
    if user is not None:
        entry = getpwnam(user)
        os.chown(root, entry.pw_uid, entry.pw_gid)
    run = partial(
        subprocess.run, check=True, cwd=root, user=user, capture_output=True, timeout=LIMIT_S
    )
    data = root / "data"
    try:
        run([folder / "initdb", "--auth=trust", "--username=headend", "--no-sync", "-D", data])
        options = f"-k {root} -c listen_addresses= -c fsync=off -c max_connections=50"
        run([folder / "pg_ctl", "-w", "-D", data, "-o", options, "-l", root / "log", "start"])
        try:
            yield f"postgresql://headend@/{{name}}?host={root}"
        finally:
            run([folder / "pg_ctl", "-w", "-D", data, "-m", "immediate", "stop"])
    finally:
        shutil.rmtree(root, ignore_errors=True)


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
