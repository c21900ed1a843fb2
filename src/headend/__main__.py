"""The program: `headend`, and `python -m headend`."""

import gc
import os
import signal
import sys
from typing import Final

SERVERS: Final = ("serve", "demo")


def main() -> None:
    """Load the program, and run the command that it was called with."""
    if sys.argv[1:2] and sys.argv[1] in SERVERS:
        # Loading takes a moment: a server that is told to stop meanwhile has nothing to undo.
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda number, frame: os._exit(0))
        gc.disable()  # until it listens: looks at what is being loaded find next to nothing
    from headend.cli.main import main

    main()


if __name__ == "__main__":
    main()
