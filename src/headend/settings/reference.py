"""The reference of all settings: one page made from the models.

docs/settings.md is this page; `headend config reference` writes it.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final, get_args

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from headend.settings.allowed import allowed
from headend.settings.keys import KEYS, NEEDS_RESTART, SECTIONS, is_secret, plain_values, shown
from headend.settings.model import Settings
from headend.settings.rules import RULE_KEYS, StreamRule
from headend.settings.secret_files import takes_file
from headend.settings.tables import Table
from headend.settings.values import Address, Network

_HEAD: Final = """\
# Settings

Every key of the settings file, with its default, what it takes and what it means. This page is made
from the program: `headend config reference` prints it. [guide.md](guide.md#settings) tells how
settings are given and changed.

| mark | means |
| --- | --- |
| restart | a change takes effect with the next start; every other key takes effect at a reload |
| rule | a `[[stream]]` rule may set it for some streams |
| secret | its value is never shown |
| or a file | `NAME_file` names a file that holds it, or a credential (`credential:NAME`) |
"""


def reference() -> str:
    """Return the page, in Markdown."""
    defaults = plain_values(Settings()) | {"data": ""}
    sections: dict[str, list[str]] = {}
    for key in KEYS:
        sections.setdefault(key.rpartition(".")[0], []).append(_entry(key, defaults[key]))
    parts = [_HEAD]
    for section, entries in sections.items():
        parts.append(f"## {section or 'Without a section'}\n")
        if section and (words := _words(SECTIONS[section])):
            parts.append(f"{words}\n")
        parts += ["| key | default | takes | meaning |", "| --- | --- | --- | --- |", *entries, ""]
        parts += _tables(section)
    return "\n".join(parts)


def _entry(key: str, default: object) -> str:
    marks = [
        word
        for word, is_so in (
            ("restart", key in NEEDS_RESTART),
            ("rule", key in RULE_KEYS),
            ("secret", is_secret(KEYS[key])),
            ("or a file", takes_file(KEYS[key])),
        )
        if is_so
    ]
    meaning = KEYS[key].description or ""
    if marks:
        meaning += f" ({', '.join(marks)})"
    return _row(f"`{key}`", f"`{shown(key, default)}`", takes(key, KEYS[key]), _text(meaning))


def _tables(section: str) -> Iterator[str]:
    """Describe the tables that keys of a section take a list of."""
    for key, info in KEYS.items():
        kinds = [kind for kind in get_args(info.annotation) if _is_table(kind)]
        if key.rpartition(".")[0] != section or not kinds:
            continue
        yield f"Each table `[[{key}]]`:\n"
        yield from ("| field | takes | meaning |", "| --- | --- | --- |")
        for name, field in kinds[0].model_fields.items():
            meaning = field.description or ""
            marks = ["required"] * field.is_required() + ["or a file"] * takes_file(field)
            if marks:
                meaning += f" ({', '.join(marks)})"
            yield _row(f"`{name}`", takes(name, field), _text(meaning))
        yield ""


def _is_table(kind: object) -> bool:
    return isinstance(kind, type) and issubclass(kind, Table)


def takes(key: str, info: FieldInfo) -> str:
    """Say what a value is, in a few words."""
    kinds = {info.annotation, *get_args(info.annotation)}
    if Path in kinds:
        return "a path, or empty" if type(None) in kinds else "a path"
    for kind, words in ((Address, "addresses"), (Network, "networks"), (StreamRule, "tables")):
        if kind in kinds:
            return f"a list of {words}"
    if any(map(_is_table, kinds)):
        return "a list of tables"
    if takes_file(info):
        return "a text"
    return allowed(key, info).removeprefix("must be ").partition(", such as")[0]


def _text(words: str) -> str:
    """Return words with no mark-up of Markdown in them."""
    return re.sub(r"([*<\[\]])", r"\\\1", words)


def _row(*cells: str) -> str:
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


def _words(model: type[BaseModel]) -> str:
    return (model.__doc__ or "").strip().partition("\n")[0]
