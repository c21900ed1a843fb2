"""Tests of headend.hooks and headend.notify.python_hooks."""

import asyncio
import sys
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from ipaddress import ip_address
from pathlib import Path

import pytest
from tests.harness import log_lines, run

from headend.decisions import AccessRequest
from headend.errors import SettingsError
from headend.events import Event, Events, StreamCreated, StreamEvent, StreamIdle
from headend.hooks import (
    Allow,
    Decision,
    Deny,
    Hooks,
    PlayRequest,
    PublishRequest,
    Redirect,
    default,
)
from headend.notify import python_hooks as module
from headend.notify.python_hooks import Fail, HookError, PythonHooks, load

PUBLISH = AccessRequest(
    "publish",
    "live/a",
    ip_address("10.0.0.7"),
    key="hk_secret",
    token="t0ken",
    key_id="pk_1",
    query={"sign": "s1gn"},
)
PLAY = AccessRequest("play", "live/a", None)


class Running:
    """Hooks that run, and a bus."""

    def __init__(self, hooks: Hooks, timeout_s: float, fail: Fail) -> None:
        self.bus = Events(lambda event, error: pytest.fail(str(error)))
        self.made = PythonHooks(hooks, timeout_s, fail)


@asynccontextmanager
async def running(
    hooks: Hooks, timeout_s: float = 5, fail: Fail = "closed"
) -> AsyncIterator[Running]:
    made = Running(hooks, timeout_s, fail)
    made.made.start(made.bus)
    try:
        yield made
    finally:
        await made.made.close()


def decide(hooks: Hooks, request: AccessRequest = PUBLISH, fail: Fail = "closed") -> Decision:
    """What hooks decide about one request."""
    decisions: list[Decision] = []

    async def main() -> None:
        async with running(hooks, fail=fail) as made:
            decisions.append(await made.made.authorize(request))

    run(main())
    return decisions[0]


def test_hook_sees_the_request_and_decides() -> None:
    hooks, seen = Hooks(), list[PublishRequest]()

    @hooks.on_publish
    async def check(request: PublishRequest) -> Deny:
        seen.append(request)
        return Deny("not today")

    assert decide(hooks) == Deny("not today")
    (request,) = seen
    assert (request.stream, request.app, request.name) == ("live/a", "live", "a")
    assert (str(request.address), request.key, request.key_id) == ("10.0.0.7", "hk_secret", "pk_1")
    assert request.query == {"sign": "s1gn"}
    assert "hk_secret" not in repr(request)
    assert "s1gn" not in repr(request)
    assert "t0ken" not in repr(request)


def test_publishers_and_viewers_have_hooks_of_their_own() -> None:
    hooks = Hooks()

    @hooks.on_play
    def check(request: PlayRequest) -> Redirect:
        return Redirect("rtmp://b.example/live/a")

    assert decide(hooks, PUBLISH) == Allow()
    assert decide(hooks, PLAY) == Redirect("rtmp://b.example/live/a")


def test_first_hook_that_denies_decides_and_those_that_allow_add_up() -> None:
    hooks, asked = Hooks(), list[str]()

    @hooks.on_publish
    def none(request: PublishRequest) -> None:
        asked.append("none")

    @hooks.on_publish
    def one(request: PublishRequest) -> Allow:
        return Allow("live/b", 10, 5, subject="Ann", tags=(("a", "1"),), record=True)

    @hooks.on_publish
    def two(request: PublishRequest) -> Allow:
        return Allow(max_viewers=20, max_bit_rate=3, expires_at=7, tags=(("b", "2"),))

    assert decide(hooks) == Allow("live/b", 10, 3, None, 7, "Ann", (("a", "1"), ("b", "2")), True)

    @hooks.on_publish
    def three(request: PublishRequest) -> Deny:
        return Deny("no")

    @hooks.on_publish
    def four(request: PublishRequest) -> None:
        asked.append("four")

    assert decide(hooks) == Deny("no")
    assert asked == ["none", "none"]


def test_hook_may_be_a_method_or_any_object_that_can_be_called() -> None:
    class Shop:
        async def check(self, request: PublishRequest) -> Allow:
            return Allow(subject="method")

        async def __call__(self, request: PublishRequest) -> Allow:
            return Allow(subject="object")

    for hook, subject in ((Shop().check, "method"), (Shop(), "object")):
        hooks = Hooks()
        hooks.on_publish(hook)
        assert decide(hooks) == Allow(subject=subject)


async def _raises(request: PublishRequest) -> Allow:
    raise ZeroDivisionError("oh")


def _raises_in_a_thread(request: PublishRequest) -> Allow:
    raise ZeroDivisionError("oh")


def _returns_nonsense(request: PublishRequest) -> str:
    return "yes"


def _renames_to_nonsense(request: PublishRequest) -> Allow:
    return Allow(stream="nonsense")


def _says_no_in_its_own_way(request: PublishRequest) -> bool:
    return False


