"""The Python hooks of the settings, called where they can do no harm.

    gate ──► authorize ──► hooks' own loop, in a thread ──► coroutine functions
    bus  ──► queues  ─────►        (or threads)         ──► plain functions

The server's loop waits for a decision up to a limit, and for nothing else. A hook that blocks its
loop keeps other hooks waiting, which then fail too; it keeps no stream waiting.
"""

import asyncio
import importlib
import inspect
import logging
import sys
import threading
from asyncio import AbstractEventLoop
from collections import Counter
from collections.abc import Callable, Collection, Coroutine
from contextlib import suppress
from pathlib import Path
from types import ModuleType
from typing import Final, Literal, TypeVar

from headend.access.checked import checked
from headend.decisions import AccessRequest, Action, Allow, Decision, Deny, Redirect
from headend.errors import HeadendError, SettingsError
from headend.events import Event, Events
from headend.hooks import EventHook, Hooks, PlayRequest, PublishRequest, default

log = logging.getLogger(__name__)

T = TypeVar("T")

QUEUE: Final = 1000  # events that wait for one hook
THREADS: Final = 32  # plain functions at once; each that hangs takes one for good
EVENT_S: Final = 60.0  # that a hook may take over an event
REPORT_S: Final = 60.0  # between two lines on failures of one hook
STOP_S: Final = 2.0  # a server that stops waits so long for events to be handled

Fail = Literal["closed", "open"]


class HookError(HeadendError):
    """A hook failed, or took too long."""


def load(spec: str, folder: Path | None) -> Hooks:
    """Import the hooks of the settings.

    Args:
        spec: `module`, whose functions are in `headend.hooks.default`, or `module:object`: a
            `Hooks`, or one of those functions, which stands for all of them.
        folder: Where modules are looked for besides `sys.path`.

    Raises:
        SettingsError: There is no such object, or importing it failed.
    """
    module_name, _, names = spec.partition(":")
    if folder is not None and (entry := str(folder.resolve())) not in sys.path:
        sys.path.insert(0, entry)
    importlib.invalidate_caches()
    logger = logging.getLogger(module_name.partition(".")[0])
    if logger.level == logging.NOTSET:  # so that what it logs is seen as ours is
        logger.setLevel(logging.getLogger("headend").level)
    try:
        found: object = importlib.import_module(module_name)
        for name in filter(None, names.split(".")):
            found = getattr(found, name)
    except Exception as error:
        log.debug("hooks = %s", spec, exc_info=error)
        raise SettingsError(f'hooks = "{spec}": {type(error).__name__}: {error}') from error
    if isinstance(found, Hooks):
        return found
    if found in default or (isinstance(found, ModuleType) and not default.is_empty):
        return default
    if isinstance(found, ModuleType):
        text = "has no function with @headend.on_publish or the like; is its object to be named?"
        raise SettingsError(f'hooks = "{spec}": {text}')
    raise SettingsError(f'hooks = "{spec}": is no headend.hooks.Hooks, but {type(found)}')


class _Queue:
    """Events that wait for one hook.

    Attributes:
        given: How many were given to it; counted in the server's thread.
        done: How many it is done with; counted in the thread of the hooks.
    """

    def __init__(self, kind: type[Event], hook: EventHook) -> None:
        self.kind: Final = kind
        self.hook: Final = hook
        self.name: Final = _name(hook)
        self.events: Final[asyncio.Queue[Event]] = asyncio.Queue()
        self.given = 0
        self.done = 0

    @property
    def waiting(self) -> int:
        return self.given - self.done


