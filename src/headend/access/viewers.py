"""Who watches with credentials that only so many may use at once.

The credentials are a token, or else whom an authorizer says the viewer is, or else what the viewer
showed. A viewer over HLS counts once, by address and program, however many streams it looks at.
"""

from collections.abc import Hashable

from headend.access.grant import Grant
from headend.decisions import AccessRequest
from headend.errors import Refusal, Rejected


class TokenViewers:
    """The viewers of each token or other credentials; a limiter of the gate."""

    def __init__(self) -> None:
        self._viewers: dict[str, dict[Grant, Hashable]] = {}

    def enter(self, request: AccessRequest, grant: Grant) -> None:
        """Count a viewer.

        Raises:
            Rejected: These credentials have reached their limit of viewers.
        """
        id, most = _credentials(grant), grant.max_viewers
        if id is None or most is None or grant.action != "play":
            return
        viewers = self._viewers.get(id, {})
        who = grant if request.has_session else (request.address, request.user_agent)
        others = set(viewers.values()) - {who}
        if len(others) >= most:
            has = "these credentials have" if grant.token_id is None else "this token has"
            raise Rejected(Refusal.TOO_MANY, f"{has} reached the limit of viewers")
        viewers[grant] = who
        self._viewers[id] = viewers

    def leave(self, grant: Grant) -> None:
        """A viewer's session is over."""
        id = _credentials(grant) or ""
        viewers = self._viewers.get(id)
        if viewers is not None:
            viewers.pop(grant, None)
            if not viewers:
                del self._viewers[id]


def _credentials(grant: Grant) -> str | None:
    """Return what the viewers of a grant are counted by; None: nothing tells them from others."""
    if grant.token_id is None and grant.subject is not None:
        return f"subject {grant.subject}"
    return grant.token_id or grant.viewer
