"""One stream fetched from other servers: the first source that has it, then the next.

    source ─► tags ─► publication of our own ─► viewers, who stay while another source is tried

One fetch serves all viewers of a name. On demand it ends when nobody has watched for a while.
"""

import asyncio
from typing import TYPE_CHECKING, Final

from headend.client import Timeouts, TlsOptions
from headend.client.opening import open_http, parse_source
from headend.errors import HeadendError, MediaError, Rejected, SettingsError
from headend.live.loops import LOOP
from headend.live.publishing import Publishing
from headend.live.services import Services
from headend.media.tag import Tag
from headend.net.figures import Figures
from headend.net.groups import Group
from headend.net.places import LookUp, PlaceForbidden
from headend.relay.backoff import Failure
from headend.relay.dialling import Reach, RelayFailed, dial, why_forbidden
from headend.relay.link import HANDSHAKE_S, START_S, Link, Links, follow_redirects, own_ports
from headend.relay.srt_link import SrtLink
from headend.relay.target import Target
from headend.rtmp.client import ClientSettings
from headend.rtmp.url import Url, parse_url
from headend.settings.relay import RelayIn, fill, filled
from headend.srt_url import SrtUrl, is_srt, parse_srt_url

if TYPE_CHECKING:
    from yarl import URL

STEP_S: Final = 3.0  # for each step of a source that is not the only one
SILENCE_S: Final = 1.5  # of a source on air, until the next one is tried; looked at once a second
WAIT_S: Final = 3.0  # for the first media of a source that is not the only one; longer each round
LONGEST_WAIT_S: Final = 30.0
# Codes of a server that does not know the stream: of RTMP, and of HTTP.
_UNKNOWN: Final = ("StreamNotFound", "404")


