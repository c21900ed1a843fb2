"""The commands as they are described: help without types of Python, and pages for `man`."""

from collections.abc import Iterator
from functools import partial
from typing import Any, Final

import typer.main

from headend import __version__

HELP_FLAGS: Final = ["-h", "--help"]
# What stands for a value that has no name of its own.
_WORDS: Final = {int: "N", float: "NUMBER", str: "TEXT"}


def program(app: typer.Typer) -> Any:
    """Return the program that runs an app's commands, its help ready to be read."""
    command = typer.main.get_command(app)
    command.context_settings["help_option_names"] = HELP_FLAGS
    for _, each in commands(command, ""):
        for parameter in each.params:
            if hasattr(parameter, "display_type_rich"):  # of newer versions of Typer
                parameter.display_type_rich = partial(_word, parameter)
    return command


def commands(command: Any, path: str) -> Iterator[tuple[str, Any]]:
    """Give a command and all below it, each with its words."""
    yield path, command
    for name, each in getattr(command, "commands", {}).items():
        yield from commands(each, f"{path} {name}".strip())


def asks_for_help(command: Any, words: list[str]) -> bool:
    """Say whether words name a group of commands and none of them."""
    for word in words:
        command = getattr(command, "commands", {}).get(word)
        if command is None:
            return False
    return hasattr(command, "commands") and not command.invoke_without_command


def _word(parameter: Any, ctx: object) -> str:
    """Return what stands for a parameter's value."""
    if parameter.metavar is not None:
        return "" if parameter.param_type_name == "argument" else str(parameter.metavar)
    kind = parameter.type_descriptor
    if kind.is_choice:
        return "|".join(map(str, kind.choices or ()))
    if parameter.param_type_name == "argument":
        return ""
    return _WORDS.get(kind.annotation, "TEXT")


# ---------------------------------------------------------------------- man pages


def man_pages(command: Any) -> dict[str, str]:
    """Return a page for each command, by its name such as `headend-key-create.1`."""
    found = list(commands(command, "headend"))
    return {
        f"{path.replace(' ', '-')}.1": _page(path, each, [name for name, _ in found])
        for path, each in found
        if not each.hidden
    }


def _page(path: str, command: Any, names: list[str]) -> str:
    context = command.make_context(path, [], resilient_parsing=True)
    lines = [
        f'.TH "{path.replace(" ", "-").upper()}" "1" "" "Headend {__version__}" "Headend"',
        ".SH NAME",
        _roff(f"{path.replace(' ', '-')} - {_first_line(command)}"),
        ".SH SYNOPSIS",
        f".B {_roff(path)}",
        _roff(" ".join(command.collect_usage_pieces(context))),
        ".SH DESCRIPTION",
        *(_roff(line) if line.strip() else ".PP" for line in (command.help or "").splitlines()),
    ]
    records = [each.get_help_record(context) for each in command.get_params(context)]
    if options := [record for record in records if record]:
        lines.append(".SH OPTIONS")
        for name, words in options:
            lines += [".TP", f".B {_roff(name)}", _roff(words)]
    below = [name for name in names if name.rpartition(" ")[0] == path]
    if below:
        lines.append(".SH COMMANDS")
        for name in below:
            lines += [".TP", f".BR {_roff(name.replace(' ', '-'))} (1)"]
    parent = path.rpartition(" ")[0]
    if parent:
        lines += [".SH SEE ALSO", f".BR {_roff(parent.replace(' ', '-'))} (1)"]
    return "\n".join(lines) + "\n"


def _first_line(command: Any) -> str:
    return (command.help or "").strip().split("\n")[0].rstrip(".")


def _roff(text: str) -> str:
    """Return text with nothing in it that roff takes for a command."""
    escaped = text.replace("\\", "\\e").replace("-", "\\-").strip()
    return f"\\&{escaped}" if escaped.startswith((".", "'")) else escaped
