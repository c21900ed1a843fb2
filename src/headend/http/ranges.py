"""Byte ranges of HTTP, and answers whose body is ranges of files, here or in an object store.

Source: RFC 9110, 14 and 13.1.5.
"""

import asyncio
import re
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from aiohttp import web
from aiohttp.abc import AbstractStreamWriter

from headend.errors import StoreError
from headend.http.problems import Problem
from headend.net.asyncio_transport import AsyncioTransport
from headend.net.file_piece import FilePiece, FileReads

REMOTE_S: Final = 20.0  # a store that sends nothing for so long is away
RANGE: Final = re.compile(r"bytes=(\d{0,15})-(\d{0,15})", re.ASCII)


@dataclass(frozen=True, slots=True)
class FileRange:
    """Bytes of a file.

    Attributes:
        path: Path of the file.
        offset: Offset of the first byte.
        size: Number of bytes, at least one.
    """

    path: Path
    offset: int
    size: int


@dataclass(frozen=True, slots=True)
class RemoteRange:
    """Bytes of an object that is in a store.

    Attributes:
        read: Gives so many bytes from an offset on, in pieces; raises StoreError.
        offset: Offset of the first byte.
        size: Number of bytes, at least one.
    """

    read: Callable[[int, int], AsyncIterator[bytes]]
    offset: int
    size: int


class _Arriving:
    """A range whose first bytes have come from the store."""

    def __init__(self, first: bytes, rest: AsyncIterator[bytes]) -> None:
        self.first: Final = first
        self.rest: Final = rest


Piece = bytes | FileRange | RemoteRange


def byte_range(request: web.Request, size: int, etag: str) -> tuple[int, int] | None:
    """Return the first and the last byte that a request wants; `None`: all bytes.

    Several ranges, a range that makes no sense, and a range of another version are ignored.

    Args:
        request: The request of a client.
        size: Size of the whole body, bytes.
        etag: ETag of this version.

    Raises:
        Problem: 416: the range is outside.
    """
    wanted = RANGE.fullmatch(request.headers.get("Range", "").replace(" ", ""))
    if wanted is None or request.method != "GET":
        return None
    first, last = wanted[1], wanted[2]
    if not (first or last) or (first and last and int(last) < int(first)):
        return None
    if request.headers.get("If-Range", etag) != etag:
        return None
    if first:
        start, end = int(first), min(int(last or size), size - 1)
    else:
        start, end = max(size - int(last), 0), size - 1
    if start > end:
        where = {"Content-Range": f"bytes */{size}"}
        raise Problem(416, f"The range is not within {size} bytes.", headers=where)
    return start, end


def cut(pieces: Sequence[Piece], start: int, end: int) -> Iterator[Piece]:
    """Give what lies between two bytes of a row of pieces, the last one included."""
    at = 0
    for piece in pieces:
        size = len(piece) if isinstance(piece, bytes) else piece.size
        first, last = max(start - at, 0), min(end - at + 1, size)
        if first < last:
            if isinstance(piece, bytes):
                yield piece[first:last]
            else:
                yield replace(piece, offset=piece.offset + first, size=last - first)
        at += size


class PiecesResponse(web.StreamResponse):
    """An answer whose body is bytes and ranges of files, which are not read into memory.

    Attributes:
        sent: Bytes of the body, once it is sent.
    """

    def __init__(
        self, reads: FileReads, pieces: Sequence[Piece], status: int, headers: dict[str, str]
    ) -> None:
        """Prepare the answer.

        Args:
            reads: Reads what the kernel's cache does not have.
            pieces: The body.
            status: HTTP status.
            headers: All headers but the length.
        """
        super().__init__(status=status, headers=headers)
        self._reads: Final = reads
        self._pieces: Final = pieces
        sizes = (len(each) if isinstance(each, bytes) else each.size for each in pieces)
        self.content_length = sum(sizes)
        self.sent = 0

    async def send(self, request: web.Request) -> "PiecesResponse":
        """Send head and body; return once the client has taken nearly all of it.

        Raises:
            OSError: The first file is not there; the head was not sent.
            StoreError: The store does not give the first object; the head was not sent.
            ConnectionResetError: The client has left, or another piece cannot be had.
        """
        pieces = iter(self._pieces)
        first = await self._opened(next(pieces, b""))
        try:
            writer = await self.prepare(request)
        except BaseException:
            _close(first)
            raise
        assert writer is not None
        if request.method == "HEAD":
            _close(first)
            return self
        await self._write(request, writer, first)
        for piece in pieces:
            try:
                opened = await self._opened(piece)
            except (OSError, StoreError) as error:
                _abort(request)
                raise ConnectionResetError("a file of the answer is gone") from error
            await self._write(request, writer, opened)
        await self.write_eof()
        self.sent = self.content_length or 0
        return self

    async def _opened(self, piece: Piece) -> "bytes | FilePiece | _Arriving":
        if isinstance(piece, bytes):
            return piece
        if isinstance(piece, RemoteRange):
            rest = piece.read(piece.offset, piece.size)
            return _Arriving(await _next(rest), rest)
        return await self._reads.open(piece.path, piece.offset, piece.size)

    async def _write(
        self,
        request: web.Request,
        writer: AbstractStreamWriter,
        piece: "bytes | FilePiece | _Arriving",
    ) -> None:
        if isinstance(piece, bytes):
            await writer.write(piece)
            return
        if isinstance(piece, _Arriving):
            await _pass_on(request, writer, piece)
            return
        transport = request.transport
        if not isinstance(transport, AsyncioTransport):
            piece.close()
            raise ConnectionResetError("the client has left")
        writer.send_headers()
        transport.write_file(piece)
        await writer.drain()


async def _next(pieces: AsyncIterator[bytes]) -> bytes:
    """Return what comes next from a store; empty: nothing does."""
    try:
        async with asyncio.timeout(REMOTE_S):
            return await anext(pieces, b"")
    except TimeoutError as error:
        raise StoreError(f"the store has sent nothing for {REMOTE_S:g} s") from error


async def _pass_on(request: web.Request, writer: AbstractStreamWriter, piece: _Arriving) -> None:
    """Send what comes from a store, as fast as the client takes it."""
    body = piece.first
    try:
        while body:
            await writer.write(body)
            await writer.drain()
            body = await _next(piece.rest)
    except StoreError as error:
        _abort(request)
        raise ConnectionResetError("the store has ended its answer") from error


def _abort(request: web.Request) -> None:
    """Show the client that it has not got all."""
    if request.transport is not None:
        request.transport.abort()


def _close(piece: "bytes | FilePiece | _Arriving") -> None:
    if isinstance(piece, FilePiece):
        piece.close()
