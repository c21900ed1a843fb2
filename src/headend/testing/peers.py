"""Publishers and players in the background of a test, over the wire like any peer."""

import asyncio
from collections.abc import Coroutine, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, wait
from typing import Any, Final

from headend.client import TlsOptions, play, publish
from headend.embed.server import Form
from headend.media.tag import Tag
from headend.testing.clip import Clip, make_clip
from headend.testing.loop_thread import WITHIN_S, LoopThread, wait_for
from headend.testing.recording import Recording
from headend.testing.server import ServerThread

AHEAD_S: Final = 0.5  # of media sent at once, so that players have something to start with


class Peers:
    """Publishers and players of one test; `close` ends those that are left.

    Attributes:
        server: Where they go when they are given a path.
    """

    def __init__(self, server: ServerThread) -> None:
        self.server: Final = server
        self._loop = LoopThread("headend peers")
        self._peers: list[PeerPublishing | PeerPlaying] = []

    def publish(
        self,
        path: str,
        clip: Clip | None = None,
        *,
        form: Form = "rtmp",
        query: str = "",
        is_paced: bool = True,
        repeats: bool = True,
    ) -> "PeerPublishing":
        """Publish, in the background; returns once the server has granted it.

        Args:
            path: `APP/NAME`.
            clip: What; None: `make_clip()`.
            form: rtmp or rtmps.
            query: What follows the path behind a question mark, such as `key=hk_…`.
            is_paced: In real time; else as fast as the server takes it.
            repeats: Again and again, until it is stopped.

        Raises:
            HeadendError: As `headend.client.publish`; `Rejected` when the server refuses.
        """
        tags = (clip or make_clip()).repeated() if repeats else iter((clip or make_clip()).tags)
        publishing = PeerPublishing(self._loop, self._url(path, form, query), self._trust(form))
        self._peers.append(publishing)
        publishing.start(tags, is_paced=is_paced)
        return publishing

    def play(self, path: str, *, form: Form = "rtmp", query: str = "") -> "PeerPlaying":
        """Play, in the background; returns once the server has granted it.

        Args:
            path: `APP/NAME`.
            form: As of `headend.client.play`.
            query: What follows the path behind a question mark, such as `token=…`.

        Raises:
            HeadendError: As `headend.client.play`; `Rejected` when the server refuses.
        """
        playing = PeerPlaying(self._loop, self._url(path, form, query), self._trust(form))
        self._peers.append(playing)
        playing.start()
        return playing

    def close(self) -> None:
        """End those that are left, whatever became of them."""
        for peer in self._peers:
            peer.cancel()
        self._loop.close()

    def _url(self, path: str, form: Form, query: str) -> str:
        return self.server.url(path, form) + (f"?{query}" if query else "")

    def _trust(self, form: Form) -> TlsOptions | None:
        """Trust the server's own certificate, and check it like any other."""
        is_tls = form in ("rtmps", "https-flv", "wss-flv", "https-hls")
        return TlsOptions(ca=self.server.certificate) if is_tls else None


class _Peer:
    """What publishers and players have in common.

    Attributes:
        url: Where it publishes or plays.
    """

    def __init__(self, loop: LoopThread, url: str, tls: TlsOptions | None) -> None:
        self.url: Final = url
        self._loop = loop
        self._tls = tls
        self._granted: Future[None] = Future()
        self._done: Future[None] = Future()
        self._tags: list[Tag] = []

    def _begin(self, work: Coroutine[Any, Any, None]) -> None:
        """Run in the background; return once it is granted, or raise why it is not."""
        self._done = self._loop.start(work)
        wait({self._granted, self._done}, WITHIN_S, FIRST_COMPLETED)
        if self._done.done():
            self._done.result()

    @property
    def is_over(self) -> bool:
        """It is done, or has failed."""
        return self._done.done()

    def wait_failure(self, within_s: float = WITHIN_S) -> Exception:
        """Wait until it fails; return why.

        Raises:
            AssertionError: It goes on, or has ended well.
        """
        wait_for(lambda: self.is_over, lambda: f"{self.url} has not failed", within_s)
        error = None if self._done.cancelled() else self._done.exception()
        assert isinstance(error, Exception), f"{self.url} has ended without a failure"
        return error

    def _wait_tags(self, count: int, within_s: float) -> None:
        def look() -> bool:
            if self.is_over and len(self._tags) < count:
                self._done.result()
            return len(self._tags) >= count or self.is_over

        def what() -> str:
            return f"{len(self._tags)} of {count} tags at {self.url}"

        wait_for(look, what, within_s)
        assert len(self._tags) >= count, f"it ended with {what()}"

    def cancel(self) -> None:
        """End at once, as if the program had been killed."""
        self._done.cancel()


