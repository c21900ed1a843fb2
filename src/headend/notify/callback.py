"""Asking a URL of the settings who may publish and play.

    request ─► a free call ─► POST ─┬─► an answer: Allow, Deny, Redirect
                                    ├─► one that is not understood: Deny, and the log says why
                                    └─► silence, or a status from 500 on: `auth.callback_fail`

After several failures in a row nobody is asked for a while (`headend.notify.breaker`), about
publishers and about viewers apart.
"""

import asyncio
import json
import logging
import time
import uuid
from asyncio import AbstractEventLoop
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime
from typing import Final, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from headend.access.checked import DecisionError, checked
from headend.decisions import ACTIONS, AccessRequest, Action, Allow, Decision, Deny, Redirect
from headend.errors import HeadendError
from headend.logs import Repeats, escape
from headend.net.outgoing import Answer, AnswerTooLong, Outgoing
from headend.notify.breaker import FAILURES, PAUSE_S, Breaker
from headend.redaction import redact
from headend.settings import Auth
from headend.webhooks import sign

log = logging.getLogger(__name__)

REFUSED: Final = frozenset({401, 403})  # HTTP statuses that mean no, and nothing else
# What an answer may hold that does not say which decision it is: it allows.
OF_ALLOW: Final = frozenset(
    {
        *("stream", "max_viewers", "max_bit_rate", "max_duration_s", "expires_at", "subject"),
        *("tags", "record"),
    }
)


class CallbackError(HeadendError):
    """There is no answer."""


class _Busy(CallbackError):
    """It was never asked, or not long enough to say that it is silent: too many others were."""


class _NotUnderstood(HeadendError):
    """There is an answer, and it is no decision."""


class _Answer(BaseModel):
    """What the callback may say; see docs/hooks.md."""

    model_config = ConfigDict(strict=True, extra="allow")

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
    record: bool | None = None


