"""This module is the gate: every request to publish or to play passes it, and it alone decides.

    ban ─► address lists ─► TLS, mode ─► key or token ─► authorizers ─► limits ─► Grant

What settings alone decide is answered at once; what a database, a callback or a hook must be asked
about is awaited, and stalls nobody else. A grant that ends (its key is revoked or expires, its
token expires, its time is over) ends the session that holds it.
"""

import time
from asyncio import AbstractEventLoop, TimerHandle, sleep
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import Final, Protocol, TypeVar

from headend import events
from headend.access.decisions import AccessRequest, Allow, Authorizer, Deny, Redirect
from headend.access.guard import Guard
from headend.access.known_keys import KnownKeys
from headend.access.policy import DENIED, Policy, code_of
from headend.access.pseudonyms import shown_address
from headend.access.publish_key import PublishKey
from headend.access.tokens import TokenRefused, Tokens
from headend.access.viewers import TokenViewers
from headend.errors import HeadendError, Rejected

T = TypeVar("T", int, float)

NEVER: Final = float("inf")
REVOKED: Final = "the publish key was revoked"

DELAYED: Final = 1000  # answers that wait at once, a connection each; more are given at once


@dataclass(frozen=True, slots=True, eq=False)
class Grant:
    """The right to publish or play one stream, for one session.

    Attributes:
        path: `APP/NAME` that is published or played.
        action: publish or play.
        key_id: Publish key that it rests on.
        token_id: Token that it rests on.
        holder: Who holds the name when it is published: the same one may take it over. It never
            shows a secret.
        priority: Of the publishers of a stream the highest is on air; the others stand by.
        subject: Whom the key or token was made for, or who an authorizer says it is.
        expires_at: Unix seconds; None: never.
        max_viewers: Of the stream (publish), or of the token (play).
        max_bit_rate: Of a publisher, bit/s.
        max_duration_s: From now on.
        tags: From an authorizer.
        ends_at: The earlier of both times, monotonic seconds; infinite: never.
    """

    path: str
    action: events.Action
    key_id: str | None = None
    token_id: str | None = None
    holder: str | None = field(default=None, repr=False)
    priority: int = 0
    subject: str | None = None
    expires_at: float | None = None
    max_viewers: int | None = None
    max_bit_rate: int | None = None
    max_duration_s: float | None = None
    tags: tuple[tuple[str, str], ...] = ()
    ends_at: float = NEVER

    @property
    def is_bound(self) -> bool:
        """Say whether the gate may have to end it."""
        return (
            self.action == "publish"  # which limits may end
            or self.key_id is not None
            or self.token_id is not None
            or self.ends_at != NEVER
        )


class Redirected(Rejected):
    """Refused, because it is to be had elsewhere.

    Attributes:
        url: Where.
    """

    def __init__(self, code: str, url: str) -> None:
        super().__init__(code, f"ask {url} for it")
        self.url: Final = url


class ShutOut(Rejected):
    """Refused unheard, for too many wrong keys, tokens or passwords; it may come in floods."""


class Check(Protocol):
    """Has a say before anything else is looked at, such as a list of addresses."""

    def check(self, request: AccessRequest) -> None:
        """Return if the request may go on.

        Raises:
            Rejected: It may not.
        """


class Limiter(Protocol):
    """Has a say in what everybody else has granted, and counts it."""

    def enter(self, request: AccessRequest, grant: Grant) -> None:
        """Count a grant.

        Raises:
            Rejected: There are too many; nothing was counted.
        """

    def leave(self, grant: Grant) -> None:
        """A grant is over; called once for each that was counted."""


class _Wrong(Rejected):
    """A key, token or password that nobody was given."""


End = Callable[[str, str], None]  # takes the code and the reason


