"""The command `config`: effective settings, and the file that holds them."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from headend.cli import output
from headend.cli.serve import DEFAULT_FILE, ConfigFlag, DataFlag, SetFlag, load
from headend.errors import HeadendError, SettingsError

if TYPE_CHECKING:
    from headend.settings import LoadedSettings

JsonFlag = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]
WhatArgument = Annotated[
    str | None,
    typer.Argument(
        metavar="[FILE|APP/NAME]", help="Settings file, or a stream whose settings to show."
    ),
]
FileArgument = Annotated[Path | None, typer.Argument(metavar="[FILE]", help="Settings file.")]
FileFlag = Annotated[
    Path | None,
    typer.Option("-c", "--config", metavar="FILE", help="Settings file, as with other commands."),
]
ForceFlag = Annotated[bool, typer.Option("--force", help="Overwrite an existing file.")]

group = typer.Typer(help="Show and check settings.", no_args_is_help=False)


def register(app: typer.Typer) -> None:
    """Add the command to the program."""
    app.add_typer(group, name="config")


@group.command()
def show(
    config: ConfigFlag = None,
    data: DataFlag = None,
    settings: SetFlag = None,
    as_json: JsonFlag = False,
) -> None:
    """Show the settings in effect and where each came from; secrets are hidden."""
    loaded = load(config, settings or [], {"data": data})
    if as_json:
        output.result_json(_document(loaded))
    else:
        output.result(_listing(loaded))


def _document(loaded: "LoadedSettings") -> dict[str, dict[str, object]]:
    from headend.settings import plain_values

    return {
        key: {"value": value, "from": loaded.sources[key]}
        for key, value in plain_values(loaded.settings).items()
    }


def _listing(loaded: "LoadedSettings") -> str:
    """Lines that are a TOML document too, with the source of each value as its comment."""
    from headend.settings import plain_values, shown

    pairs = {
        key: f"{key} = {shown(key, value)}" for key, value in plain_values(loaded.settings).items()
    }
    width = max(len(pair) for pair in pairs.values())
    return "\n".join(f"{pair:<{width}}  # {loaded.sources[key]}" for key, pair in pairs.items())


@group.command()
def check(what: WhatArgument = None, config: FileFlag = None, as_json: JsonFlag = False) -> int:
    """Check a settings file alone, without environment and flags; exit code 2 if it is wrong.

    With APP/NAME: tell what holds for that stream, and which rule or setting says so.
    """
    if what is not None and _is_stream(what):
        _explain(what, load(config, [], {}), as_json=as_json)
        return 0
    return _check_file(_file(None if what is None else Path(what), config), as_json=as_json)


def _is_stream(what: str) -> bool:
    """Say whether an argument is the name of a stream, not of a file."""
    is_file = what.endswith(".toml") or what.startswith((".", "/", "~")) or Path(what).exists()
    return "/" in what and not is_file


def _explain(path: str, loaded: "LoadedSettings", *, as_json: bool) -> None:
    """Show what holds for the stream `APP/NAME`, with what says so."""
    from headend.settings import RuleBook, plain_value, shown

    said = RuleBook(loaded.settings).explain(path)
    values = {key: plain_value(key, each.value) for key, each in said.items()}
    sources = {key: each.source(key, loaded.sources) for key, each in said.items()}
    if as_json:
        pairs = {key: {"value": values[key], "from": sources[key]} for key in said}
        output.result_json({"stream": path, "settings": pairs})
        return
    lines = {key: f"{key} = {shown(key, values[key])}" for key in said}
    width = max(map(len, lines.values()))
    output.result("\n".join(f"{lines[key]:<{width}}  # {sources[key]}" for key in said))


def _check_file(file: Path, *, as_json: bool) -> int:
    from headend.settings import load_settings

    try:
        load_settings(file, environ={})
    except SettingsError as error:
        problems = [str(error), *getattr(error, "__notes__", ())]
    else:
        problems = []
    if as_json:
        output.result_json({"file": str(file), "ok": not problems, "problems": problems})
    elif not problems:
        output.result(f"{file}: ok")
    else:
        for problem in problems:
            output.fail(problem)
    return 2 if problems else 0


@group.command()
def schema() -> None:
    """Print the JSON schema of a settings file."""
    from headend.settings import Settings

    output.result_json(Settings.model_json_schema())


@group.command("reference")
def show_reference() -> None:
    """Print the reference of all settings, as Markdown."""
    from headend.settings import reference

    output.result(reference().rstrip("\n"))


@group.command()
def init(file: FileArgument = None, config: FileFlag = None, force: ForceFlag = False) -> None:
    """Write a settings file with every setting, its default and its purpose."""
    from headend import files
    from headend.settings import example_toml

    file = _file(file, config)
    content = example_toml().encode()
    try:
        if force:
            files.write(file, content)
        elif not files.create(file, content):
            raise HeadendError(f"{file} is there already; --force overwrites it")
    except OSError as error:
        raise files.fault(str(file), error) from error
    output.note(f"wrote {file}")


def _file(argument: Path | None, flag: Path | None) -> Path:
    """Return the file that is meant, named in either way.

    Raises:
        SettingsError: Both ways name one.
    """
    if argument is not None and flag is not None:
        raise SettingsError(f"-c {flag}: {argument} is named already; name one file")
    return argument or flag or DEFAULT_FILE
