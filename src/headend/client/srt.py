"""A stream over SRT, as a client publishes and plays it: MPEG-TS, through the system's libsrt."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Final, Never

from headend.client.timeouts import Timeouts
from headend.errors import MediaError, ProtocolError, RelayError
from headend.libsrt.calling import LINGER_S, SrtCall
from headend.libsrt.engine import borrow, give_back
from headend.media.codecs import parse_audio_header, parse_video_header
from headend.media.tag import AUDIO, VIDEO, Tag
from headend.media.ts_tags import TagMaker
from headend.net.places import LookUp
from headend.outputs.mpegts import TsEncoder, carries
from headend.srt_url import SrtUrl

MOST_WAITING: Final = 1024 * 1024  # bytes that are not read yet; then libsrt keeps them
FULL_S: Final = 0.01  # between tries to send while libsrt has no room
SAID_S: Final = 2.0  # an end so soon after the last bytes is said by the other end
REFUSED_S: Final = 2.0  # an end so soon after the beginning is a refusal


class SrtConnection:
    """One connection; made by `connect`, ended by `close`.

    Attributes:
        url: Where it leads.
    """

    def __init__(self, url: SrtUrl, timeouts: Timeouts) -> None:
        loop = asyncio.get_running_loop()
        self.url: Final = url
        self._timeouts = timeouts
        self._loop = loop
        self._engine = borrow(loop)
        self._call = SrtCall(self._engine, loop, url, self)
        self._encoder = TsEncoder()
        self._unsent: list[bytes] = []
        self._pieces: deque[bytes] = deque()
        self._waiting = 0  # bytes of them
        self._changed = asyncio.Event()
        self._gone = asyncio.Event()
        self._stood_at = self._heard_at = 0.0
        self._is_closed = False

    async def open(self, look_up: LookUp, *, reads: bool) -> None:
        """Wait until it stands.

        Raises:
            Rejected, RelayError, SrtError: It does not; see `SrtCall.open`.
        """
        await self._call.open(look_up, timeout_s=self._timeouts.connect_s)
        self._stood_at = self._heard_at = self._loop.time()
        if reads:
            self._call.read()

    async def close(self) -> None:
        """Leave, once what was sent is delivered."""
        if self._is_closed:
            return
        self._is_closed = True
        try:
            if not self._is_gone and self._call.has_sent:
                await asyncio.sleep(self._call.latency_ms / 1000 + LINGER_S)
        finally:
            self._call.close()
            await give_back(self._engine)

    # ------------------------------------------------------------------ what the connection tells

    @property
    def _is_gone(self) -> bool:
        return self._gone.is_set()

    def received(self, data: bytes) -> None:
        self._heard_at = self._loop.time()
        self._pieces.append(data)
        self._waiting += len(data)
        if self._waiting > MOST_WAITING:
            self._call.read(is_on=False)
        self._changed.set()

    def lost(self) -> None:
        self._gone.set()
        self._changed.set()

    # ------------------------------------------------------------------ playing

    @property
    def was_cut(self) -> bool:
        """The end came without a word of the other end."""
        return self._is_gone and self._loop.time() - self._heard_at >= SAID_S

    async def read(self) -> bytes | None:
        """Return bytes that have come; None: the connection is over.

        Raises:
            ProtocolError: Nothing came for too long.
            RelayError: It was closed as soon as it stood.
        """
        while not self._pieces:
            if self._is_gone:
                if self._heard_at == self._stood_at:
                    self._fail()
                return None
            self._changed.clear()
            try:
                async with asyncio.timeout(self._timeouts.silence_s):
                    await self._changed.wait()
            except TimeoutError:
                text = f"the server sent nothing for {self._timeouts.silence_s:g} s"
                raise ProtocolError(text) from None
        piece = self._pieces.popleft()
        was_full = self._waiting > MOST_WAITING
        self._waiting -= len(piece)
        if was_full and self._waiting <= MOST_WAITING:
            self._call.read()
        return piece

    def _fail(self) -> Never:
        place = self.url.place
        if self._loop.time() - self._stood_at < REFUSED_S:
            raise RelayError(
                f"{place} closed the connection at once: its log says why (stream id, key, name)"
            )
        raise RelayError(f"{place} closed the connection, or was lost")

    # ------------------------------------------------------------------ publishing

    @property
    def is_done(self) -> bool:
        """Nothing can be sent any more."""
        return self._is_gone

    async def receive(self) -> Never:
        """Wait until the connection is lost.

        Raises:
            RelayError: It is.
        """
        await self._gone.wait()
        self._fail()

    def send_tag(self, tag: Tag) -> None:
        """Encode a tag; `flush` sends it.

        Raises:
            MediaError: MPEG-TS does not carry its codec here.
        """
        if tag.is_sequence_header:
            _check(tag)
        self._encoder.append(self._unsent, tag, tag.timestamp)

    async def flush(self) -> None:
        """Send what is encoded; waits while libsrt has no room.

        Raises:
            RelayError: The connection is gone, or takes nothing.
        """
        data = b"".join(self._unsent)
        self._unsent.clear()
        until = self._loop.time() + self._timeouts.send_s
        while data:
            try:
                data = data[self._call.send(data) :]
            except OSError as error:
                raise RelayError("the connection was lost") from error
            if data and self._loop.time() > until:
                raise RelayError(f"the server took nothing for {self._timeouts.send_s:g} s")
            if data:
                await asyncio.sleep(FULL_S)


def _check(tag: Tag) -> None:
    if tag.kind not in (AUDIO, VIDEO):
        return
    header = (parse_video_header if tag.kind is VIDEO else parse_audio_header)(tag.body)
    for track in header.tracks:
        if not carries(track.codec):
            raise MediaError(f"MPEG-TS over SRT does not carry {track.codec} here")


async def connect(
    url: SrtUrl, timeouts: Timeouts, look_up: LookUp, *, reads: bool
) -> SrtConnection:
    """Connect; the caller closes the connection.

    Args:
        url: Where to, as caller or as listener.
        timeouts: How long each step may take.
        look_up: Says where connections may go.
        reads: The stream is played.

    Raises:
        SrtError: libsrt is missing, or the address cannot be used.
        Rejected: The other end refuses; holds its code.
        RelayError: It does not answer, or may not be called.
    """
    connection = SrtConnection(url, timeouts)
    try:
        await connection.open(look_up, reads=reads)
    except BaseException:
        await connection.close()
        raise
    return connection


@asynccontextmanager
async def open_srt(url: SrtUrl, timeouts: Timeouts, look_up: LookUp) -> AsyncIterator["SrtReader"]:
    """Ask for a stream; the connection stands when the block begins."""
    connection = await connect(url, timeouts, look_up, reads=True)
    try:
        yield SrtReader(connection)
    finally:
        await connection.close()


class SrtReader:
    """The tags of a connection."""

    def __init__(self, connection: SrtConnection) -> None:
        self._connection = connection
        self._maker = TagMaker()
        self._is_over = False

    @property
    def was_cut(self) -> bool:
        return self._connection.was_cut

    async def read(self) -> Sequence[Tag] | None:
        if self._is_over:
            return None
        data = await self._connection.read()
        if data is not None:
            return self._maker.receive_data(data)
        self._is_over = True
        return self._maker.flush()
