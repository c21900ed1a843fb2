"""The process that encodes an edge of an exact clip.

It is given a JSON document: a file that has one segment, the file to write, and from when to when.
"""

import json
import os
import sys
from pathlib import Path
from typing import Final

from headend.codec.edge import cut
from headend.errors import MediaError

NICE: Final = 10  # live streams go before it


def main() -> int:
    """Read the job from stdin; return the exit code: 0, or 1 and a line on stdout that says why."""
    os.nice(NICE)
    job = json.load(sys.stdin)
    try:
        cut(Path(job["source"]), Path(job["target"]), job["start_s"], job["end_s"])
    except MediaError as error:
        print(error)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
