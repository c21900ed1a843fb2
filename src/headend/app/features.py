"""The features of a server, and when it has a use for them: one line of FEATURES each.

A feature is imported when it is made, so that a server does not load what it does not use.
"""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import time
from typing import TYPE_CHECKING, Final, NamedTuple

from headend.app.parts import node
from headend.errors import SettingsError
from headend.features.feature import Feature
from headend.live.services import Services
from headend.settings import Settings

if TYPE_CHECKING:
    from headend.app.crew import Crew
    from headend.hooks import Hooks


log = logging.getLogger(__name__)

# Makes a feature of the program that embeds the server.
FeatureMaker = Callable[[Services], Feature]


@dataclass(frozen=True, slots=True)
class Ground:
    """Parts of a server from which its features are made.

    Attributes:
        services: What connections and features share.
        folder: Folder of the settings file, if there is one.
        hooks: Hooks of the program that embeds the server, if it brings some.
        has_http: There is a plain HTTP listener.
        has_tls: There is a TLS listener, for RTMPS and HTTPS.
        crew: Workers that serve together; None: this server is alone.
    """

    services: Services
    folder: Path | None
    hooks: "Hooks | None"
    has_http: bool
    has_tls: bool
    crew: "Crew | None" = None

    @property
    def settings(self) -> Settings:
        """The settings in effect."""
        return self.services.settings

    @property
    def is_first(self) -> bool:
        """It does what only one of several workers may do."""
        return self.crew is None or self.crew.worker.is_first

    @property
    def serves_http(self) -> bool:
        """There is HTTP, over TLS or not."""
        return self.has_http or self.has_tls


class Listed(NamedTuple):
    """An entry of the list.

    Attributes:
        make: Makes the feature.
        is_wanted: Says whether a server has a use for it now.
        needs_restart: Only the settings of the start count, as `NEEDS_RESTART` says of their keys.
    """

    make: Callable[[Ground], Feature]
    is_wanted: Callable[[Ground], bool]
    needs_restart: bool = False


def _recorder(ground: Ground) -> Feature:
    from headend.store.recorder import Recorder, SilentRecorder

    services = ground.services
    settings = services.settings
    if not ground.is_first:
        return SilentRecorder()
    recorder = Recorder(
        time,
        services.sessions.next_id,
        services.access.database,
        node(settings),
        retention_days=settings.audit.retention_days,
        history_days=settings.privacy.history_days,
    )
    services.events.subscribe(recorder.event)
    return recorder


def _integrations(ground: Ground) -> Feature:
    from headend.notify.integrations import Integrations

    services = ground.services
    return Integrations(
        services.runtime,
        services.access,
        node(services.settings),
        folder=ground.folder,
        own=ground.hooks,
        tells=ground.is_first,
    )


def _certificates(ground: Ground) -> Feature:
    from headend.tls.served import ServedCertificates

    runtime, crew = ground.services.runtime, ground.crew
    others = None if crew is None else crew.certificates
    return ServedCertificates(
        runtime, has_http=ground.has_http, others=others, orders=ground.is_first
    )


def _fallbacks(ground: Ground) -> Feature:
    from headend.fallback.fallbacks import Fallbacks

    return Fallbacks(ground.services)


def _relays(ground: Ground) -> Feature:
    from headend.relay.relays import Relays

    return Relays(ground.services, node(ground.settings), fetches_always=ground.is_first)


def _hls(ground: Ground) -> Feature:
    from headend.hls.streams import HlsStreams
    from headend.hls.viewers import HlsViewers

    services = ground.services
    viewers = HlsViewers(services.runtime, services.gate, services.sessions)
    return HlsStreams(services.runtime, services.registry, viewers)


def _cdn(ground: Ground) -> Feature:
    from headend.cdn.live_segments import LiveSegments

    return LiveSegments(ground.services, node(ground.settings))


def _recordings(ground: Ground) -> Feature:
    from headend.record.recordings import Recordings

    return Recordings(ground.services, node(ground.settings), keeps_house=ground.is_first)


def _played(ground: Ground) -> Feature:
    from headend.record.played import PlayedRecordings
    from headend.record.recordings import Recordings

    return PlayedRecordings(ground.services.features[Recordings])


def _media_files(ground: Ground) -> Feature:
    from headend.vod.files import MediaFiles

    return MediaFiles(ground.services)


def _srt(ground: Ground) -> Feature:
    from headend.srt.listening import SrtListening

    return SrtListening(ground.services)


def _has_srt(ground: Ground) -> bool:
    return bool(ground.settings.srt.listen) and ground.is_first


def _thumbnails(ground: Ground) -> Feature:
    from headend.thumbnails.thumbnails import Thumbnails

    return Thumbnails(ground.services.runtime)