class Pull(Target):
    """One stream that is fetched: the tenant of its connection, and the source of its stream.

    Attributes:
        asker: Address, or group of addresses, of the first viewer.
        is_unknown: The fetch is over because no source knows the stream.
        idle_since: Since when nobody watches, monotonic seconds; None: somebody does, or it is
            fetched always.
    """

    direction = "in"

    def __init__(
        self,
        services: Services,
        relay: str,
        path: str,
        rule: RelayIn,
        links: Links,
        reach: Reach,
        asker: Group = None,
        *,
        is_told: bool = True,
    ) -> None:
        """Prepare.

        Args:
            services: What all connections share.
            relay: Id of the relay.
            path: `APP/NAME` of the stream here.
            rule: Sources, and how to fetch from them.
            links: Connections of all relays.
            reach: Addresses that it may connect to.
            asker: Address, or group of addresses, of the first viewer.
            is_told: See `Target`.
        """
        super().__init__(services, relay, path, is_told=is_told)
        self._rule: Final = rule
        self._links: Final = links
        self._reach: Final = reach
        self.asker: Final = asker
        self._sources: Final = [filled(url, path) for url in rule.url]
        self._index = 0
        self._rounds = 0
        self._link: Link | SrtLink | None = None
        self._playing: asyncio.Task[RelayFailed] | None = None
        self._verdict: RelayFailed | None = None
        self._publishing: Publishing | None = None
        self._silent_from = 0.0  # when media came last, or a source was asked
        self._bytes = 0
        self.idle_since: float | None = None
        self._has_brought = False  # media, some time
        self.is_unknown = False

    @property
    def shown_url(self) -> str:
        return fill(self._rule.shown_urls[self._index], self.path)

    @property
    def secrets(self) -> tuple[str | None, ...]:
        return self._rule.secrets

    @property
    def is_asking(self) -> bool:
        """A viewer waits for the stream, and no source has sent media yet."""
        return self._rule.on_demand and not self._has_brought

    @property
    def is_on_demand(self) -> bool:
        """The stream is fetched because somebody wants to watch it."""
        return self._rule.on_demand

    # ------------------------------------------------------------------ the publisher

    @property
    def hops(self) -> tuple[str, ...]:
        """Ids of the servers that the stream comes from, as far as they are known."""
        link = self._link
        return (link.server_id,) if link is not None and link.server_id else ()

    def watched(self) -> None:
        """Do nothing: `is_idle` looks once a second whether somebody watches."""

    def publishing_ended(self, publishing: Publishing, why: Rejected) -> None:
        self._publishing = None
        self._give_up(RelayFailed(Failure.REFUSED, f"{self.path} is published here by another"))

    # ------------------------------------------------------------------ tries

    async def run(self) -> None:
        failures: list[RelayFailed] = []
        while True:
            failed = await self._try(self._sources[self._index])
            if self._publishing is not None:
                failures.clear()
                self._lose()
            failures.append(failed)
            if len(failures) < len(self._sources):
                self.change("retrying", failed.reason)
            elif self._is_over(failures):
                return
            else:
                self._rounds += 1
                await self.rest(failed)
                failures.clear()
            self._index = (self._index + 1) % len(self._sources)

    def _lose(self) -> None:
        """Viewers wait: a source is gone."""
        publishing, self._publishing = self._publishing, None
        self.end_life()
        self._rounds = 0
        if publishing is not None:
            publishing.lose()

    def _is_over(self, failures: list[RelayFailed]) -> bool:
        """All sources failed: say whether that is the end of it."""
        is_ended = any(failed.is_over for failed in failures)
        is_unknown = all(failed.code.endswith(_UNKNOWN) for failed in failures)
        registry = self._services.registry
        if (is_ended or is_unknown) and registry.publication(self.path) is None:
            registry.end(self.path)  # viewers of before are still there
        if not self._rule.on_demand:
            return False
        self.is_unknown = is_unknown
        return is_ended or is_unknown

    async def _try(self, url: str) -> RelayFailed:
        self._tries += 1
        self._verdict = None
        self._silent_from = self._services.loop.time()
        try:
            if url.startswith("http"):
                return await self._try_http(url)
            if is_srt(url):
                return await self._try_srt(parse_srt_url(url))
            return await follow_redirects(parse_url(url), self._reach, self._try_rtmp)
        except RelayFailed as failed:
            return failed
        except SettingsError as error:
            return RelayFailed(Failure.WRONG, str(error))

    async def _try_rtmp(self, url: Url, look_up: LookUp) -> RelayFailed:
        step_s = STEP_S if len(self._sources) > 1 else START_S
        settings = ClientSettings(
            url,
            "play",
            is_enhanced=True,
            handshake_s=step_s,
            start_s=step_s,
            hops=(self._services.server_id,),
        )
        link = self._link = Link(self._services, settings, self._rule.trust, self)
        try:
            await link.open(look_up, self._links)
            return await link.wait()
        finally:
            self._link = None

    async def _try_srt(self, url: SrtUrl) -> RelayFailed:
        timeout_s = STEP_S if len(self._sources) > 1 else HANDSHAKE_S
        link = self._link = SrtLink(self._services, url, self, reads=True)
        if url.is_listener:
            self.change("connecting", "waits for a caller")
        try:
            look_up = self._reach.route(url.host).look_up
            await link.open(look_up, self._links, timeout_s=timeout_s)
            return await link.wait()
        finally:
            self._link = None

    async def _try_http(self, text: str) -> RelayFailed:
        url = parse_source(text)
        assert not isinstance(url, Url | SrtUrl)
        host, port = url.raw_host or "", url.port or 0
        route = self._reach.route(host)
        # Only to see whether it is there, and may be called; the address is used from then on.
        with await dial(host, port, route.look_up, own_ports(self._services)) as sock:
            route.pin(sock)
        playing = self._playing = self._services.loop.create_task(self._play(url, route.look_up))
        try:
            await asyncio.wait([playing])
            if playing.cancelled():
                return self._verdict or RelayFailed(Failure.LOST, "it is over", is_over=True)
            return playing.result()
        finally:
            playing.cancel()
            self._playing = None

    async def _play(self, url: "URL", look_up: LookUp) -> RelayFailed:
        trust = self._rule.trust
        timeouts = Timeouts()
        if len(self._sources) > 1:
            timeouts = Timeouts(connect_s=STEP_S, tls_s=STEP_S)
        loop = self._services.loop
        try:
            tls = TlsOptions(trust.ca, trust.fingerprint, trust.insecure)
            async with open_http(url, tls, timeouts, look_up) as reader:
                while (tags := await reader.read()) is not None:
                    if tags:
                        self.media(list(tags), loop.time())
                    if self._verdict is not None:
                        return self._verdict
        except PlaceForbidden as error:
            return RelayFailed(Failure.WRONG, why_forbidden(error))
        except SettingsError as error:
            return RelayFailed(Failure.WRONG, str(error))
        except Rejected as error:
            return RelayFailed(Failure.REFUSED, f"it refuses: {error}", code=error.code)
        except MediaError as error:
            return RelayFailed(Failure.LOST, str(error))
        except HeadendError as error:
            return RelayFailed(Failure.LOST, str(error))
        return RelayFailed(Failure.LOST, "it ended the stream")

    def _give_up(self, failed: RelayFailed) -> None:
        """Leave the source that is tried, or on air."""
        self._verdict = failed
        if self._link is not None:
            self._link.fail(failed)
        elif self._playing is not None:
            self._playing.cancel()

    def say_goodbye(self) -> None:
        publishing, self._publishing = self._publishing, None
        if publishing is not None:
            publishing.end()
        link, self._link = self._link, None
        if link is not None:
            link.finish()
        if self._playing is not None:
            self._playing.cancel()

    # ------------------------------------------------------------------ what the source tells

    def granted(self) -> None:
        """Do nothing: a source that grants the play may still have no media."""
        link = self._link
        if link is not None and link.server_id == self._services.server_id:
            self._give_up(RelayFailed(Failure.WRONG, f"{LOOP}: this is the server itself"))

    def media(self, tags: list[Tag], now: float) -> None:
        self._silent_from = now
        publishing = self._publishing
        if publishing is None:
            if self._verdict is not None:
                return
            publishing = Publishing(self._services, self, self.path, self.shown_url, hops=self.hops)
            try:
                publishing.begin(now)
            except Rejected as rejected:
                self._give_up(RelayFailed(Failure.REFUSED, rejected.description))
                return
            self._publishing = publishing
            self._has_brought = True
            self.begin_life()
        self._bytes += sum(len(tag.body) for tag in tags)
        publishing.publication.push(tags, now)

    def stalled(self) -> None:
        """Do nothing: a player sends too little to stall."""

    def drained(self) -> None:
        """Do nothing: a player sends too little to stall."""

    def lost(self) -> None:
        """Do nothing: `run` waits for the end of the connection."""

    # ------------------------------------------------------------------ time, figures

    @property
    def network(self) -> Figures | None:
        return self._link.figures if isinstance(self._link, SrtLink) else None

    def warnings(self) -> list[str]:
        return self._link.loss.findings() if isinstance(self._link, SrtLink) else []

    def sample(self) -> None:
        super().sample()
        if isinstance(self._link, SrtLink):
            self._link.loss.sample(self._link.figures)
        if len(self._sources) < 2:
            limit = self._services.settings.limits.publisher_silence_s
            if self._publishing is None:
                return  # viewers wait there
        elif self._publishing is None:
            limit = min(WAIT_S * 2**self._rounds, LONGEST_WAIT_S)
        else:
            limit = SILENCE_S
        silent = self._services.loop.time() - self._silent_from
        if silent >= limit and (self._link is not None or self._playing is not None):
            self._give_up(RelayFailed(Failure.LOST, f"it sent nothing for {silent:.1f} s"))

    def is_idle(self, now: float) -> bool:
        """Say whether nobody has watched for so long that fetching ends; asked once a second."""
        stream = self._services.registry.stream(self.path)
        if not self._rule.on_demand or (stream is not None and any(stream.sinks())):
            self.idle_since = None
            return False
        if self.idle_since is None:
            self.idle_since = now
        return now - self.idle_since >= self._services.settings.relay.idle_s

    @property
    def bytes(self) -> int:
        return self._bytes
