"""Headend with an SQLite whose commits hang once the file of HANG is there."""

import os
import sqlite3
import threading
from pathlib import Path
from typing import Any

from headend.__main__ import main

HANG = Path(os.environ["HANG"])
connect = sqlite3.connect


class Hanging(sqlite3.Connection):
    def commit(self) -> None:
        if HANG.exists():
            print("sqlite hangs", flush=True)
            threading.Event().wait()
        super().commit()


def connect_hanging(*arguments: Any, **options: Any) -> sqlite3.Connection:
    return connect(*arguments, **options, factory=Hanging)


sqlite3.connect = connect_hanging  # type: ignore[assignment]
main()
