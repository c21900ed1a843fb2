"""Asking authorizers, one after the other, about what keys, tokens and settings have granted."""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from headend.access.grant import Grant, narrowed
from headend.decisions import AccessRequest, Allow, Authorizer, Deny, Redirect, is_asked
from headend.errors import HeadendError, Refusal, Rejected


async def ask(
    authorizers: Iterable[Authorizer], request: AccessRequest, grant: Grant
) -> Sequence[Allow]:
    """Return what each authorizer allows; each sees what the one before made of the grant.

    Raises:
        Rejected: One refuses, or could not be asked.
    """
    answer: list[Allow] = []
    for authorizer in tuple(authorizers):
        if not is_asked(authorizer, request.action):
            continue
        try:
            decision = await authorizer.authorize(shown(request, grant))
        except Rejected:
            raise
        except HeadendError as error:
            text = "it could not be asked whether this is allowed; try again in a moment"
            raise Rejected(Refusal.UNDECIDED, text) from error
        match decision:
            case Allow():
                answer.append(decision)
                grant = narrowed(grant, decision)
            case Deny():
                raise Rejected(Refusal.DENIED, decision.reason, code=decision.code or "")
            case Redirect():
                url = decision.url
                raise Rejected(Refusal.ELSEWHERE, f"ask {url} for it", url=url)
    return answer


def shown(request: AccessRequest, grant: Grant) -> AccessRequest:
    """Return a request as authorizers see it."""
    return replace(request, path=grant.path, key_id=grant.key_id, subject=grant.subject)
