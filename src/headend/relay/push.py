"""One stream sent to one destination, for ever.

wait for media ─► connect ─► publish granted ─► viewer of the stream's fan-out ─► lost ─► again
"""

import asyncio
from functools import partial
from typing import Final

from headend.errors import Rejected, SettingsError
from headend.hub.stream import no_audience
from headend.live.granted_play import GrantedPlay
from headend.live.loops import LOOP, route_of
from headend.live.services import Services
from headend.live.status import stream_configs
from headend.live.watching import Watching
from headend.media.tag import Tag
from headend.media.track_config import TrackConfig
from headend.net.figures import Figures
from headend.net.places import LookUp
from headend.outputs.first_media import FirstMedia
from headend.outputs.mpegts import TsEncoder, carries
from headend.outputs.rtmp_publish import PublishEncoder, PublishFormat
from headend.relay.backoff import Failure
from headend.relay.dialling import Reach, RelayFailed
from headend.relay.link import HANDSHAKE_S, START_S, Link, Links, follow_redirects
from headend.relay.preset_check import check_codecs, check_preset, check_url, needs_enhanced
from headend.relay.srt_link import SrtLink
from headend.relay.target import Target
from headend.rtmp.client import ClientSettings
from headend.rtmp.url import Url, parse_url
from headend.settings.relay import RelayOut, fill, filled
from headend.settings.relay_presets import PRESETS
from headend.srt_url import SrtUrl, is_srt, parse_srt_url

RELAYED: Final = "mpegts relayed"  # key of the fan-out; viewers have one of their own


