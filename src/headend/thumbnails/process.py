"""The process that makes thumbnails, as the server starts it, asks it and ends it.

A picture that kills the process, or keeps it busy for too long, costs that process only.
"""

import asyncio
import os
import sys
from contextlib import suppress
from typing import Final

from headend.codec.still import Still
from headend.errors import MediaError

# As in thumbnail_worker.py, which this process never loads: it would load FFmpeg for it.
REQUEST_CODEC_BYTES: Final = 8
OK: Final = 0

START_S: Final = 20.0  # until a new process is ready; a quarter of a second on an idle machine
DECODE_S: Final = 5.0  # for one picture; a hundredth of it is usual
SECRETS: Final = "HEADEND_"  # environment variables that begin so hold settings


class DecoderLost(MediaError):
    """The decoder crashed or hung over a picture."""


class ThumbnailProcess:
    """One process, for one picture at a time; it is there from the first `make` until `close`."""

    def __init__(self) -> None:
        self._process: asyncio.subprocess.Process | None = None

    @property
    def pid(self) -> int | None:
        """The process, if it runs."""
        return None if self._process is None else self._process.pid

    async def make(self, still: Still, width: int) -> bytes:
        """Have a JPEG made, at most so wide.

        Raises:
            DecoderLost: It crashed or took too long; the next call starts another one.
            MediaError: The picture cannot be decoded.
        """
        try:
            if not self._is_running:
                await self.close()
                async with asyncio.timeout(START_S):
                    await self._start()
            async with asyncio.timeout(DECODE_S):
                kind, body = await self._ask(still, width)
        except TimeoutError:
            await self.close()
            raise DecoderLost(f"the decoder took more than {DECODE_S:g} s") from None
        except (asyncio.IncompleteReadError, ConnectionError):
            await self.close()
            raise DecoderLost("the decoder crashed") from None
        except BaseException:  # cancelled amid an answer: the next one would be taken for it
            await self.close()
            raise
        if kind != OK:
            raise MediaError(body.decode(errors="replace"))
        return body

    @property
    def _is_running(self) -> bool:
        process = self._process
        if process is None or process.returncode is not None:
            return False
        return process.stdin is not None and not process.stdin.is_closing()

    async def close(self) -> None:
        """End the process, if it runs."""
        process, self._process = self._process, None
        if process is not None:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()

    async def _start(self) -> None:
        environ = {name: v for name, v in os.environ.items() if not name.startswith(SECRETS)}
        self._process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-P", "-m", "headend.thumbnails.worker"),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            env=environ,
            start_new_session=True,  # Ctrl-C is the server's to handle
        )
        assert self._process.stdout is not None
        await self._process.stdout.readexactly(1)

    async def _ask(self, still: Still, width: int) -> tuple[int, bytes]:
        process = self._process
        assert process is not None
        assert process.stdin is not None
        assert process.stdout is not None
        numbers = (width, len(still.record), len(still.picture))
        head = still.codec.encode().ljust(REQUEST_CODEC_BYTES, b"\0")
        head += b"".join(number.to_bytes(4, "big") for number in numbers)
        process.stdin.writelines((head, still.record, still.picture))
        await process.stdin.drain()
        answer = await process.stdout.readexactly(5)
        return answer[0], await process.stdout.readexactly(int.from_bytes(answer[1:], "big"))
