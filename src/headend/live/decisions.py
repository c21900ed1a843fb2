"""Decisions of the gate that come later, awaited without holding up anything else.

One task for each request that waits, until it is answered, cancelled or takes too long.
"""

import asyncio
import logging
from asyncio import AbstractEventLoop
from collections.abc import Callable, Coroutine
from typing import Final, TypeVar

from headend.errors import HeadendError, Refusal, Rejected
from headend.logs import Repeats

log = logging.getLogger(__name__)

DECISION_S: Final = 10.0  # longer than a database, a callback and a hook together may take

T = TypeVar("T")


class Decisions:
    """Requests of one peer that wait for a decision, by message stream."""

    __slots__ = ("_failures", "_loop", "_tasks")

    def __init__(self, loop: AbstractEventLoop, failures: Repeats) -> None:
        """Make it without requests.

        Args:
            loop: The running loop.
            failures: Tells the log of requests that could not be decided.
        """
        self._loop = loop
        self._failures = failures
        self._tasks: dict[int, asyncio.Task[None]] = {}

    def __len__(self) -> int:
        return len(self._tasks)

    def ask(
        self,
        number: int,
        question: Coroutine[None, None, T],
        answer: Callable[[T | Rejected], None],
    ) -> None:
        """Have a question answered.

        Args:
            number: Number of the message stream; no other question of that stream waits.
            question: Awaited for the decision; raises HeadendError if nobody can decide.
            answer: Called once with the decision, unless the question is cancelled before.
        """
        task = self._loop.create_task(self._wait(number, question, answer))
        self._tasks[number] = task

    def cancel(self, number: int) -> None:
        """Drop the question of a message stream; its answer is not called."""
        task = self._tasks.pop(number, None)
        if task is not None:
            task.cancel()

    def cancel_all(self) -> None:
        """Drop all questions, because the peer is gone."""
        for number in list(self._tasks):
            self.cancel(number)

    async def _wait(
        self,
        number: int,
        question: Coroutine[None, None, T],
        answer: Callable[[T | Rejected], None],
    ) -> None:
        result: T | Rejected
        try:
            async with asyncio.timeout(DECISION_S):
                result = await question
        except Rejected as rejected:
            # Its traceback holds this frame, which holds it: they would hold the peer together.
            result = rejected.with_traceback(None)
        except TimeoutError:
            result = Rejected(
                Refusal.UNDECIDED, f"it was not decided within {DECISION_S:g} s; try again"
            )
        except HeadendError as error:
            self._failures.add(f"a request could not be decided: {error}", self._loop.time())
            result = Rejected(Refusal.UNDECIDED, "it could not be decided just now; try again")
        except Exception:
            log.exception("a request could not be decided: a bug")
            result = Rejected(Refusal.UNDECIDED, "the server failed; its log tells more")
        del self._tasks[number]
        answer(result)