class Push(Target):
    """One stream that is sent: the tenant of its connection, and the watcher of its stream."""

    direction = "out"

    def __init__(
        self,
        services: Services,
        relay: str,
        path: str,
        rule: RelayOut,
        links: Links,
        reach: Reach,
    ) -> None:
        """Prepare.

        Args:
            services: What all connections share.
            relay: Id of the relay.
            path: `APP/NAME` of the stream.
            rule: The destination, and how to send to it.
            links: Connections of all relays.
            reach: Addresses that it may connect to.
        """
        super().__init__(services, relay, path)
        self._rule: Final = rule
        self._links: Final = links
        self._reach: Final = reach
        self._key: Final = None if rule.key is None else fill(rule.key.get_secret_value(), path)
        is_over_srt = is_srt(rule.url)
        self._url_text: Final = (filled if is_over_srt else fill)(rule.url, path)
        self._link: Link | SrtLink | None = None
        self._watching: Watching | None = None  # there once the stream has media
        self._bytes = 0  # of streams that are over
        self._drops = 0
        self._codecs: frozenset[str] | None = None

    @property
    def shown_url(self) -> str:
        return fill(self._rule.shown_url, self.path) + ("/***" if self._key else "")

    @property
    def secrets(self) -> tuple[str | None, ...]:
        key = None if self._key is None else self._key.partition("?")[0]
        return (self._key, key, *self._rule.secrets)

    # ------------------------------------------------------------------ tries

    async def run(self) -> None:
        while await self._has_media():
            failed = await self._try()
            if failed.is_over and not self._is_published:
                return
            await self.rest(failed)

    @property
    def _is_published(self) -> bool:
        """Somebody publishes the stream, or may come back."""
        stream = self._services.registry.stream(self.path)
        return stream is not None and stream.has_begun

    async def _has_media(self) -> bool:
        """Wait until there is something to send; false: the stream is over."""
        stream = self._services.registry.stream(self.path)
        if stream is None or not stream.has_begun:
            return False
        changed = asyncio.Event()
        first = FirstMedia(changed.set)
        key = ("relay", id(self))
        stream.attach(key, first, audience=no_audience)
        try:
            while not first.is_there and not first.is_over:
                changed.clear()
                await changed.wait()
        finally:
            if stream.sink(key) is first:
                stream.detach(key)
        self._bytes, self._drops = self.bytes, self.drops
        self._watching = Watching(self._services, self, stream)
        return not first.is_over

    async def _try(self) -> RelayFailed:
        """Connect and send until it ends; return why it did."""
        self._tries += 1
        try:
            if is_srt(self._url_text):
                return await self._try_srt(parse_srt_url(self._url_text))
            url = parse_url(self._url_text, self._key)
            if not url.name:
                raise SettingsError("the URL names no stream; give a key, or use {name}")
            return await follow_redirects(url, self._reach, self._connect)
        except SettingsError as error:
            return RelayFailed(Failure.WRONG, str(error))
        except RelayFailed as failed:
            return failed

    async def _try_srt(self, url: SrtUrl) -> RelayFailed:
        link = self._link = SrtLink(self._services, url, self, reads=False)
        await link.open(self._reach.route(url.host).look_up, self._links, timeout_s=HANDSHAKE_S)
        return await link.wait()

    async def _connect(self, url: Url, look_up: LookUp) -> RelayFailed:
        link = self._link = Link(self._services, self._settings(url), self._rule.trust, self)
        await link.open(look_up, self._links)
        return await link.wait()

    def _settings(self, url: Url) -> ClientSettings:
        services = self._services
        hops = (*route_of(services, self.path), services.server_id)
        return ClientSettings(
            url,
            "publish",
            is_enhanced=needs_enhanced(self._tracks()),
            chunk_size=services.rtmp.chunk_size,
            handshake_s=HANDSHAKE_S,
            start_s=START_S,
            hops=hops,
        )

    def say_goodbye(self) -> None:
        link, self._link = self._link, None
        if link is not None:
            link.finish()

    # ------------------------------------------------------------------ what the connection tells

    def granted(self) -> None:
        link, watching = self._link, self._watching
        assert link is not None
        assert watching is not None
        if isinstance(link, SrtLink):
            self.begin_life()
            watching.watch(link, RELAYED, TsEncoder)
            return
        came_through = (*route_of(self._services, self.path), self._services.server_id)
        if link.server_id in came_through:
            link.fail(RelayFailed(Failure.WRONG, f"{LOOP}: {self.path} comes from there"))
            return
        self._codecs = link.session.codecs
        self.begin_life()
        format = PublishFormat(link.session.stream_id)
        chunk_size = self._services.rtmp.chunk_size
        watching.watch(link.transport, format, partial(PublishEncoder, format, chunk_size))

    def media(self, tags: list[Tag], now: float) -> None:
        """Ignore media: a destination has none to send."""

    def stalled(self) -> None:
        if self._watching is not None:
            self._watching.stalled()

    def drained(self) -> None:
        if self._watching is not None:
            self._watching.drained()

    def lost(self) -> None:
        if self._watching is not None:
            self._watching.pause()

    def play_ended(self, _: GrantedPlay, why: Rejected | None) -> None:
        if self._link is not None:
            self._link.finish()

    # ------------------------------------------------------------------ figures

    @property
    def bytes(self) -> int:
        return self._bytes + (0 if self._watching is None else self._watching.bytes_out)

    @property
    def behind_bytes(self) -> int:
        return 0 if self._watching is None else self._watching.behind_bytes

    @property
    def drops(self) -> int:
        unsent = self._link.drops if isinstance(self._link, SrtLink) else 0
        return self._drops + unsent + (0 if self._watching is None else self._watching.skips)

    @property
    def network(self) -> Figures | None:
        return self._link.figures if isinstance(self._link, SrtLink) else None

    def sample(self) -> None:
        super().sample()
        if isinstance(self._link, SrtLink):
            self._link.loss.sample(self._link.figures)

    def _srt_warnings(self, tracks: list[TrackConfig]) -> list[str]:
        left_out = sorted({each.codec for each in tracks if not carries(each.codec)})
        found = [f"{codec} is left out: MPEG-TS does not carry it here" for codec in left_out]
        link = self._link
        return found + (link.loss.findings() if isinstance(link, SrtLink) else [])

    def _tracks(self) -> list[TrackConfig]:
        return [] if self._watching is None else stream_configs(self._watching.stream)

    def warnings(self) -> list[str]:
        tracks = self._tracks()
        watching = self._watching
        is_live = watching is not None and watching.is_watching
        if is_srt(self._url_text):
            return self._srt_warnings(tracks) if is_live else []
        found = check_codecs(tracks, self._codecs) if is_live else []
        preset = PRESETS.get(self._rule.preset)
        if preset is None or watching is None:
            return found
        try:
            url = parse_url(self._url_text, self._key)
        except SettingsError:
            return found  # the reason of its state says so
        interval = watching.stream.keyframe_interval
        rate = self._services.rates.of(self.path).bit_rate
        keyframe_s = None if interval is None else interval / 1000
        found += check_url(preset, url.host, is_tls=url.is_tls)
        return found + check_preset(preset, tracks, rate, keyframe_s)
