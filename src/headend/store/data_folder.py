"""The data folder: the files that hold a server's state, and who may use them."""

from pathlib import Path
from typing import Final

from headend import files
from headend.store import admin_token, server_secret

DATABASE: Final = "headend.db"
TLS: Final = ("tls/*.key", "tls/acme/*/*.pem")  # keys, of which each holds one
SQLITE: Final = "sqlite:///"
COMPANIONS: Final = ("", "-wal", "-shm")  # of a file of SQLite: what is not in it yet, and an index


def database_file(data: Path, url: str) -> Path | None:
    """Return the file that the database lies in; None: on a server.

    Args:
        data: The data folder.
        url: The setting `auth.database`.
    """
    if not url:
        return data / DATABASE
    return Path(url.removeprefix(SQLITE)) if url.startswith(SQLITE) else None


def warnings(data: Path, url: str) -> list[str]:
    """Say which files others may use that hold secrets, and the commands that mend it.

    A backup that was restored by another user, or by a program that knows no modes, leaves such.

    Args:
        data: The data folder.
        url: The setting `auth.database`.
    """
    private = [data / server_secret.FILE_NAME, data / admin_token.FILE_NAME]
    if (database := database_file(data, url)) is not None:
        private += [database.with_name(database.name + each) for each in COMPANIONS]
    for pattern in TLS:
        private += sorted(data.glob(pattern))
    return files.warnings(private)
