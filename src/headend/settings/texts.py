"""Texts of settings: how those of flags and the environment are read, and how people see them."""

import json
import re
import tomllib
from collections.abc import Callable
from typing import Final

from pydantic import BeforeValidator

# A wrong value is repeated in the error so that it is found, not so that it is read in full.
SHOWN_CHARACTERS: Final = 80
ITEM_CHARACTERS: Final = 40  # of an entry's name, or of an item that is wrong


def quoted(value: object, most: int = SHOWN_CHARACTERS) -> str:
    """Show a value of any source in quotes, on one line, without control characters, cut short."""
    text = json.dumps(value, default=str)
    return text if len(text) <= most else text[:most] + "…"


def shown_item(value: object) -> str:
    """Show an item of a list, as `quoted` does."""
    return quoted(value, ITEM_CHARACTERS)


def typed(text: str) -> object:
    """Read a text of a flag or the environment: a list, a table or a text in quotes as in the file.

    Returns:
        The value; any other text as it is.

    Raises:
        ValueError: It begins like one of these and is none; says so.
    """
    text = unquoted(text)
    match text[:1]:
        case "[":
            return listed_tables(text, f"it begins like a list and is none{_as_meant(text)}")
        case "{":
            return listed_tables(text, f"it begins like a table and is none{_as_meant(text)}")
        case '"' | "'":
            quotes = "it begins with a quote and is neither a text in quotes nor several"
            found = listed_tables(f"[{text}]", quotes)
            return found[0] if isinstance(found, list) and len(found) == 1 else found
    return text


def unquoted(text: str) -> str:
    """Return a text without the quotes around it, which a file of environment variables keeps."""
    text = text.strip()
    inner = text[1:-1]
    is_quoted = len(text) > 1 and text[0] == text[-1] and text[0] in "\"'"
    return inner if is_quoted and text[0] not in inner and "\\" not in inner else text


def _as_meant(text: str) -> str:
    """Say how it would be right; most likely a shell took the quotes away."""
    if not text.endswith("]") or set(text[1:-1]) & set("[]{}\"'"):
        return ": texts in it need quotes, and all of it others that keep them from the shell"
    items = [item.strip() for item in text[1:-1].split(",")]
    return f": write '{json.dumps(items, ensure_ascii=False)}' with all these quotes"


def listed(text: str) -> list[object]:
    """Read a list from a flag or the environment: `a, b`, or `["a", "b"]` as in the file.

    Raises:
        ValueError: It begins like a list and is none; says so.
    """
    found = typed(text)
    if isinstance(found, list):
        return found
    if not isinstance(found, str):
        raise ValueError
    return split(found)


def split(text: str) -> list[object]:
    """Return what stands between the commas of a text."""
    return [item.strip() for item in text.split(",") if item.strip()]


def listed_tables(text: str, form: str) -> object:
    """Read a list of tables from a flag or the environment: JSON, or TOML as in the file.

    Raises:
        ValueError: It is neither; says `form`.
    """
    try:
        return json.loads(text or "[]")
    except (ValueError, RecursionError):
        pass
    try:
        (value,) = tomllib.loads(f"value = {text}").values()
    except (ValueError, RecursionError):
        raise ValueError(form) from None
    return value


def texts(value: object, is_right: Callable[[str], bool], form: str) -> tuple[str, ...]:
    """Return the items of a list of texts, or of one text with commas as in the environment.

    Raises:
        ValueError: One is wrong; says `form` and which it is.
    """
    if isinstance(value, str):
        value = listed(value)
    if not isinstance(value, list | tuple):
        raise ValueError(form)
    for item in value:
        if not isinstance(item, str) or not is_right(item):
            raise ValueError(f"{form}; {shown_item(item)} is none")
    return tuple(value)


def text_like(pattern: re.Pattern[str], form: str) -> BeforeValidator:
    """Return what checks that a value is a text that a pattern fits; else its error is `form`."""

    def check(value: object) -> object:
        if not isinstance(value, str) or not pattern.fullmatch(value):
            raise ValueError(form)
        return value

    return BeforeValidator(check)
