"""The gate: every request to publish or to play passes it, and it alone decides.

    ban ─► address lists ─► TLS, mode ─► key or token ─► authorizers ─► limits ─► Grant
                     ▲                                        │
                     └───── once more, for another name ──────┘

What settings alone decide is answered at once; what a database, a callback or a hook must be asked
about is awaited, and stalls nobody else. A grant that ends (its key is revoked or expires, its
token expires, its time is over) ends the session that holds it.
"""

import time
from asyncio import AbstractEventLoop, TimerHandle, sleep
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Final

from headend import events
from headend.access.asking import ask, shown
from headend.access.grant import NEVER, Grant, least, narrowed
from headend.access.guard import Guard
from headend.access.known_keys import KnownKeys
from headend.access.known_viewers import KnownViewers, credentials_digest, question_digest
from headend.access.policy import Policy
from headend.access.ports import Check, Claiming, End, Limiter
from headend.access.tokens import TokenRefused, Tokens
from headend.access.viewers import TokenViewers
from headend.decisions import AccessRequest, Action, Address, Allow, Authorizer, is_asked
from headend.errors import HeadendError, Refusal, Rejected
from headend.net.pseudonyms import Pseudonyms
from headend.store.publish_key import PublishKey

__all__ = ["Check", "Claiming", "Gate", "Grant", "Limiter"]

REVOKED: Final = "the publish key was revoked"

DELAYED: Final = 1000  # answers that wait at once, a connection each; more are given at once


