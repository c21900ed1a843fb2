"""The file that says where a server listens, for programs that wait for it."""

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from headend import files

READY_MODE: Final = 0o666  # the waiting program may run as another user


def write_ready_file(path: Path, addresses: Mapping[str, Sequence[str]]) -> None:
    """Write where we listen; a waiting program never sees half of the file.

    Raises:
        StorageError: The file cannot be written.
    """
    content = json.dumps({"pid": os.getpid(), **addresses}) + "\n"
    try:
        files.write(path, content.encode(), READY_MODE)
    except OSError as error:
        raise files.fault(f"--ready-file {path}", error) from error
