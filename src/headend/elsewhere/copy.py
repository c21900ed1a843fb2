"""A copy of a stream that another server has, fetched while somebody here watches it.

    owner ─► Link ─► tags ─► publication (a copy) ─► viewers, who stay while the owner changes

One copy serves all viewers of a name, whatever their protocol. It is fetched from the owner itself
and from nobody else, so there are no loops.
"""

import asyncio
import logging
import socket
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from headend.directory.passes import PARAMETER, Passes
from headend.directory.port import Directory
from headend.directory.values import StreamOwner
from headend.errors import Rejected
from headend.hub.publication import COPY
from headend.hub.stream import StreamState
from headend.live.publishing import Publishing
from headend.live.services import Services
from headend.logs import shown
from headend.media.tag import Tag
from headend.relay.backoff import Failure
from headend.relay.dialling import Reach, RelayFailed
from headend.relay.link import Link, Links
from headend.rtmp.client import ClientSettings
from headend.rtmp.url import Url, parse_url
from headend.trust import Trust

log = logging.getLogger(__name__)

LOOK_S: Final = 0.5  # how often a copy looks whether somebody watches
IDLE_S: Final = 5.0  # without viewers; then it is fetched no more
FIRST_PAUSE_S: Final = 0.05  # a publisher that has claimed its name begins in some milliseconds
LONGEST_PAUSE_S: Final = 1.0
STEP_S: Final = 3.0  # for each step of a connection to another member
CONNECT_S: Final = 2.0  # to a unix socket
MOVED: Final = "another server publishes it now"