class Gate:
    """The gate that decides every request to publish or to play.

    Attributes:
        policy: What the settings say; replaced on reload.
        checks: Asked first.
        authorizers: Asked about what keys, tokens and settings grant, in order.
        limiters: Asked last.
        claiming: Takes names among servers that share them; None: this server is alone.
    """

    def __init__(
        self,
        loop: AbstractEventLoop,
        policy: Policy,
        tokens: Tokens,
        keys: KnownKeys,
        guard: Guard,
        bus: events.Events,
        pseudonyms: Pseudonyms,
    ) -> None:
        """Make a gate.

        Args:
            loop: The running loop.
            policy: What the settings say.
            tokens: Checks tokens.
            keys: Checks publish keys.
            guard: Slows down guessers.
            bus: Told of keys that are used.
            pseudonyms: How the addresses of those who use them are shown.
        """
        self._loop = loop
        self._bus = bus
        self._pseudonyms = pseudonyms
        self._tokens = tokens
        self._keys = keys
        self._delayed = 0
        self._entered: dict[Grant, Address | None] = {}  # and from where
        self._live: dict[Grant, tuple[End, TimerHandle | None]] = {}
        self.guard: Final = guard
        self.policy = policy
        self.checks: list[Check] = []
        self.authorizers: list[Authorizer] = []
        self._known: Final = KnownViewers()
        self.viewers: Final = TokenViewers()
        self.limiters: list[Limiter] = [self.viewers]
        self.claiming: Claiming | None = None

    # ------------------------------------------------------------------ decisions

    def decide_now(self, request: AccessRequest) -> Grant | None:
        """Grant a request about which nobody must be asked; None: `decide` must be awaited.

        Raises:
            Rejected: It is refused.
        """
        if self.claiming is not None:
            if request.action == "publish":
                return None  # the name has to be claimed
            if (member := self.claiming.member_of(request)) is not None:
                return self._of_member(request, member)
        if self.asks(request.action):
            return None
        try:
            grant = self._by_settings(request)
            if grant is not None and request.has_session:
                self.enter(request, grant)
            return grant
        except Rejected as rejected:
            if rejected.refusal is not Refusal.WRONG_SECRET:
                raise
            return None  # its answer may have to wait

    def refuse_now(self, request: AccessRequest) -> None:
        """Return if the settings alone do not refuse a request.

        Nothing changes, so that any thread may ask.

        Raises:
            Rejected: They refuse it.
        """
        self._by_settings(request)

    async def decide(self, request: AccessRequest) -> Grant:
        """Decide on a request; `leave` follows once what is granted is over, or never began.

        What has no session is not counted: see `enter`.

        Raises:
            Rejected: It is refused.
        """
        try:
            grant = self._by_settings(request)
            if grant is None:
                grant = await self._by_key(request)
            grant = await self._authorize(request, grant)
            if request.has_session:
                await self.admit(request, grant)
            return grant
        except Rejected as rejected:
            if rejected.refusal is Refusal.WRONG_SECRET:
                await self.wrong(request)
            raise

    async def admit(self, request: AccessRequest, grant: Grant) -> None:
        """Count a grant, and take the name of what is published; `leave` must follow.

        Raises:
            Rejected: A limit is reached, or another server has the name; nothing was counted.
        """
        self.enter(request, grant)
        if self.claiming is None or request.action == "play":
            return
        try:
            await self.claiming.claim(request, grant)
        except BaseException:
            self.leave(grant)
            raise

    def _of_member(self, request: AccessRequest, member: str) -> Grant:
        """Grant a stream to another server of the cluster, which counts the viewers itself."""
        grant = Grant(request.path, "play", member=member)
        self._entered[grant] = request.address
        return grant

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
            return self._play(request)
        if policy.shows_key(request):
            self.check_ban(request)
            return None
        if request.token is not None and not policy.is_free(request):
            self.check_ban(request)
            return self._by_token(request)
        policy.check_publish(request)
        return Grant(request.path, "publish", holder=policy.holder_of(request))

    def _play(self, request: AccessRequest) -> Grant:
        if not self.policy.is_private(request.path):
            return Grant(request.path, "play")
        self.check_ban(request)
        return self._by_token(request)

    def check_ban(self, request: AccessRequest) -> None:
        """Return if the address is not shut out.

        Raises:
            Rejected: It is, for too many wrong keys, tokens or passwords.
        """
        if not request.is_local and self.guard.banned_s(request.address, self._loop.time()):
            raise Rejected(
                Refusal.SHUT_OUT,
                "too many wrong keys, tokens or passwords came from this address; try again later",
            )

    def _by_token(self, request: AccessRequest) -> Grant:
        now = time.time()
        try:
            token = self._tokens.check(
                request.token, request.action, request.path, request.address, now
            )
        except TokenRefused as refused:
            is_wrong = refused.reason == "invalid"
            kind = Refusal.WRONG_SECRET if is_wrong else Refusal.DENIED
            raise Rejected(kind, str(refused)) from None
        if token.network is not None and request.is_unknown:
            raise Rejected(Refusal.DENIED, str(TokenRefused("address")))
        return self._timed(
            Grant(
                request.path,
                request.action,
                token_id=token.id,
                holder=f"token:{token.id}",
                subject=token.subject or None,
                expires_at=token.expires_at,
                max_viewers=token.viewers,
                viewer=token.id,
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
                Refusal.UNDECIDED, "keys cannot be checked just now; try again in a moment"
            ) from error
        if key is None:
            raise Rejected(Refusal.WRONG_SECRET, "the publish key is not valid")
        try:
            path = self._check_key(request, key)
        except Rejected as rejected:
            rejected.key_id = key.id
            raise
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
            raise Rejected(Refusal.DENIED, REVOKED)
        if not key.is_valid(time.time()):
            raise Rejected(Refusal.DENIED, "the publish key has expired")
        if key.networks and (request.is_unknown or not key.is_from(request.address)):
            raise Rejected(Refusal.DENIED, "the publish key is not for this address")
        if key.tls_only and not request.is_secure:
            raise Rejected(
                Refusal.DENIED, f"the publish key is for TLS only; use {self.policy.rtmps}"
            )
        if request.is_bare:
            if request.path not in ("", key.stream.rpartition("/")[0]):
                raise Rejected(Refusal.DENIED, "the publish key is not for this app")
            self.policy.check_tls(replace(request, path=key.stream))
        elif request.path != key.stream:
            raise Rejected(Refusal.DENIED, "the publish key is not for this stream")
        return key.stream

    def asks(self, action: Action) -> bool:
        """Say whether authorizers have a say in an action."""
        return any(is_asked(each, action) for each in self.authorizers)

    async def _authorize(self, request: AccessRequest, grant: Grant) -> Grant:
        """Apply what the authorizers say; about a viewer without session it is remembered."""
        if not self.asks(request.action):
            return grant
        if request.has_session:
            return self._answered(request, grant, await ask(self.authorizers, request, grant))
        known, question = self._known, question_digest(shown(request, grant))
        answer = remembered = known.answer(question, self._loop.time())
        if answer is None:
            answer = await ask(self.authorizers, request, grant)
        now = self._loop.time()
        allowed = self._answered(request, grant, answer, known.since(question, now))
        if allowed.ends_at <= now:  # there is no session that a timer would end
            raise Rejected(Refusal.DENIED, "the time allowed is over")
        if remembered is None:
            known.note(question, answer, now, allowed.ends_at)
        return allowed

    def _answered(
        self,
        request: AccessRequest,
        grant: Grant,
        answer: Sequence[Allow],
        began: float | None = None,
    ) -> Grant:
        """Apply an answer to what was granted; `began`: when the viewer did, None: now."""
        allowed = replace(grant, viewer=credentials_digest(request))
        for allow in answer:
            allowed = narrowed(allowed, allow)
        if allowed.path != grant.path:
            allowed = self._renamed(replace(request, path=allowed.path), allowed)
        return self._timed(allowed, began)

    def _renamed(self, request: AccessRequest, allowed: Grant) -> Grant:
        """Have the settings decide about a name that authorizers put in place of another.

        A key or token that publishes the first name publishes the second one too: that is what
        the program of the operator says.
        """
        for check in self.checks:
            check.check(request)
        self.policy.check_tls(request)
        if request.action == "publish":
            if allowed.key_id is None and allowed.token_id is None:
                self.policy.check_publish(request)
            return allowed
        other = self._play(request)
        return replace(
            allowed,
            token_id=other.token_id or allowed.token_id,
            subject=allowed.subject or other.subject,
            expires_at=least(allowed.expires_at, other.expires_at),
            max_viewers=least(allowed.max_viewers, other.max_viewers),
        )

    def is_open(self, path: str) -> bool:
        """Say whether everybody may watch a stream, so that caches may give it to anybody."""
        return not (
            self.asks("play")
            or self.policy.is_private(path)
            or self.policy.wants_tls("play", path)
            or any(getattr(check, "is_about_play", True) for check in self.checks)
        )

    def _timed(self, grant: Grant, began: float | None = None) -> Grant:
        """Work out when a grant ends; `began`: when what it is for did, None: now."""
        now = self._loop.time()
        ends_at = grant.ends_at
        if grant.expires_at is not None:
            ends_at = min(ends_at, now + max(0.0, grant.expires_at - time.time()))
        if grant.max_duration_s is not None:
            ends_at = min(ends_at, (now if began is None else began) + grant.max_duration_s)
        return replace(grant, ends_at=ends_at)

    # ------------------------------------------------------------------ grants

    def enter(self, request: AccessRequest, grant: Grant) -> None:
        """Count what was decided for one request, and begins to last: `leave` must follow.

        Raises:
            Rejected: A limit is reached; nothing was counted.
        """
        for number, limiter in enumerate(self.limiters):
            try:
                limiter.enter(request, grant)
            except Rejected:
                for entered in self.limiters[:number]:
                    entered.leave(grant)
                raise
        self._entered[grant] = request.address

    def began(self, grant: Grant, end: End) -> None:
        """A session uses a grant from now on.

        Args:
            grant: From `decide`; if its time is over already, `end` is called soon.
            end: Ends the session's use of it, which leads to `leave`.
        """
        if grant.is_bound and grant in self._entered:  # else the session is over already
            if grant.key_id is not None:
                self._note_use(grant.key_id, grant.path, self._entered[grant])
            timer = None
            if grant.ends_at != NEVER:
                timer = self._loop.call_at(grant.ends_at, self._end, grant)
            self._live[grant] = (end, timer)

    def _note_use(self, key_id: str, path: str, peer: Address | None) -> None:
        """Tell that a key let somebody in: not whom callback, limits or hub have refused."""
        now, address = time.time(), self._pseudonyms.show(peer)
        self._keys.note_use(key_id, "unix" if peer is None else address or "-", now)
        self._bus.emit(events.KeyUsed(time=now, key_id=key_id, stream=path, address=address))

    def leave(self, grant: Grant) -> None:
        """What was granted is over, or never began; only the first call counts."""
        if grant not in self._entered:
            return
        del self._entered[grant]
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
            found[0](reason)

    def revoke(self, key_ids: Iterable[str]) -> None:
        """End all that rests on keys that are not valid any more."""
        ids = set(key_ids)
        for grant in self.live():
            if grant.key_id in ids:
                self.end(grant, REVOKED)

    def _end(self, grant: Grant) -> None:
        what = "the longest time allowed is over"
        is_only_bound = grant.max_duration_s is None
        if grant.expires_at is not None and (
            is_only_bound or time.time() >= grant.expires_at - 0.5
        ):
            what = f"the {'token' if grant.token_id else 'publish key'} has expired"
        self.end(grant, what)
