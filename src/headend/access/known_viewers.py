"""What authorizers said of viewers without a session, who send several requests a second.

An answer holds for exactly what was asked: whoever differs in anything that authorizers are shown
is asked about anew. Monotonic seconds throughout.
"""

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, fields
from hashlib import blake2b
from typing import Final

from headend.decisions import AccessRequest, Allow

AWAY_S: Final = 20.0  # without a request a viewer is gone: longer than a segment and a wait
ASK_AGAIN_S: Final = 10.0  # after which an answer is old
VIEWERS: Final = 50_000  # remembered at most; the one away longest is forgotten first
DIGEST_BYTES: Final = 16

_SHOWN: Final = tuple(each.name for each in fields(AccessRequest) if each.name != "query")


@dataclass(slots=True)
class _Known:
    """One viewer: since when it watches, when it asked last, and the newest answer."""

    since: float
    used: float
    until: float
    answer: Sequence[Allow]


class KnownViewers:
    """Answers about viewers without a session."""

    def __init__(self) -> None:
        self._known: OrderedDict[str, _Known] = OrderedDict()

    def __len__(self) -> int:
        return len(self._known)

    def answer(self, question: str, now: float) -> Sequence[Allow] | None:
        """Return what was said of exactly this question lately; None: it must be asked."""
        known = self._find(question, now)
        return None if known is None or now >= known.until else known.answer

    def since(self, question: str, now: float) -> float:
        """Return since when a viewer watches: now, if it is new or was away."""
        known = self._find(question, now)
        return now if known is None else known.since

    def note(self, question: str, answer: Sequence[Allow], now: float, ends_at: float) -> None:
        """Remember an answer, at most until what it grants ends."""
        until = min(now + ASK_AGAIN_S, ends_at)
        self._known[question] = _Known(self.since(question, now), now, until, answer)
        if len(self._known) > VIEWERS:
            self._known.popitem(last=False)

    def _find(self, question: str, now: float) -> _Known | None:
        while self._known and now - next(iter(self._known.values())).used >= AWAY_S:
            self._known.popitem(last=False)
        known = self._known.get(question)
        if known is not None:
            known.used = now
            self._known.move_to_end(question)
        return known


def question_digest(asked: AccessRequest) -> str:
    """Return what stands for all that authorizers are shown of a request."""
    values = tuple(getattr(asked, name) for name in _SHOWN)
    return _digest((values, sorted(asked.query.items())))


def credentials_digest(request: AccessRequest) -> str | None:
    """Return what tells the credentials of a peer from others; None: it has shown none."""
    shown = (request.key, request.token, sorted(request.query.items()))
    return _digest(shown) if any(shown) else None


def _digest(value: object) -> str:
    return blake2b(repr(value).encode(), digest_size=DIGEST_BYTES).hexdigest()
