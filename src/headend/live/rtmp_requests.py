"""The requests of an RTMP peer, taken to the gate, and the answers to them.

    ConnectCommand ─► user and password, where they are wanted ─┐
    PublishCommand, PlayCommand ─► the gate, now or later ──────┴─► accept or reject

Nothing else of the connection waits meanwhile.
"""

import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Final, Protocol

from headend.access.gate import Grant
from headend.access.session_record import note_refusal
from headend.decisions import AccessRequest, Action
from headend.errors import Refusal, Rejected
from headend.live.decisions import Decisions
from headend.live.on_demand import Stored, StoredStreams
from headend.live.peer_streams import Connection, PeerStreams
from headend.live.rtmp_sign_in import CONNECTION, sign_in, why_rejected
from headend.live.services import Services
from headend.logs import shown
from headend.rtmp.events import ConnectCommand, PlayCommand, PublishCommand
from headend.rtmp.refusals import CONNECT_REJECTED
from headend.rtmp.session import ServerSession


class Asker(Connection, Protocol):
    """The RTMP connection whose requests are answered."""

    def answer_late(self, answer: Callable[[float], None]) -> None:
        """Give an answer that had to be waited for, and go on; `answer` takes the time."""


class Requests:
    """Requests of one connection, until they are answered."""

    __slots__ = ("_asker", "_decisions", "_key_id", "_services", "_session", "_streams")

    def __init__(
        self, services: Services, asker: Asker, streams: PeerStreams, session: ServerSession
    ) -> None:
        self._services: Final = services
        self._asker = asker
        self._streams: Final = streams
        self._session: Final = session
        self._decisions: Final = Decisions(services.loop, services.undecided)
        self._key_id: str | None = None  # of the key that the peer has proved to hold

    def __len__(self) -> int:
        """Return how many requests wait for an answer."""
        return len(self._decisions)

    def cancel(self, stream_id: int) -> None:
        """Drop the request of a message stream: the peer wants no answer any more."""
        self._decisions.cancel(stream_id)

    def cancel_all(self) -> None:
        """Drop all requests, because the peer is gone."""
        self._decisions.cancel_all()

    def let_go(self) -> None:
        """Drop the reference to the connection, which is gone and refers to this object."""
        del self._asker

    # ------------------------------------------------------------------ connect

    def connect(self, request: ConnectCommand) -> None:
        """Accept a connect, or have it wait for the check of user and password."""
        question = sign_in(self._services, request, self._asker.peer)
        if question is None:
            self._session.accept(request)
            return

        def answer(result: str | Rejected) -> None:
            self._asker.answer_late(partial(self._connected, request, result))

        self._decisions.ask(CONNECTION, question, answer)

    def _connected(self, request: ConnectCommand, result: str | Rejected, now: float) -> None:
        if isinstance(result, Rejected):
            line = f"{self._label} connect refused: {shown(why_rejected(result))}"
            self._services.notes.fault(self._asker.peer, line, logging.INFO)
            self._session.reject(request, CONNECT_REJECTED, result.description)
        else:
            self._key_id = result
            self._session.accept(request)

    # ------------------------------------------------------------------ publish and play

    def ask(self, request: PublishCommand | PlayCommand, now: float) -> None:
        """Have the gate decide: at once if it can, else the request waits."""
        gate = self._services.gate
        asked = self._access_request(request)
        if isinstance(request, PlayCommand):
            libraries = [
                each
                for each in self._services.features
                if isinstance(each, StoredStreams) and each.is_asked(asked.path, request.start_ms)
            ]
            if libraries:
                self._ask_stored(libraries, request, asked)
                return
        try:
            if self._services.sessions.is_stopping:
                raise Rejected(Refusal.STOPPING, "the server is stopping")
            grant = gate.decide_now(asked)
        except Rejected as rejected:
            self._reject(request, asked, rejected)
            return
        if grant is not None:
            self._grant(request, asked, grant, now)
            return
        self._session.defer(request)

        def answer(result: Grant | Rejected) -> None:
            self._asker.answer_late(partial(self._decided, request, asked, result))

        self._decisions.ask(request.stream_id, gate.decide(asked), answer)

    def _ask_stored(
        self, libraries: Sequence[StoredStreams], request: PlayCommand, asked: AccessRequest
    ) -> None:
        """Look for something stored, and have the gate decide about that, or what is live."""
        self._session.defer(request)

        def answer(result: tuple[Grant, Stored | None] | Rejected) -> None:
            self._asker.answer_late(partial(self._found, request, asked, result))

        question = self._decide_stored(libraries, request, asked)
        self._decisions.ask(request.stream_id, question, answer)

    async def _decide_stored(
        self, libraries: Sequence[StoredStreams], request: PlayCommand, asked: AccessRequest
    ) -> tuple[Grant, Stored | None]:
        if self._services.sessions.is_stopping:
            raise Rejected(Refusal.STOPPING, "the server is stopping")
        stored = None
        for library in libraries:
            stored = stored or await library.find(asked.path, request.start_ms)
        if stored is not None:
            asked = replace(asked, path=stored.stream)
        grant = await self._services.gate.decide(asked)
        if stored is not None and grant.path != stored.stream:
            self._services.gate.leave(grant)
            raise Rejected(Refusal.DENIED, "you may watch another stream in place of this one")
        return grant, stored

    def _found(
        self,
        request: PlayCommand,
        asked: AccessRequest,
        result: tuple[Grant, Stored | None] | Rejected,
        now: float,
    ) -> None:
        if isinstance(result, Rejected):
            self._reject(request, asked, result)
            return
        grant, stored = result
        if stored is None:
            self._grant(request, asked, grant, now)
        else:
            self._streams.granted_stored(request, grant, stored)

    def _access_request(self, request: PublishCommand | PlayCommand) -> AccessRequest:
        action: Action = "publish" if isinstance(request, PublishCommand) else "play"
        target = request.target
        asker = self._asker
        return AccessRequest(
            action,
            target.path,
            asker.peer.address,
            target.key,
            target.token,
            is_secure=asker.tls is not None,
            certificate=None if asker.tls is None else asker.tls.client_certificate,
            key_id=self._key_id if action == "publish" and target.key is None else None,
            protocol=asker.protocol,
            user_agent=asker.user_agent,
            session=asker.id,
            is_bare=target.is_bare,
            query=target.query,
            is_unknown=asker.peer.is_unknown,
        )

    def _decided(
        self,
        request: PublishCommand | PlayCommand,
        asked: AccessRequest,
        result: Grant | Rejected,
        now: float,
    ) -> None:
        if isinstance(result, Rejected):
            self._reject(request, asked, result)
        else:
            self._grant(request, asked, result, now)

    def _grant(
        self,
        request: PublishCommand | PlayCommand,
        asked: AccessRequest,
        grant: Grant,
        now: float,
    ) -> None:
        """Do what was granted; the hub may refuse it still."""
        try:
            self._streams.granted(request, grant, now)
        except Rejected as rejected:
            self._services.gate.leave(grant)
            self._reject(request, asked, rejected)

    def _reject(
        self, request: PublishCommand | PlayCommand, asked: AccessRequest, rejected: Rejected
    ) -> None:
        code = note_refusal(self._services.runtime, asked, self._asker.peer, rejected)
        redirect = rejected.url if rejected.url.startswith(("rtmp://", "rtmps://")) else ""
        self._session.reject(request, code, rejected.description, redirect)

    @property
    def _label(self) -> str:
        return f"{self._asker.protocol} {self._asker.peer}"
