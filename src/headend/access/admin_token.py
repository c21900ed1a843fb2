"""This module keeps the admin token: made at the first start, in a file only its owner may read."""

import os
import secrets
from pathlib import Path
from typing import Final

from headend.errors import SettingsError

FILE_NAME: Final = "admin.token"
TOKEN_BYTES: Final = 32  # of randomness


def load_or_create(data: Path) -> tuple[str, bool]:
    """Return the admin token, and whether it was made just now.

    Args:
        data: The data folder; made if it is missing.

    Raises:
        SettingsError: The folder or the file cannot be used.
    """
    path = data / FILE_NAME
    try:
        data.mkdir(mode=0o700, parents=True, exist_ok=True)
        try:
            token = path.read_text(encoding="ascii").strip()
        except FileNotFoundError:
            token = secrets.token_urlsafe(TOKEN_BYTES)
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "w", encoding="ascii") as file:
                file.write(token + "\n")
            return token, True
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"data folder {data}: cannot use {FILE_NAME}: {error}") from error
    if not token:
        raise SettingsError(f"{path} is empty: delete it, and the next start makes a new one")
    return token, False
