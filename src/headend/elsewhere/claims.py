"""The names that this server has claimed in a directory, and when it gives them back.

    grant ─► claim ─► Publishing ─► over ─┬─► nobody publishes the name here any more: release
                                          └─► another local source is on air: kept

A name is kept while it has a publisher here, or what stands in for one. It is not kept for the
reconnect window of a publisher that was lost: that one may come back to any server.
"""

import asyncio
import hmac
import logging
from collections import Counter
from collections.abc import Collection
from hashlib import sha256
from typing import Final

from headend.access.gate import Grant
from headend.decisions import AccessRequest
from headend.directory.port import Directory
from headend.directory.values import Claim, NameWish
from headend.errors import Rejected
from headend.events import Event, StreamConnected, StreamDisconnected, StreamEnded
from headend.hub.publication import Publication
from headend.live.publishing import place_of
from headend.live.services import Services
from headend.logs import shown

log = logging.getLogger(__name__)

OFFERED: Final = (1_000_000, 0)  # of a name that is offered: any publisher has a better order


class Claims:
    """The claims of one server; a limiter of its gate, which says when a grant is over."""

    def __init__(self, services: Services, directory: Directory, secret: bytes) -> None:
        """Begin without claims.

        Args:
            services: What all connections share.
            directory: Where names are claimed.
            secret: Hides who publishes, in the directory; the same at all members.
        """
        self._services: Final = services
        self._directory: Final = directory
        self._secret: Final = secret
        self._held: dict[str, Claim] = {}
        self._users: dict[Grant, str] = {}  # publishes that are granted, and the name
        self._wanted: Counter[str] = Counter()  # how many of these there are, by name
        self._asking: set[asyncio.Task[None]] = set()
        self._offered: set[str] = set()  # names that any publisher may take at another member
        self._unsubscribe = services.events.subscribe(self._take)
        services.gate.limiters.append(self)

    def __len__(self) -> int:
        return len(self._held)

    def holds(self, path: str) -> bool:
        """Say whether a name is this server's."""
        return path in self._held

    def held(self) -> list[Claim]:
        """Return all claims."""
        return list(self._held.values())

    async def claim(self, request: AccessRequest, grant: Grant) -> None:
        """Claim the name of a publish that is granted; see `Claiming`."""
        if grant not in self._users:  # the caller is gone
            return
        if grant.path in self._held:
            return  # the hub decides among the publishers of one server
        place = place_of(self._services, grant, request.query)
        await asyncio.shield(self._ask(self._wish(grant.path, grant.holder, place.order)))

    def _wish(self, path: str, holder: str | None, order: tuple[int, int]) -> NameWish:
        digest = ""
        if holder is not None:
            text = holder.encode(errors="surrogateescape")
            digest = hmac.digest(self._secret, text, sha256).hex()[:32]
        if path in self._offered:
            order = OFFERED
        return NameWish(path, digest, order, self._services.rules.of(path).live.takeover)

    def _ask(self, wish: NameWish) -> "asyncio.Task[None]":
        """Ask in a task of its own: a name that is granted to a peer that left is given back."""
        task = self._services.loop.create_task(self._take_name(wish))
        self._asking.add(task)
        task.add_done_callback(self._asked)
        return task

    def _asked(self, task: "asyncio.Task[None]") -> None:
        self._asking.discard(task)
        if not task.cancelled():
            task.exception()  # the asker was told, or is gone

    async def _take_name(self, wish: NameWish) -> None:
        path = wish.path
        try:
            self._held[path] = await self._directory.claim(wish)
        except Rejected:
            if path not in self._wanted and self._publication(path) is not None:
                # Published without a grant, by a relay for instance, and another was faster.
                self._services.registry.move(path, self._services.loop.time())
            raise
        self._settle(path)

    def offer(self, paths: Collection[str]) -> bool:
        """Have any publisher take names at other members; see `Claiming`."""
        held = {path for path in paths if path in self._held}
        for path in held - self._offered:
            self._offered.add(path)
            self._follow(path)
        return all(self._held[path].wish.order == OFFERED for path in held)

    def keep(self, paths: Collection[str]) -> None:
        """Have names be this server's, as they were before they were offered."""
        for path in self._offered.intersection(paths):
            self._offered.discard(path)
            self._follow(path)

    def lost(self, path: str) -> None:
        """Take note that another member has a name now."""
        self._offered.discard(path)
        if self._held.pop(path, None) is not None:
            log.warning("stream %s: another server has taken the name over", shown(path))

    # ------------------------------------------------------------------ a limiter of the gate

    def enter(self, request: AccessRequest, grant: Grant) -> None:
        """Take note of a publish that is about to claim its name."""
        if grant.action == "publish":
            self._users[grant] = grant.path
            self._wanted[grant.path] += 1

    def leave(self, grant: Grant) -> None:
        """Give the name back, unless it is still used."""
        path = self._users.pop(grant, None)
        if path is not None:
            self._wanted[path] -= 1
            if not self._wanted[path]:
                del self._wanted[path]
            self._settle(path)

    # ------------------------------------------------------------------ what the hub tells

    def _take(self, event: Event) -> None:
        if isinstance(event, StreamConnected):
            self._follow(event.stream)
        elif isinstance(event, StreamDisconnected | StreamEnded):
            # The hub is in the middle of it: another source may go on air.
            self._services.loop.call_soon(self._settle, event.stream)

    def _follow(self, path: str) -> None:
        """Tell the directory of the publisher on air, where that is not the one that claimed."""
        claim, publication = self._held.get(path), self._publication(path)
        if publication is None or publication.place.is_on_demand:
            return
        wish = self._wish(path, publication.holder, publication.place.order)
        if claim is None or wish != claim.wish:
            self._ask(wish)

    def _publication(self, path: str) -> Publication | None:
        """Return who publishes a name here; a copy does not."""
        found = self._services.registry.publication(path)
        return None if found is None or found.place.is_copy else found

    def _settle(self, path: str) -> None:
        """Give a name back that nobody here publishes or is about to."""
        if path in self._held and path not in self._wanted and self._publication(path) is None:
            self._offered.discard(path)
            self._directory.release(self._held.pop(path))

    async def close(self) -> None:
        """Give all names back."""
        self._unsubscribe()
        for task in self._asking:
            task.cancel()
        held, self._held = list(self._held.values()), {}
        for claim in held:
            self._directory.release(claim)
