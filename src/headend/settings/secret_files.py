"""Secrets outside the settings file: `NAME_file` in place of `NAME`, for every secret.

    database_file = "/run/secrets/database"     what the file holds, without white space at its ends
    database_file = "credential:database"       a credential of systemd (LoadCredential=)

The file is read when the settings are loaded, and again at each reload. Only settings of the file,
the environment and flags may name one: the API cannot have files read.

Source: systemd.exec(5), Credentials.
"""

import os
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Final, get_args

from pydantic import SecretStr
from pydantic.fields import FieldInfo

SUFFIX: Final = "_file"
CREDENTIAL: Final = "credential:"
FOLDER: Final = "CREDENTIALS_DIRECTORY"
SECRET_BYTES: Final = 64 * 1024  # of a file; more than any secret takes


def takes_file(info: FieldInfo) -> bool:
    """Say whether a field holds a secret, which a file may hold for it."""
    return SecretStr in (info.annotation, *get_args(info.annotation))


def read_secret(where: object, environ: Mapping[str, str] = os.environ) -> str:
    """Read a secret.

    Args:
        where: Path of a file, or `credential:NAME`.
        environ: Environment, in which systemd names the folder of credentials.

    Raises:
        ValueError: It cannot be read, or is empty; says why, without what it holds.
    """
    if not isinstance(where, str) or not where or "\0" in where:
        raise ValueError('must be the path of a file, or "credential:NAME"')
    path = _credential(where, environ) if where.startswith(CREDENTIAL) else Path(where)
    try:
        text = _read(path.expanduser()).decode().strip()
    except UnicodeDecodeError:
        raise ValueError(f"{where}: it is no text") from None
    except (OSError, RuntimeError) as error:
        raise ValueError(f"{where}: {getattr(error, 'strerror', None) or error}") from None
    if not text:
        raise ValueError(f"{where}: it is empty")
    return text


def _credential(where: str, environ: Mapping[str, str]) -> Path:
    name = where.removeprefix(CREDENTIAL)
    if not name or "/" in name or name in (".", ".."):
        raise ValueError(f"{where}: a credential is named without a path")
    folder = environ.get(FOLDER)
    if not folder:
        raise ValueError(
            f"{where}: {FOLDER} is not set; systemd sets it for a service with "
            f"LoadCredential={name}:/path"
        )
    return Path(folder) / name


def _read(path: Path) -> bytes:
    # Opening a pipe would wait for somebody who writes.
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    with os.fdopen(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise ValueError(f"{path}: it is no file")
        content = file.read(SECRET_BYTES + 1)
    if len(content) > SECRET_BYTES:
        raise ValueError(f"{path}: it is longer than {SECRET_BYTES} bytes")
    return content