def _recorders(ground: Ground) -> Feature:
    from headend.record.recorders import Recorders
    from headend.record.recordings import Recordings

    return Recorders(ground.services, ground.services.features[Recordings])


def _cluster(ground: Ground) -> Feature:
    if ground.crew is not None:
        raise SettingsError("cluster.redis needs one worker: several cannot be in a cluster yet")
    from headend.cluster.cluster import ClusterNode

    return ClusterNode(ground.services)


def _elsewhere_in_cluster(ground: Ground) -> Feature:
    from headend.cluster.cluster import ClusterNode
    from headend.elsewhere.elsewhere import Elsewhere
    from headend.trust import Trust

    cluster = ground.services.features[ClusterNode]
    trust = Trust(ground.settings.cluster.ca)
    return Elsewhere(ground.services, cluster.directory, cluster.secret, trust)


def _drain(ground: Ground) -> Feature:
    from headend.drain.drain import Drain

    drain = Drain(ground.services)
    if ground.crew is not None:
        ground.crew.drain_with(drain)
    return drain


def _always(ground: Ground) -> bool:
    return True


def _is_relaying(ground: Ground) -> bool:
    """Say whether there are relays, or an API that may add some."""
    relay = ground.settings.relay
    return bool(relay.out or relay.in_) or ground.serves_http


def _is_in_cluster(ground: Ground) -> bool:
    """Say whether there are other servers that share their streams."""
    return bool(ground.settings.cluster.redis.get_secret_value())


def _has_recordings(ground: Ground) -> bool:
    """Say whether streams are recorded, or may be over the API."""
    return ground.serves_http or ground.services.rules.uses("record.enabled")


def _elsewhere(ground: Ground) -> Feature:
    from headend.elsewhere.elsewhere import Elsewhere

    assert ground.crew is not None
    return Elsewhere(ground.services, ground.crew.directory, ground.crew.worker.secret)


def _passing(ground: Ground) -> Feature:
    from headend.http.passing import Passing

    assert ground.crew is not None
    return Passing(ground.services, ground.crew.directory)


def _is_in_crew(ground: Ground) -> bool:
    return ground.crew is not None


# In the order of their start.
FEATURES: Final = (
    Listed(_recorder, _always),
    Listed(_integrations, _always),
    Listed(_drain, _always),
    Listed(_certificates, lambda ground: ground.has_tls),
    Listed(_cluster, _is_in_cluster, needs_restart=True),
    Listed(_elsewhere_in_cluster, _is_in_cluster, needs_restart=True),
    Listed(_elsewhere, _is_in_crew),
    Listed(_passing, lambda ground: ground.crew is not None and ground.serves_http),
    Listed(_fallbacks, lambda ground: ground.services.rules.uses("live.fallback")),
    Listed(_relays, _is_relaying),
    Listed(_hls, lambda ground: ground.serves_http),
    Listed(_cdn, lambda ground: ground.serves_http and bool(ground.settings.hls.store)),
    Listed(_recordings, _has_recordings),
    Listed(_media_files, lambda ground: ground.settings.vod.folder is not None),
    Listed(_played, _has_recordings),
    Listed(_thumbnails, lambda ground: ground.serves_http),
    Listed(_recorders, _has_recordings),
    Listed(_srt, _has_srt, needs_restart=True),
)


def _listed(make: FeatureMaker) -> Listed:
    return Listed(lambda ground: make(ground.services), _always)


class FeatureList:
    """The list, gone through at the start and after each reload; what is made once stays."""

    def __init__(self, ground: Ground, own: Sequence[FeatureMaker] = ()) -> None:
        """Prepare.

        Args:
            ground: Parts from which features are made.
            own: Makers of features of the embedding program, which come after the others.
        """
        self._ground: Final = ground
        self._left = [*FEATURES, *map(_listed, own)]

    def make(self) -> None:
        """Make and start the features that the settings want and that are not there yet.

        Raises:
            SettingsError: A feature cannot start with them.
        """
        services = self._ground.services
        for listed in tuple(self._left):
            if listed.is_wanted(self._ground):
                self._left.remove(listed)
                services.features.add(listed.make(self._ground), list(services.registry.streams()))
        self._left = [listed for listed in self._left if not listed.needs_restart]

    def make_late(self) -> None:
        """Do the same while the server runs, which a bug of a feature does not end.

        Raises:
            SettingsError: As `make`.
        """
        while True:
            try:
                return self.make()
            except SettingsError:
                raise
            except Exception:  # it is not among those that are left: the others follow
                log.exception("a feature that the settings want now has failed: a bug")