@pytest.mark.parametrize("hook", [_returns_nonsense, _says_no_in_its_own_way, _renames_to_nonsense])
@pytest.mark.parametrize("fail", ["closed", "open"])
def test_answer_of_a_hook_that_is_none_lets_nobody_in(
    hook: object, fail: Fail, caplog: pytest.LogCaptureFixture
) -> None:
    hooks = Hooks()
    hooks.publish.append(hook)  # type: ignore[arg-type]
    with pytest.raises(HookError, match=r"hook _.* failed"):
        decide(hooks, fail=fail)
    (line,) = log_lines(caplog, "failed")
    assert "that counts as no" in line


@pytest.mark.parametrize("hook", [_raises, _raises_in_a_thread])
def test_hook_that_fails_lets_nobody_in_or_everybody(
    hook: object, caplog: pytest.LogCaptureFixture
) -> None:
    hooks = Hooks()
    hooks.publish.append(hook)  # type: ignore[arg-type]
    with pytest.raises(HookError, match=r"hook _r.* failed"):
        decide(hooks)
    assert decide(hooks, fail="open") == Allow()
    lines = log_lines(caplog, "failed")
    assert len(lines) == 2  # one for each run
    assert "hk_secret" not in caplog.text


@pytest.mark.parametrize("is_coroutine", [True, False])
async def test_hook_that_hangs_stalls_neither_the_loop_nor_other_hooks_for_long(
    is_coroutine: bool,
) -> None:
    hooks, release = Hooks(), threading.Event()

    async def waits(request: PublishRequest) -> None:
        await asyncio.sleep(60)

    def hangs(request: PublishRequest) -> None:
        release.wait(60)

    hooks.publish.append(waits if is_coroutine else hangs)
    hooks.on_play(lambda request: Deny("asked"))

    try:
        async with running(hooks, timeout_s=1) as made:
            with pytest.raises(HookError):
                await made.made.authorize(PUBLISH)
            assert await made.made.authorize(PLAY) == Deny("asked")
    finally:
        release.set()


async def test_coroutine_that_blocks_its_loop_does_not_block_the_servers() -> None:
    hooks, release = Hooks(), threading.Event()

    @hooks.on_publish
    async def blocks(request: PublishRequest) -> None:
        release.wait(60)

    async with running(hooks, timeout_s=1) as made:
        turns = 0

        async def turn() -> None:
            nonlocal turns
            while True:
                await asyncio.sleep(0.01)
                turns += 1

        turning = asyncio.create_task(turn())
        with pytest.raises(HookError):
            await made.made.authorize(PUBLISH)
        turning.cancel()
        assert turns >= 3
        release.set()
        assert sum(made.made.failures.values()) == 1


async def test_plain_functions_that_hang_do_not_take_all_threads_there_are(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "THREADS", 2)
    hooks, release = Hooks(), threading.Event()
    hooks.on_publish(lambda request: release.wait(60))

    async with running(hooks, timeout_s=0.05) as made:
        for _ in range(4):
            with pytest.raises(HookError):
                await made.made.authorize(PUBLISH)
        hanging = [each for each in threading.enumerate() if each.name.startswith("hook ")]
        assert len(hanging) == 2
        release.set()


async def test_hooks_are_told_of_events_by_kind_in_order() -> None:
    hooks, seen, others = Hooks(), list[str](), list[Event]()

    @hooks.on(StreamEvent)
    async def note(event: StreamEvent) -> None:
        await asyncio.sleep(0)
        seen.append(f"{event.name} {event.stream}")

    @hooks.on(StreamIdle)
    def note_idle(event: StreamIdle) -> None:
        others.append(event)

    @hooks.on(Event)
    def fail(event: Event) -> None:
        raise ZeroDivisionError

    async with running(hooks) as made:
        for number in range(20):
            made.bus.emit(StreamCreated(time=1, stream=f"live/{number}"))
        made.bus.emit(StreamIdle(time=2, stream="live/x"))
    assert seen == [f"stream.created live/{n}" for n in range(20)] + ["stream.idle live/x"]
    assert others == [StreamIdle(time=2, stream="live/x")]
    (name,) = made.made.failures
    assert made.made.failures[name] == 21


