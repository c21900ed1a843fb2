"""The program `headend`: its commands, and the one place where their errors end.

A command is a module of this package with `register(app)`, which adds its functions. It imports at
its head what is needed to describe it, and inside its functions what is needed to run it. A command
that is called by the name of its module is loaded alone, so that no command pays for another. It
returns its exit code, or None for 0.
"""

import logging
import os
import sys
import threading
import traceback
from collections.abc import Sequence
from contextlib import suppress
from importlib import import_module
from typing import Annotated, Final

import typer

from headend import __version__, logs
from headend.cli import completion, output
from headend.cli.pages import asks_for_help, program
from headend.errors import HeadendError, Rejected, SettingsError, UsageError, causes

DONE: Final = 0
FAILED: Final = 1
WRONG_USAGE: Final = 2
REFUSED: Final = 3
INTERRUPTED: Final = 130  # As a shell reports a program ended by SIGINT: 128 + 2.

# Modules of commands, in the order in which `headend --help` lists them.
COMMANDS: Final = (
    "serve",
    "demo",
    "publish",
    "play",
    "probe",
    "bench",
    "status",
    "drain",
    "healthcheck",
    "relay",
    "recordings",
    "key",
    "token",
    "tls",
    "audit",
    "privacy",
    "backup",
    "doctor",
    "service",
    "config",
    "completion",
)


def _show_version(wanted: bool) -> None:
    if wanted:
        output.result(f"headend {__version__}")
        raise typer.Exit


def _program(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version."),
    ] = False,
) -> None:
    pass


def build(names: Sequence[str] = COMMANDS) -> typer.Typer:
    """Build the program with the commands of some modules, or with all."""
    app = typer.Typer(
        name="headend",
        help="A live-streaming server: RTMP in, any number of viewers out.",
        add_completion=False,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
    )
    app.callback()(_program)
    for name in names:
        import_module(f"headend.cli.{name}").register(app)
    return app


def main() -> None:
    """Run the command that the program was called with, and end with its exit code."""
    code = run(sys.argv[1:])
    others = [each for each in threading.enumerate() if each is not threading.main_thread()]
    if all(each.daemon for each in others):
        sys.exit(code)
    # Python would wait for a thread that asks a name server or a disk: for ever, maybe.
    logs.flush()
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):
            stream.flush()
    os._exit(code)


def run(arguments: Sequence[str]) -> int:
    """Run a command, and tell an error in one line.

    Args:
        arguments: As on the command line, without the name of the program.

    Returns:
        Exit code: 0 done, 1 failed, 2 wrong usage or settings, 3 the other side refused,
        130 interrupted.
    """
    words = list(arguments)
    try:
        _complete_shells()
        # All commands take a fifth of a server's start to load.
        command = program(build(words[:1] if words[:1] and words[0] in COMMANDS else COMMANDS))
        if asks_for_help(command, words):
            words.append("--help")
        code = command.main(words, prog_name="headend", standalone_mode=False)
        return code if isinstance(code, int) else DONE
    except (KeyboardInterrupt, typer.Abort):
        return INTERRUPTED
    except Exception as error:
        logs.flush()  # what led to it comes first
        if _is_debug(arguments):
            for line in "".join(traceback.format_exception(error)).splitlines():
                output.note(line)
        text, code = _explain(error)
        output.fail(text)
        return code


def _complete_shells() -> None:
    """Have Typer's shells answer, when one asks what may follow."""
    if completion.VARIABLE in os.environ:
        from typer._completion_classes import completion_init

        completion_init()


def _is_debug(arguments: Sequence[str]) -> bool:
    # The log may not be set up yet when the error comes from the settings.
    return logging.getLogger("headend").isEnabledFor(logging.DEBUG) or (
        "--log-level debug" in " ".join(arguments).replace("=", " ")
    )


def _explain(error: BaseException) -> tuple[str, int]:
    """Put an error into words, with the exit code."""
    if isinstance(error, BaseExceptionGroup):
        return _explain(error.exceptions[0])
    if hasattr(error, "format_message"):
        # Typer's own errors, whose classes have moved between its versions.
        context = getattr(error, "ctx", None)
        where = "headend" if context is None else context.command_path
        return f"{error.format_message().rstrip('.')} (see {where} --help)", WRONG_USAGE
    if isinstance(error, SettingsError):
        more = len(getattr(error, "__notes__", ()))
        return f"{error} (and {more} more)" if more else str(error), WRONG_USAGE
    if isinstance(error, HeadendError) and not isinstance(error, UsageError):
        return str(error), REFUSED if _is_refusal(error) else FAILED
    if isinstance(error, MemoryError):
        return "this machine has not enough memory for that", FAILED
    if isinstance(error, OSError):
        return _explain_os_error(error), FAILED
    return f"bug: {type(error).__name__}: {error} (--log-level debug tells more)", FAILED


def _is_refusal(error: BaseException) -> bool:
    """Tell whether policy, ours or of another server, is the cause."""
    return any(isinstance(each, Rejected) for each in causes(error))


def _explain_os_error(error: OSError) -> str:
    reason = error.strerror or str(error) or "timed out"
    return f"{error.filename}: {reason}" if error.filename else reason
