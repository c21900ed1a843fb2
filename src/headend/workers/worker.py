"""One worker, as it sees itself: its number, its ports, its pipe to the supervisor."""

import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from headend.directory.values import Member
from headend.workers.board import Board
from headend.workers.pipe import Pipe


@dataclass(frozen=True, slots=True)
class Worker:
    """One of several processes that serve the same ports.

    Attributes:
        number: From 0 on. Worker 0 does what only one may do, such as telling webhooks.
        count: How many there are.
        member: What it is to the others.
        sockets: Its listening sockets, by listener: rtmp, tls and http; they stay open when it
            ends, for the worker that follows it.
        peers: Its listening sockets for the other workers: rtmp and http.
        pipe: Its end of the pipe to the supervisor.
        board: The page that all workers share.
        secret: Known to the workers of this server alone.
    """

    number: int
    count: int
    member: Member
    sockets: Mapping[str, Sequence[socket.socket]]
    peers: Mapping[str, socket.socket]
    pipe: Pipe
    board: Board
    secret: bytes

    @property
    def is_first(self) -> bool:
        """It does what only one worker may do."""
        return self.number == 0

    def next_number(self) -> int:
        """Return the number of the next session, which no other worker gives out."""
        return self.board.next_number(self.number)

    def __str__(self) -> str:
        return f"worker {self.number}"
