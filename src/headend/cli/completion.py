"""The commands `completion` and `man`: what shells and `man` know of the other commands."""

from pathlib import Path
from typing import Annotated, Final, Literal

import typer

from headend.cli import output

VARIABLE: Final = "_HEADEND_COMPLETE"  # set by the scripts when they ask
PAGE_MODE: Final = 0o644

ShellArgument = Annotated[
    Literal["bash", "zsh", "fish"], typer.Argument(metavar="SHELL", help="bash, zsh or fish.")
]
FolderArgument = Annotated[
    Path, typer.Argument(metavar="FOLDER", help="Folder for the pages, such as share/man/man1.")
]


def register(app: typer.Typer) -> None:
    """Add the commands to the program."""
    app.command()(completion)
    app.command("man")(write_man_pages)


def completion(shell: ShellArgument) -> None:
    """Print what makes a shell complete commands and flags.

    bash: headend completion bash > ~/.local/share/bash-completion/completions/headend
    """
    from typer._completion_shared import get_completion_script

    output.result(get_completion_script(prog_name="headend", complete_var=VARIABLE, shell=shell))


def write_man_pages(folder: FolderArgument) -> None:
    """Write a page for `man` of every command."""
    from headend import files
    from headend.cli.main import build
    from headend.cli.pages import man_pages, program

    pages = man_pages(program(build()))
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in pages.items():
            files.write(folder / name, text.encode(), PAGE_MODE)
    except OSError as error:
        raise files.fault(str(folder), error) from error
    output.note(f"wrote {len(pages)} pages to {folder}")