class Copy:
    """One stream that is fetched: tenant of its connection, and source of its publication.

    Attributes:
        path: `APP/NAME`.
        is_over: It fetches no more.
        bytes: Bytes of media fetched.
    """

    def __init__(
        self,
        services: Services,
        directory: Directory,
        passes: Passes,
        links: Links,
        trust: Trust,
        path: str,
    ) -> None:
        """Prepare; `start` follows.

        Args:
            services: What all connections share.
            directory: Says who has the stream.
            passes: Let this member fetch from others.
            links: Connections to other servers.
            trust: Certificates of other members to trust.
            path: `APP/NAME`.
        """
        self._services: Final = services
        self._directory: Final = directory
        self._passes: Final = passes
        self._links: Final = links
        self._trust: Final = trust
        self.path: Final = path
        self.is_over = False
        self.bytes = 0
        self._owner: StreamOwner | None = None  # from whom it is fetched
        self._link: Link | None = None
        self._publishing: Publishing | None = None
        self._changed = asyncio.Event()
        self._idle_since: float | None = None
        self._pause_s = FIRST_PAUSE_S
        self._task: asyncio.Task[None] | None = None
        self._watch: asyncio.TimerHandle | None = None

    # ------------------------------------------------------------------ its task

    def start(self, over: Callable[["Copy"], None]) -> None:
        """Begin; `over` is called when it fetches no more."""
        self._task = self._services.loop.create_task(self._run_safely())
        self._task.add_done_callback(lambda _: over(self))
        self._look()

    async def stop(self) -> None:
        """End, without a word to the viewers."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    def owner_changed(self) -> None:
        """Take note that the directory says something else of the name."""
        self._changed.set()
        self._pause_s = FIRST_PAUSE_S
        owner = self._directory.find(self.path)
        if self._link is not None and owner is not None and not self._is_source(owner):
            self._link.fail(RelayFailed(Failure.LOST, MOVED))

    def _is_source(self, owner: StreamOwner) -> bool:
        """Say whether the stream is fetched from there; a claim that was made again is no other."""
        return self._owner is not None and owner.member == self._owner.member

    async def _run_safely(self) -> None:
        try:
            await self._run()
        except Exception:
            log.exception("copy of %s failed: a bug", shown(self.path))
        finally:
            self._end()

    def _end(self) -> None:
        self.is_over = True
        if self._watch is not None:
            self._watch.cancel()
        self._lose()

    async def _run(self) -> None:
        while not self.is_over:
            self._changed.clear()
            owner = self._directory.find(self.path)
            if owner is None:
                await self._rest(LOOK_S)
                continue
            try:
                failed = await self._fetch(owner)
            except RelayFailed as error:
                failed = error
            if failed.is_over and self._is_source(self._directory.find(self.path) or owner):
                publishing, self._publishing = self._publishing, None
                if publishing is not None:
                    publishing.end()
                return
            self._lose()
            log.debug("copy of %s from %s: %s", shown(self.path), owner.member.label, failed)
            now = self._directory.find(self.path)
            if now is not None and self._is_source(now):
                await self._rest(self._pause_s)
                self._pause_s = min(self._pause_s * 2, LONGEST_PAUSE_S)

    async def _rest(self, seconds: float) -> None:
        """Wait for a change in the directory, or so long."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._changed.wait()

    async def _fetch(self, owner: StreamOwner) -> RelayFailed:
        """Connect to the owner and take media until it ends; return why it did."""
        self._owner = owner
        member = owner.member
        settings = ClientSettings(
            self._url(owner), "play", handshake_s=STEP_S, start_s=STEP_S, is_enhanced=True
        )
        link = self._link = Link(self._services, settings, self._trust, self)
        try:
            if member.unix:
                await link.use(await _connect(member.unix), self._links)
            else:
                route = Reach(None).route(settings.url.host)
                await link.open(route.look_up, self._links)
            return await link.wait()
        except asyncio.CancelledError:
            link.finish()
            raise
        finally:
            self._link = None

    def _url(self, owner: StreamOwner) -> Url:
        member = owner.member
        place = parse_url(f"{'rtmp://unix' if member.unix else member.rtmp}/-")
        app, _, name = self.path.rpartition("/")
        if not app:
            app, name = name, ""
        good = self._passes.make("play", self.path, member.boot)
        return Url(place.scheme, place.host, place.port, app, name, f"{PARAMETER}={good}")

    # ------------------------------------------------------------------ whether it is watched

    def _look(self) -> None:
        """End the copy once nobody has watched for a while, or the stream is over."""
        self._watch = self._services.loop.call_later(LOOK_S, self._look)
        now = self._services.loop.time()
        stream = self._services.registry.stream(self.path)
        if stream is not None and stream.state is not StreamState.ENDED and any(stream.sinks()):
            self._idle_since = None
        elif self._idle_since is None:
            self._idle_since = now
        elif now - self._idle_since >= IDLE_S and self._task is not None:
            self._task.cancel()

    # ------------------------------------------------------------------ the publisher

    def watched(self) -> None:
        """Do nothing: a copy is fetched because somebody watches."""

    def publishing_ended(self, publishing: Publishing, why: Rejected) -> None:
        """A publisher has come here, and has the name."""
        self._publishing = None
        if self._task is not None:
            self._task.cancel()

    def _lose(self) -> None:
        """Viewers wait: the owner is gone, or another one has the stream."""
        publishing, self._publishing = self._publishing, None
        if publishing is not None:
            publishing.lose()

    # ------------------------------------------------------------------ what the owner tells

    def granted(self) -> None:
        """Do nothing: what counts is media."""

    def media(self, tags: list[Tag], now: float) -> None:
        publishing, link = self._publishing, self._link
        if publishing is None:
            if link is None or self._owner is None or self.is_over:
                return
            peer = f"server {self._owner.member.label}"
            publishing = Publishing(self._services, self, self.path, peer)
            try:
                publishing.begin(now, COPY)
            except Rejected as rejected:
                link.fail(RelayFailed(Failure.REFUSED, rejected.description))
                return
            self._publishing = publishing
            self._pause_s = FIRST_PAUSE_S
        self.bytes += sum(len(tag.body) for tag in tags)
        publishing.publication.push(tags, now)

    def stalled(self) -> None:
        """Do nothing: a player sends too little to stall."""

    def drained(self) -> None:
        """Do nothing: a player sends too little to stall."""

    def lost(self) -> None:
        """Do nothing: `_run` waits for the end of the connection."""


async def _connect(path: str) -> socket.socket:
    """Connect to a unix socket of another member.

    Raises:
        RelayFailed: Nobody answers there.
    """
    sock = socket.socket(socket.AF_UNIX)
    sock.setblocking(False)
    try:
        async with asyncio.timeout(CONNECT_S):
            await asyncio.get_running_loop().sock_connect(sock, path)
    except (OSError, TimeoutError) as error:
        sock.close()
        raise RelayFailed(Failure.AWAY, f"{path} does not answer") from error
    return sock
