"""A pipe between the supervisor and one worker: messages as JSON, each behind its size.

Neither end ever waits for the other. What the pipe does not take at once waits in memory, up to a
limit; what is over that is lost, and the sender is told, so that it can make it good later.
"""

import json
import socket
import struct
from collections import deque
from typing import Any, Final

from headend.errors import ProtocolError

_SIZE: Final = struct.Struct(">I")
MOST_WAITING: Final = 8 * 1024 * 1024  # bytes that wait to be sent
MOST_MESSAGE: Final = 4 * 1024 * 1024  # bytes of one message
_READ: Final = 256 * 1024  # bytes of one read: what a socket pair holds

Notice = dict[str, Any]


class Pipe:
    """One end of a pipe.

    Attributes:
        lost: Messages that found no room, in all.
    """

    def __init__(self, sock: socket.socket) -> None:
        """Take one end of a socket pair; `close` closes it."""
        sock.setblocking(False)
        self._socket: Final = sock
        self._waiting: Final[deque[bytes]] = deque()
        self._size = 0  # bytes that wait
        self._sent = 0  # of the first that waits
        self._received = bytearray()
        self.lost = 0

    def fileno(self) -> int:
        return self._socket.fileno()

    @property
    def has_backlog(self) -> bool:
        """Something waits until the pipe takes more; then `flush` sends it."""
        return bool(self._waiting)

    def send(self, message: Notice) -> bool:
        """Send a message, now or when there is room.

        Returns:
            False if it is lost: too much waits already, or the message is too large.
        """
        data = json.dumps(message, separators=(",", ":")).encode()
        if len(data) > MOST_MESSAGE or self._size + len(data) > MOST_WAITING:
            self.lost += 1
            return False
        self._waiting.append(_SIZE.pack(len(data)) + data)
        self._size += len(data) + _SIZE.size
        if len(self._waiting) == 1:
            self.flush()
        return True

    def flush(self) -> None:
        """Send what the pipe takes of what waits; the end of the other side shows in `receive`."""
        try:
            while self._waiting:
                self._sent += self._socket.send(memoryview(self._waiting[0])[self._sent :])
                if self._sent == len(self._waiting[0]):
                    self._size -= len(self._waiting.popleft())
                    self._sent = 0
        except (BlockingIOError, InterruptedError):
            pass
        except OSError:
            self._waiting.clear()
            self._size = self._sent = 0

    def receive(self) -> list[Notice]:
        """Return the messages that one read completes.

        Raises:
            EOFError: The other side is gone.
            ProtocolError: What comes is no message; the pipe can't be used any more.
        """
        try:
            data = self._socket.recv(_READ)
        except (BlockingIOError, InterruptedError):
            return []
        except OSError as error:
            raise EOFError from error
        if not data:
            raise EOFError
        self._received += data
        return self._complete()

    def _complete(self) -> list[Notice]:
        messages: list[Notice] = []
        received, start = self._received, 0
        while len(received) - start >= _SIZE.size:
            (size,) = _SIZE.unpack_from(received, start)
            if size > MOST_MESSAGE:
                raise ProtocolError(f"a message of {size} bytes is over the limit of a pipe")
            end = start + _SIZE.size + size
            if len(received) < end:
                break
            messages.append(_parse(received[start + _SIZE.size : end]))
            start = end
        del received[:start]
        return messages

    def close(self) -> None:
        self._socket.close()


def _parse(data: bytearray) -> Notice:
    try:
        message = json.loads(data)
    except ValueError as error:
        raise ProtocolError("what came through a pipe is no JSON") from error
    if not isinstance(message, dict):
        raise ProtocolError("what came through a pipe is no message")
    return message
