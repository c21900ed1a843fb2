"""This module asks a URL of the settings who may publish and play.

    request ─► a free call ─► POST ─► answer ─┬─► Allow, Deny, Redirect
                                              └─► none that makes sense: `auth.callback_fail`

After several failures in a row nobody is asked for a while: a backend that is down is not made
busier, and nobody waits for it.
"""

import asyncio
import json
import logging
import time
import uuid
from asyncio import AbstractEventLoop
from collections import Counter
from collections.abc import Collection, Sequence
from datetime import UTC, datetime
from typing import Final, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from headend.access.checked import checked
from headend.access.decisions import AccessRequest, Action, Allow, Decision, Deny, Redirect
from headend.errors import HeadendError
from headend.server.outgoing import Answer, Outgoing
from headend.server.redaction import redact
from headend.settings import Auth
from headend.webhooks import sign

log = logging.getLogger(__name__)

FAILURES: Final = 5  # in a row, until nobody is asked …
PAUSE_S: Final = 10.0  # … for so long; then one request is asked about
REPORT_S: Final = 60.0  # between two lines on failures
REFUSED: Final = frozenset({401, 403})  # HTTP statuses that mean no


class CallbackError(HeadendError):
    """There is no answer that makes sense."""


class _Answer(BaseModel):
    """What the callback may say; see docs/hooks.md."""

    model_config = ConfigDict(strict=True, extra="ignore")

    decision: Literal["allow", "deny", "redirect"] = "allow"
    reason: str | None = None
    code: str | None = None
    url: str | None = None
    stream: str | None = None
    max_viewers: int | None = None
    max_bit_rate: int | None = None
    max_duration_s: float | None = None
    expires_at: float | None = None
    subject: str | None = None
    tags: dict[str, str] | None = None


class Callback:
    """See the module's head; an `Authorizer`.

    Attributes:
        outcomes: How many requests came to what: allow, deny, redirect, failed, paused.
    """

    def __init__(self, loop: AbstractEventLoop, auth: Auth, outgoing: Outgoing) -> None:
        """Prepare.

        Args:
            loop: The running loop.
            auth: Settings; `callback_url` is not empty.
            outgoing: Makes the calls.
        """
        self._loop = loop
        self._auth = auth
        self._outgoing = outgoing
        self._free = asyncio.Semaphore(auth.callback_calls)
        self._in_a_row = 0
        self._again_at = 0.0
        self._reported_at = -REPORT_S
        self.outcomes: Final[Counter[str]] = Counter()

    def configure(self, auth: Auth) -> None:
        """Take settings that changed."""
        if auth.callback_calls != self._auth.callback_calls:
            self._free = asyncio.Semaphore(auth.callback_calls)
        if auth.callback_url != self._auth.callback_url:
            self._in_a_row = 0
        self._auth = auth

    @property
    def actions(self) -> Collection[Action]:
        """What it is asked about."""
        return self._auth.callback_actions

    @property
    def is_paused(self) -> bool:
        """Nobody is asked just now."""
        return self._in_a_row >= FAILURES and self._loop.time() < self._again_at

    async def authorize(self, request: AccessRequest) -> Decision:
        """Ask.

        Raises:
            CallbackError: There is no answer, and `auth.callback_fail` is closed.
        """
        auth = self._auth
        if request.action not in auth.callback_actions:
            return Allow()
        if self.is_paused:
            self.outcomes["paused"] += 1
            return self._fail()
        if self._in_a_row >= FAILURES:  # this one finds out; the others do not wait for it
            self._again_at = self._loop.time() + PAUSE_S
        try:
            decision = await self._ask(request)
        except HeadendError as error:
            self._failed(error)
            return self._fail()
        if self._in_a_row >= FAILURES:
            log.info("callback answers again")
        self._in_a_row = 0
        self.outcomes[_outcome(decision)] += 1
        return decision

    async def _ask(self, request: AccessRequest) -> Decision:
        auth = self._auth
        timeout_s = auth.callback_timeout_s
        id = str(uuid.uuid4())
        body = _body(request, id, with_credentials=auth.callback_credentials)
        headers = {"Content-Type": "application/json"}
        if secret := auth.callback_secret.get_secret_value():
            headers |= sign(body, secret, id=id, timestamp=int(time.time()))
        try:
            async with asyncio.timeout(timeout_s), self._free:
                answer = await self._outgoing.post(auth.callback_url, body, headers, timeout_s)
        except TimeoutError as error:
            raise CallbackError(f"no answer within {timeout_s:g} s") from error
        return _decision(answer)

    def _fail(self) -> Allow:
        if self._auth.callback_fail == "open":
            return Allow()
        raise CallbackError("the callback could not be asked")

    def _failed(self, error: HeadendError) -> None:
        self.outcomes["failed"] += 1
        now = self._loop.time()
        self._in_a_row += 1
        self._again_at = now + PAUSE_S
        if self._in_a_row == FAILURES:
            log.error("callback is not asked for %g s: it failed %d times", PAUSE_S, FAILURES)
        if now - self._reported_at >= REPORT_S:
            self._reported_at = now
            log.error(
                "callback failed: %s; auth.callback_fail = %s", error, self._auth.callback_fail
            )


def _body(request: AccessRequest, id: str, *, with_credentials: bool) -> bytes:
    """Write the question, in the form of a webhook."""
    data: dict[str, object] = {
        "action": request.action,
        "stream": request.path,
        "app": request.app,
        "name": request.name,
        "address": None if request.address is None else str(request.address),
        "protocol": request.protocol,
        "is_secure": request.is_secure,
        "session": request.session,
        "user_agent": redact(request.user_agent or ""),
        "key_id": request.key_id,
        "subject": request.subject,
        "certificate": request.certificate,
    }
    if with_credentials:
        data |= {"key": request.key, "token": request.token, "query": dict(request.query)}
    now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    question = {"id": id, "type": f"authorize.{request.action}", "timestamp": now, "data": data}
    return json.dumps(question, separators=(",", ":")).encode()


def _decision(answer: Answer) -> Decision:
    """Read an answer.

    Raises:
        HeadendError: It makes no sense.
    """
    is_refusal = answer.status in REFUSED
    if not (200 <= answer.status < 300 or is_refusal):
        raise CallbackError(f"HTTP status {answer.status}")
    said = _Answer()
    if answer.body.strip():
        try:
            said = _Answer.model_validate_json(answer.body)
        except ValidationError as error:
            if not is_refusal:  # a page for people, then
                raise CallbackError(_first_fault(error)) from None
    if is_refusal or said.decision == "deny":
        return checked(Deny(said.reason or "", said.code))
    if said.decision == "redirect":
        return checked(Redirect(said.url or ""))
    return checked(
        Allow(
            said.stream,
            said.max_viewers,
            said.max_bit_rate,
            said.max_duration_s,
            said.expires_at,
            said.subject,
            tuple((said.tags or {}).items()),
        )
    )


def _first_fault(error: ValidationError) -> str:
    first: Sequence[object] = error.errors(include_input=False, include_url=False)[0]["loc"]
    where = ".".join(map(str, first))
    return f"its answer makes no sense{f': {where}' if where else ': it is no JSON object'}"


def _outcome(decision: Decision) -> str:
    if isinstance(decision, Allow):
        return "allow"
    return "deny" if isinstance(decision, Deny) else "redirect"
