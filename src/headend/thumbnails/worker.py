"""A process that makes JPEG pictures of keyframes: `python -m` runs it.

What it decodes comes from strangers, so it may crash, hang or want too much without harm to the
server: it holds no secrets, writes no files, and has limits of memory and CPU. It imports little,
and ends when the server closes its input.

    in   codec 8 bytes, padded with zeros | width, size of record, size of picture u32 | both
    out  a ready byte at the start; then for each: 0 JPEG or 1 fault in words u8 | size u32 | bytes
"""

import os
import resource
import struct
import sys
from typing import BinaryIO, Final

from headend.codec.jpeg import be_quiet, thumbnail

REQUEST: Final = struct.Struct("!8sIII")
ANSWER: Final = struct.Struct("!BI")
READY: Final = b"R"
OK: Final = 0
FAULT: Final = 1

# Pictures of `codec.jpeg.PIXELS`, of which a decoder holds several, fit; a sequence header that
# claims more does not.
MEMORY_BYTES: Final = 1 << 30
CPU_S: Final = 10  # for one picture; the server gives up sooner, unless it is gone
FAULT_CHARACTERS: Final = 200


def main() -> None:
    """Serve until the input ends."""
    be_quiet()
    # Whatever a library prints must not get between the answers.
    answers = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(2, 1)
    _limit(resource.RLIMIT_AS, MEMORY_BYTES)
    _limit(resource.RLIMIT_CORE, 0)
    _limit(resource.RLIMIT_FSIZE, 0)
    os.nice(5)
    answers.write(READY)
    serve(sys.stdin.buffer, answers)


def serve(requests: BinaryIO, answers: BinaryIO) -> None:
    """Answer every request, until there are no more."""
    while len(head := requests.read(REQUEST.size)) == REQUEST.size:
        codec, width, record_size, picture_size = REQUEST.unpack(head)
        record, picture = requests.read(record_size), requests.read(picture_size)
        used = resource.getrusage(resource.RUSAGE_SELF)
        _limit(resource.RLIMIT_CPU, int(used.ru_utime + used.ru_stime) + CPU_S)
        try:
            kind, body = OK, thumbnail(codec.rstrip(b"\0").decode(), record, picture, width)
        except MemoryError:
            kind, body = FAULT, b"it needs too much memory"
        except Exception as error:  # FFmpeg's own, of many kinds
            kind, body = FAULT, (str(error) or type(error).__name__)[:FAULT_CHARACTERS].encode()
        answers.write(ANSWER.pack(kind, len(body)) + body)
        answers.flush()


def _limit(what: int, value: int) -> None:
    """Lower the soft limit; no picture is worth a failure where a system has no such limit."""
    hard = resource.getrlimit(what)[1]
    if hard != resource.RLIM_INFINITY:
        value = min(value, hard)
    try:
        resource.setrlimit(what, (value, hard))
    except (ValueError, OSError):
        return


if __name__ == "__main__":
    main()