async def test_events_for_a_hook_that_hangs_are_bounded(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(module, "QUEUE", 5)
    monkeypatch.setattr(module, "STOP_S", 0.05)
    hooks, release = Hooks(), threading.Event()

    @hooks.on(StreamCreated)
    async def blocks(event: StreamCreated) -> None:
        release.wait(60)  # not even its loop turns

    try:
        async with running(hooks) as made:
            for _ in range(50):
                made.bus.emit(StreamCreated(time=1, stream="live/a"))
            assert sum(made.made.lost.values()) == 45
            began = time.monotonic()
            await made.made.close()
            assert time.monotonic() - began < 45
        assert len(log_lines(caplog, "5 events wait for it; some are lost")) == 1
    finally:
        release.set()


# ---------------------------------------------------------------------- loading


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder for modules that are forgotten afterwards."""
    monkeypatch.setattr(sys, "path", list(sys.path))
    yield tmp_path
    for file in tmp_path.glob("*.py"):
        sys.modules.pop(file.stem, None)


@pytest.fixture
def no_default(monkeypatch: pytest.MonkeyPatch) -> Hooks:
    """The default object, empty for once."""
    for name in ("publish", "play", "events"):
        monkeypatch.setattr(default, name, [])
    return default


def test_hooks_are_found_beside_the_settings(folder: Path) -> None:
    (folder / "my_hooks.py").write_text("from headend.hooks import Hooks\nhooks = Hooks()\n")
    assert isinstance(load("my_hooks:hooks", folder), Hooks)
    assert load("my_hooks:hooks", None) is load("my_hooks:hooks", folder)


SHORT = """
import headend
from headend.hooks import Deny, PlayRequest, PublishRequest, StreamIdle

@headend.on_publish
async def check(request: PublishRequest) -> Deny:
    return Deny("not today")

@headend.on_play
def watch(request: PlayRequest) -> None: ...

@headend.on(StreamIdle)
def idle(event: StreamIdle) -> None: ...

def other() -> None: ...
"""


@pytest.mark.parametrize("spec", ["short", "short:check", "short:watch", "short:idle"])
def test_functions_of_a_module_are_in_the_default_object(
    spec: str, folder: Path, no_default: Hooks
) -> None:
    (folder / "short.py").write_text(SHORT)
    hooks = load(spec, folder)
    assert hooks is no_default
    assert decide(hooks) == Deny("not today")
    assert [kind for kind, _ in hooks.events] == [StreamIdle]
    with pytest.raises(SettingsError, match=r"is no headend\.hooks\.Hooks"):
        load("short:other", folder)


async def test_two_servers_call_the_default_object_and_one_of_its_own_apart(
    folder: Path, no_default: Hooks
) -> None:
    (folder / "short.py").write_text(SHORT)
    own = Hooks()

    @own.on_publish
    def check(request: PublishRequest) -> Allow:
        return Allow(subject="own")

    hooks = load("short", folder)
    async with running(hooks) as one, running(hooks) as two, running(own) as other:
        assert await one.made.authorize(PUBLISH) == Deny("not today")
        assert await two.made.authorize(PUBLISH) == Deny("not today")
        assert await other.made.authorize(PUBLISH) == Allow(subject="own")
        assert one.made.calls == two.made.calls == {"check": 1}


@pytest.mark.usefixtures("no_default")
def test_module_that_registers_nothing_is_told(folder: Path) -> None:
    (folder / "long.py").write_text("from headend.hooks import Hooks\nhooks = Hooks()\n")
    with pytest.raises(SettingsError, match="has no function with @headend"):
        load("long", folder)


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ("no_such_module:hooks", "ModuleNotFoundError: No module named 'no_such_module'"),
        ("broken:hooks", "ZeroDivisionError: division by zero"),
        ("good:nothing", "AttributeError: module 'good' has no attribute 'nothing'"),
        ("good:number", "is no headend.hooks.Hooks"),
        ("unreadable:hooks", "SyntaxError"),
    ],
)
def test_hooks_that_cannot_be_loaded_are_told_in_one_line(
    spec: str, words: str, folder: Path
) -> None:
    (folder / "broken.py").write_text("1 / 0\n")
    (folder / "good.py").write_text("number = 1\n")
    (folder / "unreadable.py").write_text("def\n")
    with pytest.raises(SettingsError, match=f'hooks = "{spec}": ') as failure:
        load(spec, folder)
    assert words in str(failure.value)
    assert "\n" not in str(failure.value)


async def test_hooks_of_a_program_run_in_its_own_loop_and_leave_no_task() -> None:
    hooks, loops, told = Hooks(), list[asyncio.AbstractEventLoop](), list[str]()

    @hooks.on_publish
    async def check(request: PublishRequest) -> Deny:
        loops.append(asyncio.get_running_loop())
        return Deny("not today")

    @hooks.on_play
    async def hang(request: PlayRequest) -> None:
        await asyncio.Event().wait()

    @hooks.on(StreamEvent)
    async def note(event: StreamEvent) -> None:
        loops.append(asyncio.get_running_loop())
        told.append(event.stream)

    bus = Events(lambda event, error: pytest.fail(str(error)))
    made = PythonHooks(hooks, 0.05, "closed", asyncio.get_running_loop())
    made.start(bus)
    assert await made.authorize(PUBLISH) == Deny("not today")
    with pytest.raises(HookError, match="hang failed"):
        await made.authorize(PLAY)
    bus.emit(StreamCreated(time=0, stream="live/a"))
    await made.close()
    assert told == ["live/a"]
    assert set(loops) == {asyncio.get_running_loop()}
    assert len(asyncio.all_tasks()) == 1
