"""A ClientSession and a ServerSession, joined in memory.

The bytes between them travel whole, byte by byte, or in pieces of any sizes; there is no clock but
the one the test turns.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import cycle

from tests.defaults import session_settings

from headend.rtmp.client import ClientEvent, ClientSession, ClientSettings
from headend.rtmp.client_requests import Action
from headend.rtmp.events import ConnectCommand, Event, PlayCommand, PublishCommand, Request
from headend.rtmp.session import ServerSession, SessionSettings
from headend.rtmp.url import parse_url

Split = Callable[[bytes], Iterable[bytes]]
Answer = Callable[[ServerSession, Request], None]

CLIENT_FILLER = bytes(1528)
SERVER_FILLER = bytes(3032)


def whole(data: bytes) -> Iterable[bytes]:
    return [data]


def byte_by_byte(data: bytes) -> Iterable[bytes]:
    return [data[i : i + 1] for i in range(len(data))]


def in_pieces(sizes: Sequence[int]) -> Split:
    """Split into pieces of the given sizes, over and over."""

    def split(data: bytes) -> Iterator[bytes]:
        start = 0
        for size in cycle(sizes):
            if start >= len(data):
                return
            yield data[start : start + size]
            start += size

    return split


def accept(server: ServerSession, request: Request) -> None:
    server.accept(request)


def reject(kind: type[Request], code: str, description: str) -> Answer:
    """Refuse requests of one kind, and accept the others."""

    def answer(server: ServerSession, request: Request) -> None:
        if isinstance(request, kind):
            server.reject(request, code, description)
        else:
            server.accept(request)

    return answer


class Pair:
    """A client and a server, and what each has told.

    Attributes:
        now: Seconds, the same for both.
        client_events: All events of the client.
        server_events: All events of the server, requests included.
    """

    def __init__(
        self,
        action: Action,
        url: str = "rtmp://h/live/cam1",
        *,
        split: Split = whole,
        answer: Answer = accept,
        settings: SessionSettings | None = None,
    ) -> None:
        self.now = 0.0
        self._split = split
        self._answer = answer
        self.client = ClientSession(
            ClientSettings(parse_url(url), action, is_enhanced=action == "play"),
            CLIENT_FILLER,
            self.now,
        )
        self.server = ServerSession(settings or session_settings(), SERVER_FILLER, self.now)
        self.client_events: list[ClientEvent] = []
        self.server_events: list[Event] = []

    def run(self) -> None:
        """Carry bytes both ways until neither side has more to send."""
        while True:
            to_server = b"".join(self.client.data_to_send())
            to_client = b"".join(self.server.data_to_send())
            if not to_server and not to_client:
                return
            for piece in self._split(to_server):
                self.server.receive_data(piece, self.now)
                self._take_server_events()
            for piece in self._split(to_client):
                self.client.receive_data(piece, self.now)
                self.client_events += self.client.events()

    def feed_client(self, data: bytes) -> None:
        """Let the client read bytes that the server has not written."""
        for piece in self._split(data):
            self.client.receive_data(piece, self.now)
            self.client_events += self.client.events()

    def _take_server_events(self) -> None:
        while events := self.server.events():
            for event in events:
                self.server_events.append(event)
                if isinstance(event, ConnectCommand | PublishCommand | PlayCommand):
                    self._answer(self.server, event)
