"""The observer of the hub, which tells events and features what happens to streams."""

import logging
from asyncio import AbstractEventLoop
from time import time
from typing import Final
from weakref import WeakSet

from headend.events import (
    Event,
    Events,
    StreamActive,
    StreamConnected,
    StreamCreated,
    StreamDisconnected,
    StreamEnded,
    StreamIdle,
)
from headend.features.features import Features
from headend.hub.ports import Loss, StreamChange
from headend.hub.stream import Stream
from headend.logs import shown

log = logging.getLogger(__name__)


class StreamObserver:
    """The observer that makes events of what the hub tells; the hub's `Observer`."""

    def __init__(self, events: Events, loop: AbstractEventLoop, features: Features) -> None:
        self._events: Final = events
        self._loop: Final = loop
        self._features: Final = features
        self._known: Final[WeakSet[Stream]] = WeakSet()  # those that features were told of

    def stream_changed(self, stream: Stream, change: StreamChange, reason: Loss) -> None:
        if change is StreamChange.MOVED:
            self._known.discard(stream)
            self._features.stream_left(stream)
        elif not stream.is_copy:  # else its own server tells what happens to it
            is_new = change is StreamChange.CONNECTED and stream not in self._known
            if is_new or change is StreamChange.CREATED:
                self._created(stream)
            if change is not StreamChange.CREATED:
                self._events.emit(self._event(stream, change, reason))

    def _created(self, stream: Stream) -> None:
        if stream not in self._known:
            self._known.add(stream)
            self._events.emit(StreamCreated(time=time(), stream=stream.path))
            self._features.stream_began(stream)

    def _event(self, stream: Stream, change: StreamChange, reason: Loss) -> Event:
        now, path = time(), stream.path
        if change is StreamChange.CONNECTED:
            publisher = stream.publisher
            peer = "" if publisher is None else publisher.peer
            if stream.tags_in:  # another one, or again
                log.info("stream %s: on air is %s", shown(path), shown(peer))
            return StreamConnected(time=now, stream=path, publisher=peer)
        if change is StreamChange.ACTIVE:
            return StreamActive(time=now, stream=path)
        if change is StreamChange.DISCONNECTED:
            return StreamDisconnected(time=now, stream=path, reason=reason)
        if change is StreamChange.IDLE:
            return StreamIdle(time=now, stream=path)
        began = stream.began
        return StreamEnded(
            time=now,
            stream=path,
            reason=reason,
            bytes=stream.bytes_in,
            duration_s=0.0 if began is None else round(self._loop.time() - began, 3),
        )
