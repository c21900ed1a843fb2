"""Tests of the program's edge: exit codes, and errors in one line."""

import logging
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import typer

from headend import logs
from headend.cli import main
from headend.cli.main import run
from headend.errors import (
    HeadendError,
    MediaError,
    Refusal,
    Rejected,
    RelayError,
    SettingsError,
    UsageError,
)

SOURCE = Path(__file__).parents[2] / "src"

Capture = pytest.CaptureFixture[str]


@pytest.fixture
def fails(monkeypatch: pytest.MonkeyPatch) -> Callable[[BaseException], int]:
    """Run a command that raises, and return the exit code."""

    def run_failing(error: BaseException, *arguments: str) -> int:
        app = typer.Typer()

        @app.command(context_settings={"ignore_unknown_options": True})
        def command(rest: list[str] = typer.Argument(None)) -> None:  # noqa: B008
            raise error

        monkeypatch.setattr(main, "build", lambda names: app)
        return run(arguments)

    return run_failing


def _refused_by_relay() -> RelayError:
    error = RelayError("rtmp://b/live refused")
    error.__cause__ = Rejected(Refusal.REMOTE, "taken", code="NetStream.Publish.BadName")
    return error


def _led_back() -> RelayError:
    """As of a connection that was reset, whose error was raised again while it was closed."""
    error, reset = RelayError("the connection was lost"), ConnectionResetError()
    error.__cause__ = reset
    reset.__context__ = error
    return error


def _settings_error() -> SettingsError:
    error = SettingsError("live.wait_s = -1: must be more")
    error.add_note("another")
    return error


@pytest.mark.parametrize(
    ("error", "line", "code"),
    [
        (HeadendError("it broke"), "it broke", 1),
        (MediaError("bad tag"), "bad tag", 1),
        (SettingsError("live.wait_s is wrong"), "live.wait_s is wrong", 2),
        (_settings_error(), "live.wait_s = -1: must be more (and 1 more)", 2),
        (
            Rejected(Refusal.REMOTE, "no", code="NetStream.Publish.Denied"),
            "NetStream.Publish.Denied: no",
            3,
        ),
        (RelayError("rtmp://b/live: no route"), "rtmp://b/live: no route", 1),
        (_refused_by_relay(), "rtmp://b/live refused", 3),
        (FileNotFoundError(2, "No such file", "/x.flv"), "/x.flv: No such file", 1),
        (ConnectionRefusedError(111, "Connection refused"), "Connection refused", 1),
        (TimeoutError(), "timed out", 1),
        (OSError("bind failed"), "bind failed", 1),
        (ExceptionGroup("many", [HeadendError("first"), OSError()]), "first", 1),
        (UsageError("twice"), "bug: UsageError: twice (--log-level debug tells more)", 1),
        (_led_back(), "the connection was lost", 1),
        (MemoryError(), "this machine has not enough memory for that", 1),
        (ZeroDivisionError("x"), "bug: ZeroDivisionError: x (--log-level debug tells more)", 1),
        (HeadendError("rtmp://h/a?key=hush\x1b[2J b"), "rtmp://h/a?key=*** b", 1),
    ],
)
def test_every_error_is_one_line_and_an_exit_code(
    fails: Callable[..., int], capsys: Capture, error: BaseException, line: str, code: int
) -> None:
    assert fails(error) == code
    out, err = capsys.readouterr()
    assert out == ""
    assert err == f"headend: {line}\n"


@pytest.mark.parametrize("arguments", [[], ["--log-level", "debug"]])
def test_lines_of_the_log_come_before_the_error_that_they_led_to(
    fails: Callable[..., int],
    capsys: Capture,
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
) -> None:
    monkeypatch.setattr(logs, "flush", lambda: print("a line that waits", file=sys.stderr))
    fails(HeadendError("it broke"), *arguments)
    lines = capsys.readouterr().err.splitlines()
    assert (lines[0], lines[-1]) == ("a line that waits", "headend: it broke")
    assert lines.count("a line that waits") == 1


@pytest.mark.parametrize("error", [KeyboardInterrupt(), typer.Abort()])
def test_interruption_needs_no_words(
    fails: Callable[..., int], capsys: Capture, error: BaseException
) -> None:
    assert fails(error) == 130
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("arguments", [["--log-level", "debug"], ["--log-level=debug"]])
def test_traceback_is_shown_with_log_level_debug(
    fails: Callable[..., int], capsys: Capture, arguments: list[str]
) -> None:
    fails(HeadendError("it broke"), *arguments)
    err = capsys.readouterr().err
    assert "Traceback (most recent call last)" in err
    assert err.endswith("headend: it broke\n")


