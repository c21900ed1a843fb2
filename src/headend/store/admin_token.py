"""The admin token: made at the first start, in a file only its owner may read."""

import secrets
from pathlib import Path
from typing import Final

from headend import files
from headend.errors import SettingsError

FILE_NAME: Final = "admin.token"
TOKEN_BYTES: Final = 32  # of randomness


def load_or_create(data: Path) -> tuple[str, bool]:
    """Return the admin token, and whether it was made just now.

    Args:
        data: The data folder; made if it is missing.

    Raises:
        SettingsError: The folder or the file cannot be used.
        StorageError: The disk is full or broken.
    """
    token, is_new = files.read_or_create(data, FILE_NAME, secrets.token_urlsafe(TOKEN_BYTES))
    if not token:
        raise SettingsError(
            f"{data / FILE_NAME} is empty: delete it, and the next start makes a new one"
        )
    return token, is_new
