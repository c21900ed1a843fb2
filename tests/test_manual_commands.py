"""The commands in the manuals: what they name is there."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer.main

from headend.cli.main import build

ROOT = Path(__file__).parent.parent
MANUALS = (ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")))
PROGRAM = typer.main.get_command(build())
TARGETS = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), flags=re.MULTILINE))


def commands(text: str) -> Iterator[list[str]]:
    """Give the words of each command in the blocks of a document, without comments."""
    blocks = re.findall(r"^```(\w*)\n(.*?)^```$", text, flags=re.DOTALL | re.MULTILINE)
    for block in (block for language, block in blocks if language in ("", "bash", "console", "sh")):
        for line in block.replace("\\\n", " ").splitlines():
            for part in re.split(r" [|;] | && ", line.partition("  #")[0]):
                try:
                    words = shlex.split(part.strip(), comments=True)
                except ValueError:  # a quote that another language leaves open
                    continue
                if words:
                    yield words


def unknown(words: list[str], command: Any = PROGRAM) -> str | None:
    """Tell what a command line of `headend` names that is not there."""
    while words and not words[0].startswith("-") and hasattr(command, "commands"):
        word, *words = words
        if word not in command.commands:
            return word
        command = command.commands[word]
    options = {name for each in command.params for name in (*each.opts, *each.secondary_opts)}
    named = [word.partition("=")[0] for word in words if re.match(r"-{1,2}[a-zA-Z]", word)]
    return next((option for option in named if option not in options | {"-h", "--help"}), None)


@pytest.mark.parametrize("manual", MANUALS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_command_of_a_manual_is_there(manual: Path) -> None:
    for words in commands(manual.read_text()):
        while words and re.fullmatch(r"[A-Z_]+=.*|exec|sudo|time", words[0]):
            words = words[1:]
        if words and words[0].rpartition("/")[2] == "headend":
            assert unknown(words[1:]) is None, " ".join(words)
        elif words and words[0] == "make":
            targets = [word for word in words[1:] if "=" not in word]
            assert set(targets) <= TARGETS, " ".join(words)


@pytest.mark.parametrize(
    ("line", "wrong"),
    [
        ("headend sing", "sing"),
        ("headend key invent live/a", "invent"),
        ("headend play --louder rtmp://a/b/c", "--louder"),
        ("headend serve --http :80", None),
        ("headend key create live/a", None),
    ],
)
def test_what_is_not_there_is_found(line: str, wrong: str | None) -> None:
    (words,) = commands(f"```\n{line}\n```\n")
    assert unknown(words[1:]) == wrong
