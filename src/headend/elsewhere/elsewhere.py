"""The feature of a server that has others beside it: names are claimed, streams are copied.

publish ─► Claims ─► directory          another member has the name ─► registry.move ─┐
play of a name that is not here ─► directory.find ─► Copy ◄────────────────────────────┘
"""

import logging
from collections.abc import Collection
from typing import Final

from headend.access.gate import Grant
from headend.decisions import AccessRequest, Address
from headend.directory.passes import PARAMETER, Passes
from headend.directory.port import Body, Directory
from headend.directory.values import Member, StreamOwner
from headend.elsewhere.claims import Claims
from headend.elsewhere.copy import MOVED, Copy
from headend.errors import Refusal, Rejected
from headend.features.feature import Values
from headend.hub.stream import Stream, StreamState
from headend.live.relay_port import Fetching
from headend.live.services import Services
from headend.logs import shown
from headend.relay.link import Links
from headend.trust import Trust

log = logging.getLogger(__name__)

PARTED: Final = "this server stops; the stream may go on at another one"


class Elsewhere(Fetching):
    """Claims names in a directory, and fetches what other members have.

    Attributes:
        directory: Says who has a stream.
        claims: Names that this server has.
        passes: Let members fetch from each other.
    """

    name = "elsewhere"

    def __init__(
        self, services: Services, directory: Directory, secret: bytes, trust: Trust | None = None
    ) -> None:
        """Prepare.

        Args:
            services: What all connections share.
            directory: Says who has a stream.
            secret: What all members share, and nobody else knows.
            trust: Certificates of other members to trust.
        """
        self._services: Final = services
        self._trust: Final = trust or Trust()
        self.directory: Final = directory
        self.passes: Final = Passes(secret, directory.me.boot)
        self.claims: Final = Claims(services, directory, secret)
        self._links: Final = Links(services)
        self._copies: dict[str, Copy] = {}

    def start(self) -> None:
        """Have publishers claim their names from now on."""
        self._services.gate.claiming = self
        self.directory.watch(self)
        self.directory.keep(self.claims.held)

    async def stop(self) -> None:
        """Give all names back, and end all copies."""
        for copy in list(self._copies.values()):
            await copy.stop()
        await self.claims.close()
        await self._links.close()

    def status(self) -> Values:
        """Count names that this server has, and copies that it fetches."""
        return {"names": len(self.claims), "copies": len(self._copies)}

    # ------------------------------------------------------------------ what the gate asks

    async def claim(self, request: AccessRequest, grant: Grant) -> None:
        """Claim the name of a publish; see `Claiming`."""
        await self.claims.claim(request, grant)

    def check_name(self, path: str) -> None:
        """Refuse a name that another member has; see `Claiming`."""
        owner = self.owner_of(path)
        if owner is not None:
            text = f"{path} is already being published, at {owner.member.label}"
            raise Rejected(Refusal.NAME_TAKEN, text)

    def offer(self, paths: Collection[str]) -> bool:
        """Have publishers take names at other members; see `Claiming`."""
        return self.claims.offer(paths)

    def keep(self, paths: Collection[str]) -> None:
        """Keep names that were offered; see `Claiming`."""
        self.claims.keep(paths)

    def part(self) -> None:
        """Send members that fetch streams from here away; see `Claiming`."""
        for grant in self._services.gate.live():
            if grant.member is not None:
                self._services.gate.end(grant, PARTED)

    def member_of(self, request: AccessRequest) -> str | None:
        """Return the member that fetches a stream; see `Claiming`."""
        text = request.query.get(PARAMETER)
        if text is None:
            return None
        boot = self.passes.take(text, request.action, request.path)
        if boot is None:
            hint = "all members need the same secret (cluster.secret)"
            raise Rejected(Refusal.DENIED, "the pass is not good, or was used before", hint)
        if not self.serves(request.path):
            raise Rejected(Refusal.NOT_FOUND, f"{request.path} is not published here")
        found = (each.label for each in self.directory.members() if each.boot == boot)
        return next(found, boot)

    def serves(self, path: str) -> bool:
        """Say whether other members may fetch a stream here: a copy is not copied again."""
        stream = self._services.registry.stream(path)
        return stream is not None and stream.has_begun and not stream.is_copy

    # ------------------------------------------------------------------ what viewers want

    def owner_of(self, path: str) -> StreamOwner | None:
        """Return the other member that publishes a stream; None: nobody does, or this server."""
        if self.claims.holds(path) or self.serves(path):
            return None
        return self.directory.find(path)

    def want(self, path: str, address: Address | None) -> bool:
        """See `relay_port.Fetching`."""
        stream = self._services.registry.stream(path)
        if stream is not None and stream.has_begun:
            return False
        if self.owner_of(path) is None:
            return False
        self._copy(path)
        return True

    def fetched_from(self, path: str) -> Collection[str]:
        """See `relay_port.Fetching`; what is copied here comes from its publisher."""
        return ()

    def _copy(self, path: str) -> None:
        copy = self._copies.get(path)
        if copy is not None and not copy.is_over:
            return
        args = (self._services, self.directory, self.passes, self._links, self._trust)
        copy = self._copies[path] = Copy(*args, path)
        copy.start(self._copied)

    def _copied(self, copy: Copy) -> None:
        if self._copies.get(copy.path) is copy:
            del self._copies[copy.path]
        if self.owner_of(copy.path) is not None and self._is_watched(copy.path):
            self._copy(copy.path)

    def _is_watched(self, path: str) -> bool:
        stream = self._services.registry.stream(path)
        is_there = stream is not None and stream.state is not StreamState.ENDED
        return stream is not None and is_there and any(stream.sinks())

    # ------------------------------------------------------------------ what the directory tells

    def owner_changed(self, path: str) -> None:
        """See `directory.port.DirectoryWatcher`."""
        if self.directory.find(path) is not None:
            self.claims.lost(path)
            self._move(path)
            stream = self._services.registry.stream(path)
            if self._is_watched(path) and not self._is_live_copy(stream):
                self._copy(path)
        copy = self._copies.get(path)
        if copy is not None:
            copy.owner_changed()

    def _is_live_copy(self, stream: Stream | None) -> bool:
        return stream is not None and stream.is_copy and stream.path in self._copies

    def _move(self, path: str) -> None:
        """Have the viewers of a stream wait for a copy: it is published elsewhere."""
        if self._services.registry.move(path, self._services.loop.time()):
            log.info("stream %s: it is published at another server from now on", shown(path))
            gate = self._services.gate
            for grant in gate.live():
                if grant.member is not None and grant.path == path:
                    gate.end(grant, MOVED)  # its fetcher asks the directory, and goes there

    def message(self, sender: Member, kind: str, body: Body) -> None:
        """Do nothing: messages are for others."""
