"""Numbers of HLS that workers tell each other, so that a name goes on where its publisher goes.

worker 1: packages up to segment 41 ─ tells ─► worker 2: goes on with 42, behind a discontinuity
"""

from collections.abc import Callable
from dataclasses import asdict, replace
from time import time
from typing import Final
from weakref import WeakKeyDictionary

from headend.directory.port import Body, Directory
from headend.directory.values import Member
from headend.events import Event, StreamConnected, StreamDisconnected, StreamEnded
from headend.hls.numbers import First
from headend.hls.streams import HlsStream, HlsStreams
from headend.hub.stream import StreamState
from headend.live.services import Services

KIND: Final = "hls-numbers"  # of a message


class CrewNumbers:
    """Tells the other workers what this one has used, and takes what they tell."""

    def __init__(self, services: Services, hls: HlsStreams, directory: Directory) -> None:
        """Begin to tell.

        Args:
            services: What all connections share.
            hls: What is packaged here.
            directory: Passes messages on.
        """
        self._hls: Final = hls
        self._directory: Final = directory
        self._soon: Final[Callable[..., object]] = services.loop.call_soon
        self._told: Final[WeakKeyDictionary[HlsStream, int]] = WeakKeyDictionary()
        hls.observers.append(self)
        services.events.subscribe(self._take)

    def changed(self, stream: HlsStream) -> None:
        """Tell of each discontinuity, and of the end."""
        discontinuity = stream.playlists.following.discontinuity
        if stream.is_closed or self._told.get(stream) != discontinuity:
            self._told[stream] = discontinuity
            self._tell(stream)

    def _take(self, event: Event) -> None:
        if isinstance(event, StreamConnected | StreamDisconnected | StreamEnded):
            self._soon(self._look, event.stream)  # once what was held back is packaged

    def _look(self, path: str) -> None:
        stream = self._hls.find(path)
        if stream is not None:
            self._tell(stream)

    def _tell(self, stream: HlsStream) -> None:
        """Tell with which numbers another worker would go on.

        Only where the publisher is lost is it certain that this worker uses no more of them.
        """
        first = stream.playlists.following
        if stream.stream.state is StreamState.INTERRUPTED:
            first = replace(first, goes_on=True)
        else:
            first = replace(first, discontinuity=first.discontinuity + 1)
        self._directory.tell(None, KIND, {"path": stream.stream.path, **asdict(first)})

    # ------------------------------------------------------------------ what the directory tells

    def owner_changed(self, path: str) -> None:
        """Do nothing: what counts is what its owner tells."""

    def message(self, sender: Member, kind: str, body: Body) -> None:
        """Take what another worker has told."""
        if kind != KIND:
            return
        values = dict(body)
        path = str(values.pop("path"))
        self._hls.numbers.hear(path, First(**values), time())  # type: ignore[arg-type]
