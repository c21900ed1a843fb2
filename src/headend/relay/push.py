"""This module sends one stream to one destination, for ever.

wait for media ─► connect ─► publish granted ─► viewer of the stream's fan-out ─► lost ─► again
"""

import asyncio
from typing import Final

from headend.errors import SettingsError
from headend.hub.stream import Stream, no_audience
from headend.live.loops import LOOP, route_of
from headend.live.services import Services
from headend.live.status import stream_configs
from headend.media.tag import Tag
from headend.media.track_config import TrackConfig
from headend.net.places import LookUp
from headend.outputs.fanout import Fanout, Viewer
from headend.outputs.first_media import FirstMedia
from headend.outputs.rtmp_publish import PublishEncoder, PublishFormat
from headend.relay.backoff import Failure
from headend.relay.dialling import Reach, RelayFailed
from headend.relay.link import HANDSHAKE_S, START_S, Link, Links, follow_redirects
from headend.relay.preset_check import check_codecs, check_preset, check_url, needs_enhanced
from headend.relay.target import Target
from headend.rtmp.client import ClientSettings
from headend.rtmp.url import Url, parse_url
from headend.settings.relay import RelayOut, fill
from headend.settings.relay_presets import PRESETS


class Push(Target):
    """See the module's head; also the tenant of its connection and the audience of its viewer."""

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
            path: The stream.
            rule: Where to.
            links: Those of all relays.
            reach: Where it may connect to.
        """
        super().__init__(services, relay, path)
        self._rule: Final = rule
        self._links: Final = links
        self._reach: Final = reach
        self._key: Final = None if rule.key is None else fill(rule.key.get_secret_value(), path)
        self._url_text: Final = fill(rule.url, path)
        self._link: Link | None = None
        self._stream: Stream | None = None
        self._fanout: Fanout | None = None
        self._viewer: Viewer | None = None
        self._format = PublishFormat(1)
        self._bytes = 0  # of connections that are over
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
        self._stream = stream
        return not first.is_over

    async def _try(self) -> RelayFailed:
        """Connect and send until it ends; return why it did."""
        self._tries += 1
        try:
            url = parse_url(self._url_text, self._key)
            if not url.name:
                raise SettingsError("the URL names no stream; give a key, or use {name}")
            return await follow_redirects(url, self._reach, self._connect)
        except SettingsError as error:
            return RelayFailed(Failure.WRONG, str(error))
        except RelayFailed as failed:
            return failed

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
            chunk_size=services.session_settings.chunk_size,
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
        link, stream = self._link, self._stream
        assert link is not None
        assert stream is not None
        came_through = (*route_of(self._services, self.path), self._services.server_id)
        if link.server_id in came_through:
            link.fail(RelayFailed(Failure.WRONG, f"{LOOP}: {self.path} comes from there"))
            return
        self._codecs = link.session.codecs
        self._format = PublishFormat(link.session.stream_id)
        fanout = stream.sink(self._format)
        if fanout is None:
            fanout = self._new_fanout(stream)
            stream.attach(self._format, fanout, audience=no_audience)
        assert isinstance(fanout, Fanout)
        self._fanout = fanout
        self._viewer = Viewer(link.transport, self)
        self.begin_life()
        fanout.add(self._viewer)

    def _new_fanout(self, stream: Stream) -> Fanout:
        live = self._services.rules.of(stream.path).live
        return Fanout(
            PublishEncoder(self._format, self._services.session_settings.chunk_size),
            self._services.poller.clock,
            log_s=live.log_s,
            log_bytes=live.log_bytes,
        )

    def media(self, tags: list[Tag], now: float) -> None:
        """A destination sends no media; one that does is not listened to."""

    def stalled(self) -> None:
        if self._fanout is not None and self._viewer is not None:
            self._fanout.stalled(self._viewer)

    def drained(self) -> None:
        if self._fanout is not None and self._viewer is not None:
            self._fanout.drained(self._viewer)

    def lost(self) -> None:
        """Be no viewer any more; a fan-out without viewers is dropped."""
        fanout, viewer, stream = self._fanout, self._viewer, self._stream
        if fanout is None or viewer is None or stream is None:
            return
        self._count(fanout, viewer)
        self._fanout = self._viewer = None
        fanout.remove(viewer)
        if not len(fanout) and stream.sink(self._format) is fanout:
            stream.detach(self._format)

    def _count(self, fanout: Fanout, viewer: Viewer) -> None:
        self._bytes += fanout.given(viewer)
        self._drops += viewer.skips

    def stream_ended(self) -> None:
        if self._fanout is not None and self._viewer is not None:
            self._count(self._fanout, self._viewer)
        self._fanout = self._viewer = None
        if self._link is not None:
            self._link.finish()

    # ------------------------------------------------------------------ figures

    @property
    def bytes(self) -> int:
        if self._fanout is None or self._viewer is None:
            return self._bytes
        return self._bytes + self._fanout.given(self._viewer)

    @property
    def behind_bytes(self) -> int:
        if self._fanout is None or self._viewer is None:
            return 0
        return self._fanout.behind(self._viewer) + self._viewer.writer.backlog

    @property
    def drops(self) -> int:
        return self._drops + (0 if self._viewer is None else self._viewer.skips)

    def _tracks(self) -> list[TrackConfig]:
        return [] if self._stream is None else stream_configs(self._stream)

    def warnings(self) -> list[str]:
        tracks = self._tracks()
        found = check_codecs(tracks, self._codecs) if self._fanout is not None else []
        preset = PRESETS.get(self._rule.preset)
        if preset is None or self._stream is None:
            return found
        try:
            url = parse_url(self._url_text, self._key)
        except SettingsError:
            return found  # the reason of its state says so
        interval = self._stream.keyframe_interval
        rates = self._services.rates
        rate = int(self._bit_rate) if rates is None else rates.of(self.path).bit_rate
        keyframe_s = None if interval is None else interval / 1000
        found += check_url(preset, url.host, is_tls=url.is_tls)
        return found + check_preset(preset, tracks, rate, keyframe_s)