class PythonHooks:
    """The Python hooks of the settings; an `Authorizer`. `start` and `close` once each.

    Attributes:
        timeout_s: That a decision may take.
        fail: What holds when a hook fails.
        calls: How often hooks were called, by their name.
        failures: How often they failed.
        lost: Events that a hook was not told of.
    """

    def __init__(
        self,
        hooks: Hooks,
        timeout_s: float,
        fail: Fail,
        loop: AbstractEventLoop | None = None,
    ) -> None:
        """Prepare.

        Args:
            hooks: What is called.
            timeout_s: See above, as for `fail`.
            loop: Where coroutine functions run: that of the server, if it is embedded in a program
                whose hooks they are. None: a loop of their own, in a thread.
        """
        self._hooks: Final = hooks
        self.timeout_s = timeout_s
        self.fail = fail
        self.calls: Final[Counter[str]] = Counter()
        self.failures: Final[Counter[str]] = Counter()
        self.lost: Final[Counter[str]] = Counter()
        self._thread: Final = (
            threading.Thread(target=self._run, name="hooks", daemon=True) if loop is None else None
        )
        self._loop: Final[AbstractEventLoop] = loop or asyncio.new_event_loop()
        self._tasks: list[asyncio.Task[None]] = []
        self._free: Final = threading.Semaphore(THREADS)
        self._queues: list[_Queue] = []
        self._reported: dict[str, float] = {}
        self._unsubscribe: Callable[[], None] | None = None

    @property
    def decides(self) -> bool:
        """A hook is asked who may publish or play."""
        return bool(self._hooks.publish or self._hooks.play)

    @property
    def actions(self) -> Collection[Action]:
        """What hooks are asked about."""
        asked: tuple[tuple[Action, bool], ...] = (
            ("publish", bool(self._hooks.publish)),
            ("play", bool(self._hooks.play)),
        )
        return [action for action, is_asked in asked if is_asked]

    def start(self, bus: Events) -> None:
        """Run the loop of the hooks, and tell them what happens from now on."""
        for kind, hook in self._hooks.events:
            queue = _Queue(kind, hook)
            self._queues.append(queue)
            self._tasks.append(self._loop.create_task(self._serve(queue)))
        if self._thread is not None:
            self._thread.start()
        self._unsubscribe = bus.subscribe(self._note)

    async def close(self) -> None:
        """Give events that wait some time, and stop calling hooks."""
        if self._unsubscribe is None:
            return
        self._unsubscribe()
        with suppress(HookError, TimeoutError):
            await self._within(self._drained(), STOP_S)
        if self._thread is not None:
            self._loop.call_soon_threadsafe(self._loop.stop)
            return
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    # ------------------------------------------------------------------ decisions

    async def authorize(self, request: AccessRequest) -> Decision:
        """Ask the hooks in their order; the first that denies or redirects decides."""
        asked: PublishRequest | PlayRequest
        is_publish = request.action == "publish"
        asked = (PublishRequest if is_publish else PlayRequest)(
            request.path,
            request.address,
            request.protocol,
            request.is_secure,
            request.key,
            request.token,
            request.key_id,
            request.subject,
            request.certificate,
            request.user_agent,
            request.session,
            request.query,
        )
        allowed = Allow()
        for hook in self._hooks.publish if is_publish else self._hooks.play:
            answer = await self._ask(hook, asked)  # type: ignore[arg-type]
            if isinstance(answer, Deny | Redirect):
                return answer
            if isinstance(answer, Allow):
                allowed = _both(allowed, answer)
        return allowed

    async def _ask(
        self,
        hook: Callable[[PublishRequest | PlayRequest], object],
        request: PublishRequest | PlayRequest,
    ) -> Allow | Deny | Redirect | None:
        """Ask one hook; what it can't answer follows `fail`."""
        name = _name(hook)
        self.calls[name] += 1
        try:
            answer = await self._within(self._call(hook, request), self.timeout_s)
        except TimeoutError:
            self._failed(name, HookError(f"no answer within {self.timeout_s:g} s"))
        except Exception as error:
            self._failed(name, error)
        else:
            return self._understood(name, answer)
        if self.fail == "open":
            return None
        raise HookError(f"hook {name} failed")

    def _understood(self, name: str, answer: object) -> Allow | Deny | Redirect | None:
        """Return what a hook answered; it may have meant no."""
        try:
            if answer is None:
                return None
            if isinstance(answer, Allow | Deny | Redirect):
                return checked(answer)
            raise HookError(f"it returned {type(answer).__name__}, not Allow, Deny or Redirect")
        except HeadendError as error:
            self._failed(name, HookError(f"{error}; that counts as no"))
        raise HookError(f"hook {name} failed")

    # ------------------------------------------------------------------ events

    def _note(self, event: Event) -> None:
        for queue in self._queues:
            if isinstance(event, queue.kind):
                if queue.waiting >= QUEUE:
                    self.lost[queue.name] += 1
                    fault = HookError(f"{QUEUE} events wait for it; some are lost")
                    self._failed(queue.name, fault)
                else:
                    queue.given += 1
                    if self._thread is None:
                        queue.events.put_nowait(event)
                    else:
                        self._loop.call_soon_threadsafe(queue.events.put_nowait, event)

    async def _serve(self, queue: "_Queue") -> None:
        """Tell one hook of its events, one after the other; in the loop of the hooks."""
        while True:
            event = await queue.events.get()
            self.calls[queue.name] += 1
            try:
                async with asyncio.timeout(EVENT_S):
                    await self._call(queue.hook, event)
            except TimeoutError:
                self._failed(queue.name, HookError(f"it took longer than {EVENT_S:g} s"))
            except Exception as error:
                self._failed(queue.name, error)
            finally:
                queue.done += 1
                queue.events.task_done()

    async def _drained(self) -> None:
        for queue in self._queues:
            await queue.events.join()

    # ------------------------------------------------------------------ calls

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_forever()
        tasks = asyncio.all_tasks(self._loop)
        for task in tasks:
            task.cancel()
        self._loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
        self._loop.close()

    async def _within(self, call: Coroutine[object, object, T], timeout_s: float) -> T:
        """Await in the server's loop what runs in that of the hooks."""
        if self._thread is None:
            async with asyncio.timeout(timeout_s):
                return await call
        future = asyncio.run_coroutine_threadsafe(call, self._loop)
        async with asyncio.timeout(timeout_s):
            return await asyncio.wrap_future(future)

    async def _call(self, hook: Callable[..., object], argument: object) -> object:
        """Call a hook; in the loop of the hooks."""
        if inspect.iscoroutinefunction(hook) or inspect.iscoroutinefunction(
            getattr(hook, "__call__", None)  # noqa: B004
        ):
            result = hook(argument)
        else:
            result = await self._in_thread(hook, argument)
        return await result if inspect.isawaitable(result) else result

    async def _in_thread(self, hook: Callable[..., object], argument: object) -> object:
        """Call a plain function in a thread that does not keep the process from ending."""
        if not self._free.acquire(blocking=False):
            raise HookError(f"{THREADS} calls of hooks hang")
        loop = self._loop
        future: asyncio.Future[object] = loop.create_future()

        def settle(result: object, error: BaseException | None) -> None:
            if future.done():
                return
            if error is None:
                future.set_result(result)
            else:
                future.set_exception(error)

        def run() -> None:
            result, failure = None, None
            try:
                result = hook(argument)
            except BaseException as error:  # the loop's side raises it again
                failure = error
            finally:
                self._free.release()
            with suppress(RuntimeError):  # the loop is closed
                loop.call_soon_threadsafe(settle, result, failure)

        threading.Thread(target=run, name=f"hook {_name(hook)}", daemon=True).start()
        return await future

    def _failed(self, name: str, error: Exception) -> None:
        """Count a failure, and log it now and then; from both threads."""
        self.failures[name] += 1
        now = self._loop.time()
        if now - self._reported.get(name, -REPORT_S) < REPORT_S:
            return
        self._reported[name] = now
        is_ours = isinstance(error, HookError)
        log.error(
            "hook %s failed%s (%d times so far)",
            name,
            f": {error}" if is_ours else "",
            self.failures[name],
            exc_info=None if is_ours else error,
        )


def _name(hook: Callable[..., object]) -> str:
    return str(getattr(hook, "__qualname__", None) or type(hook).__name__)


def _both(first: Allow, second: Allow) -> Allow:
    """Join what two hooks allow: the narrower limits, the later word on the rest."""
    return Allow(
        stream=second.stream or first.stream,
        max_viewers=_least(first.max_viewers, second.max_viewers),
        max_bit_rate=_least(first.max_bit_rate, second.max_bit_rate),
        max_duration_s=_least(first.max_duration_s, second.max_duration_s),
        expires_at=_least(first.expires_at, second.expires_at),
        subject=second.subject or first.subject,
        tags=(*first.tags, *second.tags),
        record=first.record if second.record is None else second.record,
    )


N = TypeVar("N", int, float)


def _least(one: N | None, other: N | None) -> N | None:
    return min((each for each in (one, other) if each is not None), default=None)
