"""The process that makes the head of one MP4 file: it reads gigabytes' worth of boxes.

It is given a JSON document: the files of a recording, and where the head is to be written.
"""

import json
import os
import sys
from pathlib import Path
from typing import Final

from headend.errors import MediaError
from headend.record.head import HeadSource, head_of

NICE: Final = 10  # live streams go before it


def main() -> int:
    """Read the job from stdin; return the exit code: 0, or 1 and a line on stdout that says why."""
    os.nice(NICE)
    job = json.load(sys.stdin)
    try:
        head = head_of([HeadSource(*each) for each in job["sources"]])
        Path(job["path"]).write_bytes(head)
    except (MediaError, OSError) as error:
        print(error)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
