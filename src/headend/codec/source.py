"""What every played stream has in common: its tags, packets and frames."""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing, suppress
from typing import TYPE_CHECKING, Any, Literal, Self, TypeVar, overload

from headend.media.tag import Tag

if TYPE_CHECKING:
    import av
    import numpy as np
    from numpy.typing import NDArray

    from headend.codec.demux import Demuxer
    from headend.codec.flv_muxer import Packet

T = TypeVar("T")

FramePolicy = Literal["all", "newest"]


class TagSource(ABC):
    """A stream as an async iterator of tags, or of what can be made of them.

    One of these is used for a stream, by one task. `contextlib.aclosing` ends those that are left
    by `break` at once, and not when they are collected.

    Attributes:
        frames_skipped: Frames left out so far with policy `newest`.
    """

    frames_skipped = 0
    _demuxer: "Demuxer | None" = None

    def __aiter__(self) -> Self:
        return self

    @abstractmethod
    async def __anext__(self) -> Tag:
        """Return the next tag."""

    @property
    def faults(self) -> list[str]:
        """Damage that was left out while packets or frames were made, a line for each kind."""
        return [] if self._demuxer is None else self._demuxer.faults

    async def packets(self) -> "AsyncGenerator[Packet, None]":
        """Give PyAV's packets of the first track of each kind.

        Times are in milliseconds and do not wrap. A packet knows its stream: it can be decoded, and
        the stream be the template of one in a file. A change of codec is another stream.
        """
        from headend.codec.demux import Demuxer  # takers of tags do not load it

        demuxer = self._demuxer = Demuxer()
        async for tag in self:
            packet = demuxer.demux(tag)
            if packet is not None:
                yield packet

    @overload
    def frames(
        self, kind: Literal["video"] = "video", *, policy: FramePolicy = "all"
    ) -> "AsyncGenerator[av.VideoFrame, None]": ...

    @overload
    def frames(
        self, kind: Literal["audio"], *, policy: FramePolicy = "all"
    ) -> "AsyncGenerator[av.AudioFrame, None]": ...

    def frames(
        self, kind: Literal["video", "audio"] = "video", *, policy: FramePolicy = "all"
    ) -> "AsyncGenerator[Any, None]":
        """Give decoded frames; they are decoded in a thread, and the loop goes on.

        Args:
            kind: Of pictures or of sound.
            policy: `all` gives every frame, and a slow program gets late; `newest` decodes on its
                own, and gives a slow program the newest frame only.
        """
        return self._with(policy, kind, lambda frame: frame)

    def pictures(
        self, format: str = "rgb24", *, policy: FramePolicy = "all"
    ) -> "AsyncGenerator[NDArray[np.uint8], None]":
        """Give decoded pictures as NumPy arrays; needs NumPy, the extra `numpy`.

        Args:
            format: Of the pixels, by FFmpeg's names: `rgb24` (height × width × 3), `gray` …
            policy: As for `frames`.
        """
        return self._with(policy, "video", lambda frame: frame.to_ndarray(format=format))

    def _with(
        self, policy: FramePolicy, kind: str, convert: Callable[[Any], T]
    ) -> "AsyncGenerator[T, None]":
        frames = self._decoded(kind, convert)
        return frames if policy == "all" else self._newest(frames)

    async def _decoded(self, kind: str, convert: Callable[[Any], T]) -> AsyncGenerator[T, None]:
        from headend.codec.demux import decode

        stream = None
        async with aclosing(self.packets()) as packets:
            async for packet in packets:
                if packet.stream.type != kind:
                    continue
                assert self._demuxer is not None
                report = self._demuxer.report
                if stream is not None and packet.stream is not stream:
                    for frame in await asyncio.to_thread(decode, stream, None, convert, report):
                        yield frame
                stream = packet.stream
                for frame in await asyncio.to_thread(decode, stream, packet, convert, report):
                    yield frame
        if stream is not None:
            for frame in await asyncio.to_thread(decode, stream, None, convert, report):
                yield frame

    async def _newest(self, frames: AsyncGenerator[T, None]) -> AsyncGenerator[T, None]:
        """Take frames as fast as they come; give the newest one when one is wanted."""
        waiting: list[T] = []
        is_over = False
        changed = asyncio.Event()

        async def take() -> None:
            nonlocal is_over
            try:
                async for frame in frames:
                    self.frames_skipped += len(waiting)
                    waiting[:] = [frame]
                    changed.set()
            finally:
                is_over = True
                changed.set()

        taking = asyncio.create_task(take())
        try:
            while True:
                if waiting:
                    yield waiting.pop()
                elif is_over:
                    break
                else:
                    changed.clear()
                    await changed.wait()
            await taking
        finally:
            taking.cancel()
            with suppress(asyncio.CancelledError, Exception):
                await taking
            await frames.aclose()
