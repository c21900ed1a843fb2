"""Notes in the audit trail: who did what over the API, and who was not let in."""

from time import time
from typing import Final

from aiohttp import web

from headend.http import access
from headend.http.problems import Problem
from headend.live.services import Services
from headend.logs import shown
from headend.redaction import redact
from headend.store.recorder import Recorder
from headend.store.records import AuditEntry, Outcome

# What a handler may put into its request: what was done something to, where its path does not say.
TARGET: Final = web.RequestKey("audit_target", str)
SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS"})

BY_TOKEN: Final = "admin token"
BY_BROWSER: Final = "console"
# What has let a request in, once something has; never what the request says of itself.
ACTOR: Final = web.RequestKey("audit_actor", str)


def note_request(
    services: Services, request: web.Request, action: str, problem: Problem | None = None
) -> None:
    """Note that a request changed something, or failed to.

    Args:
        services: Services of the server; their recorder takes the note.
        request: The request, which was let in; its ACTOR says who sent it.
        action: Action of its route, such as `session.kick`.
        problem: The answer to a request that failed; None: it was done.
    """
    _note(
        services,
        request,
        request[ACTOR],
        action,
        request.get(TARGET) or " ".join(request.match_info.values()),
        "done" if problem is None else "failed",
        "" if problem is None else str(problem),
    )


def note_refused(services: Services, request: web.Request, action: str, problem: Problem) -> None:
    """Note that a request was not let in, by itself or as a part of a sum: see `Notes`."""
    peer = access.peer_of(services, request)
    what = f"http {peer} {action} refused: {shown(str(problem))}"
    if not services.notes.may_write("refusal", peer.address, what):
        return
    _note(services, request, "", action, "", "refused", str(problem))


def _note(
    services: Services,
    request: web.Request,
    actor: str,
    action: str,
    target: str,
    outcome: Outcome,
    detail: str,
) -> None:
    # Whoever mixes up the key and its id puts the key into the address.
    target, detail = redact(target), redact(detail)
    address = access.peer_of(services, request).shown_address
    entry = AuditEntry(time(), actor, action, target, address, outcome, detail)
    services.features[Recorder].note(entry)