@pytest.fixture
def debug() -> Iterator[None]:
    log = logging.getLogger("headend")
    before = log.level
    log.setLevel(logging.DEBUG)
    yield
    log.setLevel(before)


class End(BaseException):
    """The process ends here, without a word to its threads."""


def end_at_once(code: int) -> None:
    raise End(code)


@pytest.mark.usefixtures("debug")
def test_traceback_is_shown_when_the_settings_say_debug(
    fails: Callable[..., int], capsys: Capture
) -> None:
    fails(HeadendError("it broke"))
    assert "Traceback (most recent call last)" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("others", "end"),
    [
        ((), SystemExit),
        ((threading.Thread(daemon=True),), SystemExit),
        ((threading.Thread(),), End),
    ],
    ids=["alone", "daemon", "thread that Python would wait for"],
)
def test_command_says_its_exit_code_whatever_its_threads_wait_for(
    others: tuple[threading.Thread, ...],
    end: type[BaseException],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    app = typer.Typer()
    app.command()(lambda: 3)
    monkeypatch.setattr(main, "build", lambda names: app)
    monkeypatch.setattr(sys, "argv", ["headend"])
    monkeypatch.setattr(threading, "enumerate", lambda: [threading.main_thread(), *others])
    monkeypatch.setattr(os, "_exit", end_at_once)
    with pytest.raises(end) as exit_:
        main.main()
    assert exit_.value.args == (3,)


def test_version_is_a_result(capsys: Capture) -> None:
    assert run(["--version"]) == 0
    assert capsys.readouterr().out.startswith("headend 0.")


def test_help_lists_the_commands(capsys: Capture) -> None:
    assert run(["--help"]) == 0
    out = capsys.readouterr().out
    assert "serve" in out
    assert "config" in out


@pytest.mark.parametrize(
    ("arguments", "head"),
    [
        ([], "Usage: headend [OPTIONS] COMMAND"),
        (["-h"], "Usage: headend [OPTIONS] COMMAND"),
        (["key"], "Usage: headend key [OPTIONS] COMMAND"),
        (["key", "-h"], "Usage: headend key [OPTIONS] COMMAND"),
        (["key", "create", "-h"], "Usage: headend key create [OPTIONS]"),
    ],
)
def test_help_is_shown_where_nothing_else_was_asked_for(
    arguments: list[str], head: str, capsys: Capture
) -> None:
    assert run(arguments) == 0
    out, err = capsys.readouterr()
    assert out.startswith(head)
    assert err == ""


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["srve"], "No such command 'srve'"),
        (["key", "mak"], "(see headend key --help)"),
        (["key", "create"], "Missing argument 'APP/NAME' (see headend key create --help)"),
        (["serve", "--foo"], "No such option: --foo (see headend serve --help)"),
        (["serve", "--log-level", "loud"], "'--log-level'"),
    ],
)
def test_wrong_usage_is_one_line_and_exit_code_2(
    capsys: Capture, arguments: list[str], words: str
) -> None:
    assert run(arguments) == 2
    out, err = capsys.readouterr()
    assert out == ""
    (line,) = err.splitlines()
    assert line.startswith("headend: ")
    assert words in line


def _python(*arguments: str) -> str:
    environ = os.environ | {"PYTHONPATH": str(SOURCE)}
    command = [sys.executable, *arguments]
    return subprocess.run(
        command, env=environ, stdout=subprocess.PIPE, text=True, check=True
    ).stdout


def _loaded(*arguments: str) -> set[str]:
    """Name the modules that a command line has loaded."""
    script = "import sys; from headend.cli.main import run; run(sys.argv[1:]); print(*sys.modules)"
    return set(_python("-c", script, *arguments).split())


def test_program_starts_without_what_only_some_commands_need() -> None:
    modules = _loaded("--help")
    assert {"headend.cli.serve", "headend.cli.token"} <= modules
    assert not {"aiohttp", "av", "asyncio", "pydantic", "uvloop", "rich"} & modules


@pytest.mark.parametrize("command", ["serve", "token"])
def test_command_is_loaded_without_the_others(command: str) -> None:
    loaded = _loaded(command, "--help")
    assert f"headend.cli.{command}" in loaded
    assert not {"headend.cli.backup", "headend.cli.doctor", "headend.cli.relay"} & loaded


@pytest.mark.parametrize("command", ["restore", "man"])
def test_second_command_of_a_module_is_known(
    command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run([command, "--help"]) == 0
    assert f"headend {command}" in capsys.readouterr().out


def test_package_is_the_program_too() -> None:
    assert _python("-m", "headend", "--version").startswith("headend 0.")
