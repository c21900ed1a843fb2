"""A process that makes JPEG pictures of keyframes: `python -m` runs it.

What it decodes comes from strangers, so it may crash, hang or want too much without harm to the
server: it holds no secrets, writes no files, and has limits of memory and CPU. It imports little,
and ends when the server closes its input.

    in   codec 8 bytes, padded with zeros | width, size of record, size of picture u32 | both
    out  a ready byte at the start; then for each: 0 JPEG or 1 fault in words u8 | size u32 | bytes
"""

import struct
import sys
from typing import BinaryIO, Final

from headend.codec.confined import allow_cpu, confine, fault_of
from headend.codec.jpeg import thumbnail

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
    answers = confine(MEMORY_BYTES, written_bytes=0)
    answers.write(READY)
    serve(sys.stdin.buffer, answers)


def serve(requests: BinaryIO, answers: BinaryIO) -> None:
    """Answer every request, until there are no more."""
    while len(head := requests.read(REQUEST.size)) == REQUEST.size:
        codec, width, record_size, picture_size = REQUEST.unpack(head)
        record, picture = requests.read(record_size), requests.read(picture_size)
        allow_cpu(CPU_S)
        try:
            kind, body = OK, thumbnail(codec.rstrip(b"\0").decode(), record, picture, width)
        except Exception as error:  # FFmpeg's own, of many kinds
            kind, body = FAULT, fault_of(error, FAULT_CHARACTERS).encode()
        answers.write(ANSWER.pack(kind, len(body)) + body)
        answers.flush()


if __name__ == "__main__":
    main()
