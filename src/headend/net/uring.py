"""One system call that sends the same bytes to many sockets: io_uring of Linux.

    send ─► an entry for each socket ─► io_uring_enter ─► what each socket took

A system call for each socket is a third of what a flush costs. Sockets take what they have room
for, at once, as with `send`; the call returns when all have answered, so the bytes may go then.
Where the kernel or a container forbids io_uring there is no ring, and each socket has its `send`.

See docs/decisions/0030-flushes-by-io-uring.md. Source: io_uring(7), io_uring_setup(2).
"""

import ctypes
import errno
import logging
import mmap
import os
import socket
import struct
import sys
from array import array
from collections.abc import Sequence
from typing import Final

log = logging.getLogger(__name__)

SYSTEM: Final[str] = sys.platform
ENTRIES: Final = 1024  # sockets of one call; more take several. A power of 2; 100 KiB of memory

_COUNTER: Final = 0xFFFFFFFF
_SETUP, _ENTER = 425, 426  # system calls, the same on all architectures
_SINGLE_ISSUER, _DEFER_TASKRUN = 1 << 12, 1 << 13  # Linux 6.1: no work for other threads
_FAST_POLL: Final = 1 << 5  # a feature of Linux 5.7: those before may not know OP_SEND
_GET_EVENTS: Final = 1
_OP_SEND: Final = 26
_SUBMISSIONS_AT, _COMPLETIONS_AT, _ENTRIES_AT = 0, 0x8000000, 0x10000000  # for mmap
_ENTRY: Final = struct.Struct("<BBHiQQIIQ24x")  # opcode, flags, priority, fd, -, address, length …
_COMPLETION_BYTES: Final = 16  # user data, result, flags
_PARAMETERS: Final = struct.Struct("<10I 8IQ 8IQ")

_libc: Final = ctypes.CDLL(None, use_errno=True)


class RingBulk:
    """Sends the same bytes to many sockets by a ring, if there may be one: `is_ready` says so.

    Attributes:
        is_wanted: Whether a ring is used; see `live.flush_io_uring`.
        closed: Sockets that were closed so far. Who has kept descriptors asks for them again when
            it has changed: the number of a closed one may be another peer's.
    """

    def __init__(self) -> None:
        self.is_wanted = True
        self.closed = 0
        self._ring: Ring | None = None
        self._has_failed = False

    @property
    def is_ready(self) -> bool:
        """Say whether `send` may be called; the first time a ring is made."""
        if not self.is_wanted or self._has_failed:
            return False
        if self._ring is None:
            try:
                self._ring = Ring()
            except (OSError, ValueError, AttributeError) as error:  # forbidden, or another system
                self._has_failed = True
                log.debug("no io_uring: %s", error)
                return False
        return True

    def send(self, descriptors: Sequence[int], data: bytes) -> list[tuple[int, int]]:
        """Send the same bytes to sockets, in their order; never blocks.

        Args:
            descriptors: Of open sockets.
            data: At least one byte.

        Returns:
            Index and bytes taken of each socket that did not take all; 0 also if it is gone.
        """
        assert self._ring is not None
        short = self._ring.send(array("i", descriptors), data)
        if self._ring.fault is not None:
            log.warning("io_uring has failed, flushes go on without it: %s", self._ring.fault)
            self._has_failed = True
            self.close()
        return short

    def close(self) -> None:
        ring, self._ring = self._ring, None
        if ring is not None:
            ring.close()


