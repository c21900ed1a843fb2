"""Lists in settings, read entry by entry: errors say which entry is wrong, and in which field."""

import json
from collections.abc import Callable, Collection, Sequence
from typing import Final, TypeVar

SHOWN_CHARACTERS: Final = 40  # of an entry's name, or of an item that is wrong

T = TypeVar("T")


def entries(
    items: Sequence[object], parse: Callable[[object], T], name: str = "name"
) -> tuple[T, ...]:
    """Read each entry of a list of tables.

    Args:
        items: The entries.
        parse: Reads one; raises ValueError with words for people.
        name: Field that tells entries apart for a person.

    Raises:
        ValueError: The words of the first that is wrong, behind its number and name.
    """
    read = []
    for number, item in enumerate(items, 1):
        try:
            read.append(parse(item))
        except ValueError as error:
            raise ValueError(f"entry {number}{_named(item, name)}: {error}") from None
    return tuple(read)


def _named(item: object, name: str) -> str:
    value = item.get(name) if isinstance(item, dict) else None
    return f" ({shown_item(value)})" if isinstance(value, str) and value else ""


def fields(
    item: object, needed: Collection[str], others: Collection[str] = ()
) -> dict[str, object]:
    """Return an entry as a table that has all fields it needs, and none that is not known.

    Raises:
        ValueError: It is none; says which field is meant, and shows no value.
    """
    known = ", ".join([*needed, *others])
    if not isinstance(item, dict):
        raise ValueError(f"it must be a table with the fields {known}")
    unknown = [name for name in item if name not in (*needed, *others)]
    if unknown:
        raise ValueError(f"unknown field {shown_item(unknown[0])}; known are {known}")
    missing = [name for name in needed if name not in item]
    if missing:
        raise ValueError(f"{missing[0]} is missing")
    return item


def texts(items: Sequence[object], is_right: Callable[[str], bool], form: str) -> tuple[str, ...]:
    """Return the items of a list of texts.

    Raises:
        ValueError: One is wrong; says `form` and which it is.
    """
    for item in items:
        if not isinstance(item, str) or not is_right(item):
            raise ValueError(f"{form}; {shown_item(item)} is none")
    return tuple(item for item in items if isinstance(item, str))


def shown_item(value: object) -> str:
    """Show an item in quotes, on one line, cut short."""
    text = json.dumps(value, default=str)
    return text if len(text) <= SHOWN_CHARACTERS else text[:SHOWN_CHARACTERS] + "…"
