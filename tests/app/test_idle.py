"""What a server has loaded that waits for its first stream: memory and a start that nobody pays."""

import subprocess
import sys
from pathlib import Path
from typing import Final

# Loaded by what uses them: HLS, an old or a new database, ACME, PostgreSQL, arrays, tables, and
# several workers.
NOT_LOADED: Final = {
    "acme", "alembic", "anyio", "asyncpg", "av", "josepy", "mako", "numpy", "OpenSSL", "pygments",
    "requests", "rich", "headend.app.crew", "headend.client.hls", "headend.codec.package",
    "headend.fallback",
    "headend.hls.packager", "headend.store.migrating", "headend.thumbnails.worker",
    "headend.workers", "sqlalchemy.dialects.postgresql", "sqlalchemy.ext.asyncio", "sqlalchemy.orm",
}  # fmt: skip

SERVER: Final = """
import asyncio, sys
from headend.app.server import Server
from headend.settings import load_settings

listen = {f"{name}.listen": "127.0.0.1:0" for name in ("rtmp", "tls", "http")}

async def main():
    server = Server(load_settings(None, [], flags={"data": sys.argv[1], **listen}))
    await server.start()
    try:
        await server.services.access.database()
        print(*sys.modules)
    finally:
        await server.stop()

asyncio.run(main())
"""


def test_idle_server_has_loaded_nothing_that_only_some_use(tmp_path: Path) -> None:
    command = [sys.executable, "-c", SERVER, str(tmp_path)]
    first = subprocess.run(command, check=True, capture_output=True, text=True)
    assert "alembic" in first.stdout.split()  # it makes the tables
    again = subprocess.run(command, check=True, capture_output=True, text=True)
    assert set(again.stdout.split()) & NOT_LOADED == set()
