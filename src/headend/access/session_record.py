"""What the events bus is told of publishes and plays: start, end, and those refused."""

import logging
import uuid
from time import time
from typing import TYPE_CHECKING, Final, Protocol, Self

from headend.access.grant import Grant
from headend.decisions import AccessRequest
from headend.errors import Refusal, Rejected
from headend.events import Action, RequestRefused, SessionEnded, SessionStarted, Tags
from headend.logs import shown
from headend.rtmp.refusals import told_code

if TYPE_CHECKING:
    from headend.net.notes import Kind
    from headend.net.peer import Peer
    from headend.net.runtime import Runtime
    from headend.net.tls_facts import TlsFacts

log = logging.getLogger(__name__)


class Client(Protocol):
    """Who publishes or watches, over whatever protocol."""

    @property
    def id(self) -> int:
        """Number of the session, from 1 on."""

    @property
    def protocol(self) -> str:
        """rtmp, rtmps, http-flv, https-flv, ws-flv or wss-flv."""

    @property
    def peer(self) -> "Peer":
        """Where it comes from."""

    @property
    def user_agent(self) -> str:
        """What it calls itself."""

    @property
    def tls(self) -> "TlsFacts | None":
        """What its TLS handshake agreed on, if there was one."""


class SessionRecord:
    """One publish or play; made when a request is granted, and ended once.

    Attributes:
        started: The event that tells of it.
        is_noted: It is told of, and written. Of plays only so many of an address are, see `Notes`;
            of publishes more are not granted.
    """

    __slots__ = ("_began", "_is_over", "_label", "_runtime", "is_noted", "started")

    def __init__(
        self,
        runtime: "Runtime",
        action: Action,
        stream: str,
        peer: "Peer",
        *,
        protocol: str,
        session: int | None = None,
        user_agent: str = "",
        key_id: str | None = None,
        subject: str | None = None,
        tags: Tags = (),
    ) -> None:
        """Tell that it starts; see `SessionEvent` for the arguments."""
        self._runtime = runtime
        self._began = runtime.loop.time()
        self._is_over = False
        self.started: Final = SessionStarted(
            time=time(),
            id=str(uuid.uuid4()),
            session=session,
            action=action,
            stream=stream,
            protocol=protocol,
            address=peer.shown_address,
            user_agent=shown(user_agent),
            key_id=key_id,
            subject=subject,
            tags=tags,
        )
        self._label = f"{protocol} {peer} {action} {shown(stream)}"
        self.is_noted: Final = action == "publish" or runtime.notes.may_write(
            "session", peer.address, self._label
        )
        if self.is_noted:
            runtime.events.emit(self.started)

    @classmethod
    def of(cls, runtime: "Runtime", grant: Grant, client: Client) -> Self:
        """Tell that a client begins to use a grant."""
        return cls(
            runtime,
            grant.action,
            grant.path,
            client.peer,
            protocol=client.protocol,
            session=client.id,
            user_agent=client.user_agent,
            key_id=grant.key_id,
            subject=grant.subject,
            tags=grant.tags,
        )

    def accepted(self, how: str, tls: "TlsFacts | None") -> None:
        """Log that it begins, and how it is secured."""
        self.say(f" {how}" if tls is None else f" {how} {shown(str(tls))}")

    def say(self, became: str, level: int = logging.INFO) -> None:
        """Log what becomes of it; `became` follows its name at once."""
        if self.is_noted:
            log.log(level, "%s%s", self._label, became)

    def end(self, size: int, reason: str) -> None:
        """Tell that it is over; only the first call counts.

        Args:
            size: Bytes of media published, or given to the viewer.
            reason: For people.
        """
        if self._is_over or not self.is_noted:
            return
        self._is_over = True
        started, runtime = self.started, self._runtime
        runtime.events.emit(
            SessionEnded(
                time=time(),
                id=started.id,
                session=started.session,
                action=started.action,
                stream=started.stream,
                protocol=started.protocol,
                address=started.address,
                user_agent=started.user_agent,
                key_id=started.key_id,
                subject=started.subject,
                tags=started.tags,
                bytes=size,
                duration_s=round(runtime.loop.time() - self._began, 3),
                reason=reason,
            )
        )


def note_refusal(runtime: "Runtime", asked: AccessRequest, peer: "Peer", rejected: Rejected) -> str:
    """Count a refusal, and have the log and the bus know of it.

    Returns:
        The code that log and bus tell, which is RTMP's whatever the protocol.
    """
    runtime.counters.rejected += 1
    code = told_code(rejected, asked.action)
    line = f"{asked.protocol} {peer} {asked.action} {shown(asked.path)} refused: "
    line += f"{shown(rejected.description)} ({code})"
    if rejected.hint:
        line += f"; {rejected.hint}"
    kind: Kind = "shut out" if rejected.refusal is Refusal.SHUT_OUT else "refusal"
    if runtime.notes.fault(peer, line, kind=kind):
        runtime.events.emit(
            RequestRefused(
                time=time(),
                action=asked.action,
                stream=asked.path,
                protocol=asked.protocol,
                address=peer.shown_address,
                code=code,
                reason=rejected.description,
                session=asked.session,
                user_agent=shown(asked.user_agent or ""),
                key_id=rejected.key_id,
            )
        )
    return code