class PeerPublishing(_Peer):
    """A stream that is published in the background."""

    def __init__(self, loop: LoopThread, url: str, tls: TlsOptions | None) -> None:
        super().__init__(loop, url, tls)
        self._is_wanted = True

    def start(self, tags: Iterator[Tag], *, is_paced: bool) -> None:
        """Begin; `Peers.publish` does so."""
        self._begin(self._publish(tags, is_paced=is_paced))

    async def _publish(self, tags: Iterator[Tag], *, is_paced: bool) -> None:
        now = asyncio.get_running_loop().time
        async with publish(self.url, tls=self._tls) as out:
            self._granted.set_result(None)
            started = now() - AHEAD_S
            for tag in tags:
                if is_paced:
                    await asyncio.sleep(started + tag.timestamp / 1000 - now())
                if not self._is_wanted:
                    return
                await out.write(tag)
                self._tags.append(tag)

    @property
    def sent(self) -> list[Tag]:
        """What was sent so far."""
        return list(self._tags)

    def wait_sent(self, count: int, within_s: float = WITHIN_S) -> None:
        """Wait until so many tags were sent; raises what made it fail."""
        self._wait_tags(count, within_s)

    def wait_end(self, within_s: float = WITHIN_S) -> None:
        """Wait until all of a clip that does not repeat is sent; raises what made it fail."""
        self._done.result(within_s)

    def stop(self) -> list[Tag]:
        """End stream as an encoder does; return all that was sent, or raise why it failed."""
        self._is_wanted = False
        self.wait_end()
        return self.sent


class PeerPlaying(_Peer):
    """A stream that is played in the background."""

    def start(self) -> None:
        """Begin; `Peers.play` does so."""
        self._begin(self._play())

    async def _play(self) -> None:
        async with play(self.url, tls=self._tls) as stream:
            self._granted.set_result(None)
            async for tag in stream:
                self._tags.append(tag)

    @property
    def recording(self) -> Recording:
        """What has come so far."""
        return Recording(list(self._tags))

    def wait_tags(self, count: int, within_s: float = WITHIN_S) -> Recording:
        """Wait until so many tags have come; return all of them, or raise why it failed."""
        self._wait_tags(count, within_s)
        return self.recording

    def wait_media(self, duration_ms: int, within_s: float = WITHIN_S) -> Recording:
        """Wait until so much media has come; return all of it, or raise why it failed."""

        def what() -> str:
            return f"{duration_ms} ms of media at {self.url}; there is {self.recording}"

        def look() -> bool:
            if self.is_over:
                self._done.result()
            return self.is_over or self.recording.duration_ms >= duration_ms

        wait_for(look, what, within_s)
        assert self.recording.duration_ms >= duration_ms, f"it ended before {what()}"
        return self.recording

    def wait_end(self, within_s: float = WITHIN_S) -> Recording:
        """Wait until the stream is over; return all of it, or raise why it failed."""
        self._done.result(within_s)
        return self.recording

    def stop(self) -> Recording:
        """Play no more; return what has come."""
        self.cancel()
        return self.recording