class Callback:
    """The URL that is asked who may publish and play; an `Authorizer`.

    Attributes:
        outcomes: How many requests came to what: allow, deny, redirect, not_understood (which
            denies), failed, paused.
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
        self._free = _free_calls(auth)
        self._breakers = _breakers()
        self._failures = Repeats(log, "callback failed")
        self._oddities = Repeats(log, "callback is not understood")
        self.outcomes: Final[Counter[str]] = Counter()

    def configure(self, auth: Auth) -> None:
        """Take settings that changed."""
        if auth.callback_calls != self._auth.callback_calls:
            self._free = _free_calls(auth)
        if auth.callback_url != self._auth.callback_url:
            self._breakers = _breakers()
        self._auth = auth

    @property
    def actions(self) -> Collection[Action]:
        """What it is asked about."""
        return self._auth.callback_actions

    @property
    def is_paused(self) -> bool:
        """It is not asked just now, about all or about some."""
        now = self._loop.time()
        return any(breaker.is_resting(now) for breaker in self._breakers.values())

    async def authorize(self, request: AccessRequest) -> Decision:
        """Ask.

        Raises:
            CallbackError: There is no answer, and `auth.callback_fail` is closed.
        """
        if request.action not in self.actions:
            return Allow()
        breaker = self._breakers[request.action]
        if not breaker.may_ask(request.address, self._loop.time()):
            self.outcomes["paused"] += 1
            return self._fail()
        try:
            decision = await self._ask(request)
        except _NotUnderstood as error:
            self._answered(breaker)
            self.outcomes["not_understood"] += 1
            line = f"callback: {error}; that counts as no"
            self._oddities.add(line, self._loop.time())
            return checked(Deny(""))
        except HeadendError as error:
            self._failed(breaker, request, error)
            return self._fail()
        self._answered(breaker)
        self.outcomes[_outcome(decision)] += 1
        return decision

    async def _ask(self, request: AccessRequest) -> Decision:
        auth = self._auth
        id = str(uuid.uuid4())
        body = _body(request, id, with_credentials=auth.callback_credentials)
        headers = {"Content-Type": "application/json"}
        if secret := auth.callback_secret.get_secret_value():
            headers |= sign(body, secret, id=id, timestamp=int(time.time()))
        answer = await self._call(body, headers, self._free[request.action])
        if answer.status >= 500:
            raise CallbackError(f"HTTP status {answer.status}")
        is_refusal = not 200 <= answer.status < 300
        return self._refusal(answer) if is_refusal else _decision(answer.body)

    async def _call(self, body: bytes, headers: dict[str, str], free: asyncio.Semaphore) -> Answer:
        """Make the call, once one is free.

        Raises:
            CallbackError: There is no answer; `_Busy`, if that does not tell of the backend.
            _NotUnderstood: It is too long.
        """
        began, limit = self._loop.time(), self._auth.callback_timeout_s
        try:
            async with asyncio.timeout(limit):
                await free.acquire()
        except TimeoutError as error:
            text = f"no call was free for {limit:g} s (auth.callback_calls)"
            raise _Busy(text) from error
        left = began + limit - self._loop.time()
        try:
            async with asyncio.timeout(left):
                return await self._outgoing.post(self._auth.callback_url, body, headers, limit)
        except AnswerTooLong as error:
            if 200 <= error.status < 300:
                raise _NotUnderstood(str(error)) from error
            return Answer(error.status, b"")
        except TimeoutError as error:
            kind = _Busy if left < limit / 2 else CallbackError
            raise kind(f"no answer within {limit:g} s") from error
        finally:
            free.release()

    def _refusal(self, answer: Answer) -> Deny:
        """Read an answer whose status means no, with reason and code if it has any."""
        if answer.status not in REFUSED:
            line = f"callback: HTTP status {answer.status}; that counts as no"
            self._oddities.add(line, self._loop.time())
        try:
            said = _Answer.model_validate_json(answer.body)
            decision = checked(Deny(said.reason or "", said.code))
        except (ValidationError, DecisionError):  # a page for people, perhaps
            decision = checked(Deny(""))
        assert isinstance(decision, Deny)
        return decision

    def _fail(self) -> Allow:
        if self._auth.callback_fail == "open":
            return Allow()
        raise CallbackError("the callback could not be asked")

    def _answered(self, breaker: Breaker) -> None:
        if breaker.answered():
            log.info("callback answers again")

    def _failed(self, breaker: Breaker, request: AccessRequest, error: HeadendError) -> None:
        self.outcomes["failed"] += 1
        now = self._loop.time()
        if not isinstance(error, _Busy) and breaker.failed(request.address, now):
            log.error(
                "callback is not asked for %g s: it failed %d times about %s",
                PAUSE_S,
                FAILURES,
                "publishers" if request.action == "publish" else "viewers",
            )
        line = f"callback failed: {error}; auth.callback_fail = {self._auth.callback_fail}"
        self._failures.add(line, now)


def _free_calls(auth: Auth) -> Mapping[Action, asyncio.Semaphore]:
    """Return the calls that may be made: viewers leave those about publishers free."""
    return {action: asyncio.Semaphore(auth.callback_calls) for action in ACTIONS}


def _breakers() -> Mapping[Action, Breaker]:
    return {action: Breaker() for action in ACTIONS}


def _body(request: AccessRequest, id: str, *, with_credentials: bool) -> bytes:
    """Write the question, in the form of a webhook; what is no text for a program is escaped."""
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
    kind = f"authorize.{request.action}"
    question = {"id": id, "type": kind, "timestamp": now, "data": _plain(data)}
    return json.dumps(question, separators=(",", ":")).encode()


def _plain(value: object) -> object:
    """Escape control characters and lone surrogates, which not every reader of JSON takes."""
    if isinstance(value, str):
        return escape(value)
    if isinstance(value, dict):
        return {escape(str(name)): _plain(each) for name, each in value.items()}
    return value


def _decision(body: bytes) -> Decision:
    """Read the body of an answer that is no refusal; an empty one allows.

    Raises:
        _NotUnderstood: It is no decision.
    """
    said = _Answer()
    if body.strip():
        try:
            said = _Answer.model_validate_json(body)
        except ValidationError as error:
            raise _NotUnderstood(_first_fault(error)) from None
    if "decision" not in said.model_fields_set:
        foreign = {*said.model_fields_set, *(said.model_extra or {})} - OF_ALLOW
        if foreign:
            raise _NotUnderstood(f"its answer has no decision, but {escape(min(foreign))[:100]}")
    try:
        return checked(_said(said))
    except DecisionError as error:
        raise _NotUnderstood(f"its answer makes no sense: {error}") from None


def _said(said: _Answer) -> Decision:
    if said.decision == "deny":
        return Deny(said.reason or "", said.code)
    if said.decision == "redirect":
        return Redirect(said.url or "")
    return Allow(
        said.stream,
        said.max_viewers,
        said.max_bit_rate,
        said.max_duration_s,
        said.expires_at,
        said.subject,
        tuple((said.tags or {}).items()),
        said.record,
    )


def _first_fault(error: ValidationError) -> str:
    first: Sequence[object] = error.errors(include_input=False, include_url=False)[0]["loc"]
    where = ".".join(map(str, first))
    where = escape(where)[:100]
    return f"its answer makes no sense{f': {where}' if where else ': it is no JSON object'}"


def _outcome(decision: Decision) -> str:
    if isinstance(decision, Allow):
        return "allow"
    return "deny" if isinstance(decision, Deny) else "redirect"
