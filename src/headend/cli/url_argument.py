"""URLs of commands: as they are, or by the environment or stdin where they hold secrets.

Arguments stand in the list of processes, which every user of a machine may read, and in the history
of the shell.
"""

import os
import sys
from typing import Final

from headend.errors import SettingsError

STDIN: Final = "-"
ENVIRONMENT: Final = "env:"
MOST: Final = 16 * 1024  # characters; more is no URL
HELP: Final = "env:NAME reads the URL from the environment, - from stdin."


def given_url(text: str) -> str:
    """Return the URL that an argument stands for.

    Args:
        text: A URL; `env:NAME` for that in a variable of the environment; `-` for the first line of
            stdin.

    Raises:
        SettingsError: There is none.
    """
    if text == STDIN:
        url = sys.stdin.readline(MOST).strip()
        if not url:
            raise SettingsError("URL -: stdin holds no URL")
        return url
    if text.startswith(ENVIRONMENT):
        name = text.removeprefix(ENVIRONMENT)
        url = os.environ.get(name, "").strip()
        if not url:
            raise SettingsError(f"URL {text}: the environment has no {name}")
        return url
    return text
