"""Who watches with credentials that only so many may use at once.

The credentials are a token, or else whom an authorizer says the viewer is, or else what the viewer
showed. A viewer over RTMP, FLV or WebSocket counts as long as its session lasts; one over HLS,
which has no session, by address and program, until it has asked for nothing for a while.
"""

import time
from collections import OrderedDict
from typing import Final

from headend.access.grant import Grant
from headend.decisions import UNCOUNTED, AccessRequest
from headend.errors import Refusal, Rejected

AWAY_S: Final = 20.0  # without a request an HLS viewer is gone: longer than a segment and a wait
TOKENS: Final = 20_000  # whose HLS viewers are remembered at most


class TokenViewers:
    """The viewers of each token or other credentials; a limiter of the gate."""

    def __init__(self) -> None:
        self._sessions: dict[str, set[Grant]] = {}
        self._askers: OrderedDict[str, dict[tuple[str, str], float]] = OrderedDict()

    def enter(self, request: AccessRequest, grant: Grant) -> None:
        """Count a viewer.

        Raises:
            Rejected: These credentials have reached their limit of viewers.
        """
        id, most = _credentials(grant), grant.max_viewers
        if id is None or most is None or grant.action != "play" or request.protocol == UNCOUNTED:
            return
        now = time.monotonic()
        sessions, askers = self._sessions.get(id, set()), self._askers_of(id, now)
        who = (str(request.address), request.user_agent or "")
        is_asker = not request.has_session
        if not (is_asker and who in askers) and len(sessions) + len(askers) >= most:
            has = "these credentials have" if grant.token_id is None else "this token has"
            raise Rejected(Refusal.TOO_MANY, f"{has} reached the limit of viewers")
        if is_asker:
            askers[who] = now
            self._askers[id] = askers
            self._askers.move_to_end(id)
            if len(self._askers) > TOKENS:
                self._askers.popitem(last=False)
        else:
            self._sessions.setdefault(id, set()).add(grant)

    def leave(self, grant: Grant) -> None:
        """A viewer's session is over."""
        id = _credentials(grant) or ""
        sessions = self._sessions.get(id)
        if sessions is not None:
            sessions.discard(grant)
            if not sessions:
                del self._sessions[id]

    def _askers_of(self, id: str, now: float) -> dict[tuple[str, str], float]:
        """Return the viewers that have asked lately; at most as many as the limit."""
        found = self._askers.get(id, {})
        return {who: at for who, at in found.items() if now - at < AWAY_S}


def _credentials(grant: Grant) -> str | None:
    """Return what the viewers of a grant are counted by; None: nothing tells them from others."""
    if grant.token_id is None and grant.subject is not None:
        return f"subject {grant.subject}"
    return grant.token_id or grant.viewer