class Ring:
    """A ring of one thread; raises OSError where there can't be one.

    Attributes:
        fault: Why it can't be used any more; None: it can.
    """

    def __init__(self) -> None:
        self._descriptor, told = _set_up()
        self.fault: OSError | None = None
        self._entries, self._completions = told[0], told[1]
        try:
            self._find_queues(told[10:18], told[19:27])
        except BaseException:
            self.close()
            raise

    def _find_queues(self, submission: Sequence[int], completion: Sequence[int]) -> None:
        """Map what is shared with the kernel, and fill in what stays the same in all entries."""
        entries = self._entries
        _, tail, _, _, _, _, numbers, _ = submission
        queue = self._map(numbers + 4 * entries, _SUBMISSIONS_AT).cast("I")
        self._tail = queue[tail // 4 : tail // 4 + 1]
        queue[numbers // 4 : numbers // 4 + entries] = array("I", range(entries))
        head, tail, _, _, _, answers, _, _ = completion
        done = self._map(answers + _COMPLETION_BYTES * self._completions, _COMPLETIONS_AT)
        counts = done.cast("I")
        self._done_head = counts[head // 4 : head // 4 + 1]
        self._done_tail = counts[tail // 4 : tail // 4 + 1]
        answered = done[answers : answers + _COMPLETION_BYTES * self._completions]
        self._results = answered.cast("i")[2::4]
        self._whose = answered.cast("Q")[0::2]
        made = self._map(_ENTRY.size * entries, _ENTRIES_AT)
        flags = socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL
        for number in range(entries):
            _ENTRY.pack_into(made, number * _ENTRY.size, _OP_SEND, 0, 0, -1, 0, 0, 0, flags, number)
        self._descriptors = made.cast("i")[1::16]
        self._addresses = made.cast("Q")[2::8]
        self._lengths = made.cast("I")[6::16]

    def close(self) -> None:
        os.close(self._descriptor)

    def send(self, descriptors: "array[int]", data: bytes) -> list[tuple[int, int]]:
        """See `RingBulk.send`."""
        # Hot path: once for each flush.
        short: list[tuple[int, int]] = []
        size = len(data)
        address = ctypes.cast(ctypes.c_char_p(data), ctypes.c_void_p).value
        assert address is not None
        start, total = 0, len(descriptors)
        while start < total and self.fault is None:
            # Tails and heads count up for ever. No further than to the last entry: then the first.
            first = self._tail[0] & (self._entries - 1)
            count = min(total - start, self._entries - first)
            end = first + count
            self._descriptors[first:end] = descriptors[start : start + count]
            self._addresses[first:end] = array("Q", (address,)) * count
            self._lengths[first:end] = array("I", (size,)) * count
            self._tail[0] = (self._tail[0] + count) & _COUNTER
            left = self._enter(count)
            short += [(start + whose - first, taken) for whose, taken in self._answers(size)]
            short += [(start + number, 0) for number in range(count - left, count)]
            start += count
        return short + [(number, 0) for number in range(start, total)]

    def _enter(self, count: int) -> int:
        """Hand entries over and wait until all are answered; return how many can't be."""
        left = count
        while left or (self._done_tail[0] - self._done_head[0]) & _COUNTER < count:
            done = _libc.syscall(_ENTER, self._descriptor, left, count, _GET_EVENTS, None, 0)
            if done >= 0:
                left -= done  # a signal may have ended the wait for the answers
            elif (number := ctypes.get_errno()) != errno.EINTR:
                self.fault = OSError(number, os.strerror(number))
                break
        return left

    def _answers(self, size: int) -> list[tuple[int, int]]:
        """Return the entries whose sockets did not take all, and what they took."""
        head, tail = self._done_head[0], self._done_tail[0]
        first, count = head & (self._completions - 1), (tail - head) & _COUNTER
        results = self._results[first : first + count].tolist()
        results += self._results[: count - len(results)].tolist()
        short: list[tuple[int, int]] = []
        if results.count(size) != count:
            for number, taken in enumerate(results, head):
                if taken != size:
                    short.append((self._whose[number & (self._completions - 1)], max(taken, 0)))
        self._done_head[0] = tail
        return short

    def _map(self, size: int, where: int) -> memoryview:
        flags = mmap.MAP_SHARED | mmap.MAP_POPULATE
        access = mmap.PROT_READ | mmap.PROT_WRITE
        whole = size + -size % 8  # for views of 8 bytes each
        return memoryview(mmap.mmap(self._descriptor, whole, flags, access, offset=where))


def _set_up() -> tuple[int, tuple[int, ...]]:
    """Make a ring; return its descriptor and what the kernel says of it.

    Raises:
        OSError: The kernel, or a filter in front of it, has none for us, or none that can send.
    """
    if SYSTEM != "linux":  # where these numbers are other calls
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))
    for flags in (_SINGLE_ISSUER | _DEFER_TASKRUN, 0):
        told = ctypes.create_string_buffer(_PARAMETERS.pack(0, 0, flags, *[0] * 25))
        descriptor = _libc.syscall(_SETUP, ENTRIES, told)
        if descriptor >= 0:
            os.set_inheritable(descriptor, False)
            values = _PARAMETERS.unpack_from(told)
            if values[5] & _FAST_POLL:
                return descriptor, values
            os.close(descriptor)
            raise OSError(errno.EOPNOTSUPP, os.strerror(errno.EOPNOTSUPP))
    raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