class Gate:
    """See the module's head.

    Attributes:
        policy: What the settings say; replaced on reload.
        checks: Asked first.
        authorizers: Asked about what keys, tokens and settings grant, in order.
        limiters: Asked last.
    """

    def __init__(
        self,
        loop: AbstractEventLoop,
        policy: Policy,
        tokens: Tokens,
        keys: KnownKeys,
        guard: Guard,
        bus: events.Events,
    ) -> None:
        """Make a gate.

        Args:
            loop: The running loop.
            policy: What the settings say.
            tokens: Checks tokens.
            keys: Checks publish keys.
            guard: Slows down who guesses.
            bus: Told of keys that are used.
        """
        self._loop = loop
        self._bus = bus
        self._tokens = tokens
        self._keys = keys
        self._delayed = 0
        self._entered: set[Grant] = set()
        self._live: dict[Grant, tuple[End, TimerHandle | None]] = {}
        self.guard: Final = guard
        self.policy = policy
        self.checks: list[Check] = []
        self.authorizers: list[Authorizer] = []
        self.viewers: Final = TokenViewers()
        self.limiters: list[Limiter] = [self.viewers]

    # ------------------------------------------------------------------ decisions

    def decide_now(self, request: AccessRequest) -> Grant | None:
        """Grant a request about which nobody must be asked; None: `decide` must be awaited.

        Raises:
            Rejected: It is refused.
        """
        if self.authorizers:
            return None
        try:
            grant = self._by_settings(request)
            if grant is not None:
                self._enter(request, grant)
            return grant
        except _Wrong:
            return None  # its answer may have to wait

    async def decide(self, request: AccessRequest) -> Grant:
        """Decide on a request; `leave` follows once what is granted is over, or never began.

        Raises:
            Rejected: It is refused.
        """
        try:
            grant = self._by_settings(request)
            if grant is None:
                grant = await self._by_key(request)
            grant = await self._authorize(request, grant)
            self._enter(request, grant)
            return grant
        except _Wrong:
            await self.wrong(request)
            raise

    async def wrong(self, request: AccessRequest) -> None:
        """Count a wrong key, token or password, and have its answer wait as long as it must."""
        if request.is_local:
            return  # all who come through a proxy on this machine would pay
        delay = self.guard.wrong(request.address, self._loop.time())
        if delay and self._delayed < DELAYED:
            self._delayed += 1
            try:
                await sleep(delay)
            finally:
                self._delayed -= 1

    def _by_settings(self, request: AccessRequest) -> Grant | None:
        """Decide where no key must be looked up."""
        for check in self.checks:
            check.check(request)
        policy = self.policy
        policy.check_tls(request)
        if request.action == "play":
            if not policy.is_private(request.path):
                return Grant(request.path, "play")
            self.check_ban(request)
            return self._by_token(request)
        if policy.shows_key(request):
            self.check_ban(request)
            return None
        if request.token is not None and not policy.is_free(request):
            self.check_ban(request)
            return self._by_token(request)
        policy.check_publish(request)
        return Grant(request.path, "publish", holder=policy.holder_of(request))

    def check_ban(self, request: AccessRequest) -> None:
        """Return if the address is not shut out.

        Raises:
            ShutOut: It is, for too many wrong keys, tokens or passwords.
        """
        if not request.is_local and self.guard.banned_s(request.address, self._loop.time()):
            raise ShutOut(
                code_of(request.action),
                "too many wrong keys, tokens or passwords came from this address; try again later",
            )

    def _by_token(self, request: AccessRequest) -> Grant:
        now = time.time()
        try:
            token = self._tokens.check(
                request.token, request.action, request.path, request.address, now
            )
        except TokenRefused as refused:
            kind = _Wrong if refused.reason == "invalid" else Rejected
            raise kind(code_of(request.action), str(refused)) from None
        if token.network is not None and request.is_unknown:
            raise Rejected(code_of(request.action), str(TokenRefused("address")))
        return self._timed(
            Grant(
                request.path,
                request.action,
                token_id=token.id,
                holder=f"token:{token.id}",
                subject=token.subject or None,
                expires_at=token.expires_at,
                max_viewers=token.viewers,
            )
        )

    async def _by_key(self, request: AccessRequest) -> Grant:
        """Look a publish key up."""
        try:
            if request.key_id is not None:
                key = await self._keys.get(request.key_id)
            else:
                assert request.key is not None
                key = await self._keys.find(request.key)
        except HeadendError as error:
            if self.policy.is_free(request) and not request.is_bare:
                proved = request.key_id
                holder = self.policy.holder_of(request) if proved is None else f"key:{proved}"
                return Grant(request.path, "publish", holder=holder)
            raise Rejected(
                DENIED, "keys cannot be checked just now; try again in a moment"
            ) from error
        if key is None:
            raise _Wrong(DENIED, "the publish key is not valid")
        try:
            path = self._check_key(request, key)
        except Rejected as rejected:
            rejected.key_id = key.id
            raise
        address = shown_address(request.address)
        place = "unix" if request.address is None else address or "-"
        self._keys.note_use(key.id, place, time.time())
        self._bus.emit(
            events.KeyUsed(time=time.time(), key_id=key.id, stream=path, address=address)
        )
        if not request.is_local:
            self.guard.right(request.address)
        return self._timed(
            Grant(
                path,
                "publish",
                key_id=key.id,
                holder=f"key:{key.id}",
                priority=key.priority,
                subject=key.label or None,
                expires_at=key.expires_at,
            )
        )

    def _check_key(self, request: AccessRequest, key: PublishKey) -> str:
        """Return the stream that a key publishes, if this peer may use it for what it asks for."""
        if key.revoked_at is not None:
            raise Rejected(DENIED, REVOKED)
        if not key.is_valid(time.time()):
            raise Rejected(DENIED, "the publish key has expired")
        if key.networks and (request.is_unknown or not key.is_from(request.address)):
            raise Rejected(DENIED, "the publish key is not for this address")
        if key.tls_only and not request.is_secure:
            raise Rejected(DENIED, f"the publish key is for TLS only; use {self.policy.rtmps}")
        if request.is_bare:
            if request.path not in ("", key.stream.rpartition("/")[0]):
                raise Rejected(DENIED, "the publish key is not for this app")
            self.policy.check_tls(replace(request, path=key.stream))
        elif request.path != key.stream:
            raise Rejected(DENIED, "the publish key is not for this stream")
        return key.stream

    async def _authorize(self, request: AccessRequest, grant: Grant) -> Grant:
        """Ask the authorizers; each sees what the one before made of it."""
        for authorizer in tuple(self.authorizers):
            asked = replace(request, path=grant.path, key_id=grant.key_id, subject=grant.subject)
            try:
                decision = await authorizer.authorize(asked)
            except Rejected:
                raise
            except HeadendError as error:
                text = "it could not be asked whether this is allowed; try again in a moment"
                raise Rejected(code_of(request.action), text) from error
            match decision:
                case Allow():
                    grant = self._timed(_narrowed(grant, decision))
                case Deny():
                    raise Rejected(decision.code or code_of(request.action), decision.reason)
                case Redirect():
                    raise Redirected(code_of(request.action), decision.url)
        return grant

    def _timed(self, grant: Grant) -> Grant:
        """Work out when a grant ends."""
        now = self._loop.time()
        ends_at = grant.ends_at
        if grant.expires_at is not None:
            ends_at = min(ends_at, now + max(0.0, grant.expires_at - time.time()))
        if grant.max_duration_s is not None:
            ends_at = min(ends_at, now + grant.max_duration_s)
        return replace(grant, ends_at=ends_at)

    # ------------------------------------------------------------------ grants

    def _enter(self, request: AccessRequest, grant: Grant) -> None:
        for number, limiter in enumerate(self.limiters):
            try:
                limiter.enter(request, grant)
            except Rejected:
                for entered in self.limiters[:number]:
                    entered.leave(grant)
                raise
        self._entered.add(grant)

    def began(self, grant: Grant, end: End) -> None:
        """A session uses a grant from now on.

        Args:
            grant: From `decide`; if its time is over already, `end` is called soon.
            end: Ends the session's use of it, which leads to `leave`.
        """
        if grant.is_bound and grant in self._entered:  # else the session is over already
            timer = None
            if grant.ends_at != NEVER:
                timer = self._loop.call_at(grant.ends_at, self._end, grant)
            self._live[grant] = (end, timer)

    def leave(self, grant: Grant) -> None:
        """What was granted is over, or never began; only the first call counts."""
        if grant not in self._entered:
            return
        self._entered.remove(grant)
        _, timer = self._live.pop(grant, (None, None))
        if timer is not None:
            timer.cancel()
        for limiter in self.limiters:
            limiter.leave(grant)

    def live(self) -> tuple[Grant, ...]:
        """Return the grants in use that may have to be ended."""
        return tuple(self._live)

    def end(self, grant: Grant, reason: str) -> None:
        """End the session's use of a grant, if it is in use."""
        found = self._live.get(grant)
        if found is not None:
            found[0](code_of(grant.action), reason)

    def revoke(self, key_ids: Iterable[str]) -> None:
        """End all that rests on keys that are not valid any more."""
        ids = set(key_ids)
        for grant in self.live():
            if grant.key_id in ids:
                self.end(grant, REVOKED)

    def _end(self, grant: Grant) -> None:
        what = "the longest time allowed is over"
        if grant.expires_at is not None and time.time() >= grant.expires_at - 0.5:
            what = f"the {'token' if grant.token_id else 'publish key'} has expired"
        self.end(grant, what)


def _narrowed(grant: Grant, allow: Allow) -> Grant:
    """Apply what an authorizer says: it may narrow, never widen."""
    return replace(
        grant,
        path=allow.stream or grant.path,
        max_viewers=_least(grant.max_viewers, allow.max_viewers),
        max_bit_rate=_least(grant.max_bit_rate, allow.max_bit_rate),
        max_duration_s=_least(grant.max_duration_s, allow.max_duration_s),
        expires_at=_least(grant.expires_at, allow.expires_at),
        subject=allow.subject or grant.subject,
        tags=(*grant.tags, *allow.tags),
    )


def _least(one: "T | None", other: "T | None") -> "T | None":
    return min((each for each in (one, other) if each is not None), default=None)
