"""The drain of all workers, as the supervisor sees it: one for the whole server.

worker ── drain ──► supervisor ── drain ──► all others, and workers that start meanwhile
all workers ── drained ──► supervisor: stop
"""

from collections.abc import Sequence
from typing import Final

from headend.workers.pipe import Notice
from headend.workers.post import Post

GRACE_S: Final = 2.0  # after its end, for workers that do not say that they are done


class CommonDrain:
    """Whether the workers of a server drain, and which of them are done."""

    def __init__(self, posts: Sequence[Post]) -> None:
        """Begin without a drain; `posts` are those of all workers."""
        self._posts: Final = posts
        self._ends_at: float | None = None  # monotonic seconds, the same in all processes
        self._done: Final[set[int]] = set()

    def take(self, worker: int, notice: Notice) -> bool:
        """Take what a worker says; false: it is about something else."""
        match notice:
            case {"kind": "drain", "ends_at": float() | None as ends_at}:
                self._ends_at = ends_at
                self._done.clear()
                for post in self._posts:
                    if post.number != worker:
                        self._tell(post)
            case {"kind": "drained"}:
                self._done.add(worker)
            case _:
                return False
        return True

    def began(self, post: Post) -> None:
        """Take note of a worker that serves, and may have to drain."""
        self._done.discard(post.number)
        if self._ends_at is not None:
            self._tell(post)

    def is_over(self, now: float) -> bool:
        """Say whether all workers are done, or have had their time; `now` in monotonic seconds."""
        if self._ends_at is None:
            return False
        return len(self._done) == len(self._posts) or now >= self._ends_at + GRACE_S

    def _tell(self, post: Post) -> None:
        if post.pipe is not None:
            post.pipe.send({"kind": "drain", "ends_at": self._ends_at})
