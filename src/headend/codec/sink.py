"""What every published stream has in common: tags, packets and frames."""

import asyncio
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

from headend.codec.encoding import Encoding
from headend.media.tag import Tag

if TYPE_CHECKING:
    from headend.codec.encode import Frame, FrameEncoder, PacketMuxer
    from headend.codec.flv_muxer import Packet


class TagSink(ABC):
    """Where a program writes tags, or what they are made of. One of these is used for a stream.

    Attributes:
        encoding: How frames are encoded; set it before the first one.
    """

    encoding: Encoding = Encoding()
    _encoder: "FrameEncoder | None" = None
    _muxer: "PacketMuxer | None" = None
    _started: float | None = None  # when a frame of time 0 would have been due

    @abstractmethod
    async def write(self, tag: Tag) -> None:
        """Send a tag."""

    async def write_packet(self, packet: "Packet") -> None:
        """Send a packet of PyAV as it is; of each container, the best video and audio go.

        Raises:
            MediaError: FLV cannot hold its codec.
            And what `write` raises.
        """
        from headend.codec.encode import PacketMuxer  # writers of tags do not load it

        if self._muxer is None:
            self._muxer = PacketMuxer()
        for tag in self._muxer.mux(packet):
            await self.write(tag)

    async def write_frame(self, frame: "Frame") -> None:
        """Encode a frame in a thread, and send it.

        Args:
            frame: Of PyAV, with pictures or sound; or a picture as a NumPy array of uint8, height ×
                width × 3 (RGB), × 4 (RGBA) or height × width (grey).

        Raises:
            MediaError: It is no frame, or the encoder does not take it.
            And what `write` raises.
        """
        from headend.codec.encode import FrameEncoder

        if self._encoder is None:
            self._encoder = FrameEncoder(self.encoding)
        timed = self._encoder.frame(frame)
        if self._encoder.encoding.is_paced:
            await self._pace(timed.time or 0.0)
        for tag in await asyncio.to_thread(self._encoder.encode, timed):
            await self.write(tag)

    async def flush(self) -> None:
        """Send what encoders and muxers have held back. The end of `async with` does so."""
        if self._muxer is not None:
            for tag in self._muxer.flush():
                await self.write(tag)
        if self._encoder is not None:
            for tag in await asyncio.to_thread(self._encoder.flush):
                await self.write(tag)

    async def _pace(self, time_s: float) -> None:
        """Wait until a frame is due."""
        now = asyncio.get_running_loop().time()
        if self._started is None:
            self._started = now - time_s
        await asyncio.sleep(self._started + time_s - now)
