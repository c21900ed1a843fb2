"""Words for what is wrong in a TOML file: the fault, what to write instead, line and column.

    tomllib: "Invalid value (at line 3, column 7)"  ┐
                                                    ├─► "invalid value: a text needs quotes, as in
    the line: wait = soon                           ┘   wait = "soon" (at line 3, column 7)"

The line itself is shown only as far as its key: a value may be a secret.
"""

import re
from typing import Final, NamedTuple

# In what tomllib says of a key or section that is given twice, also in two forms.
_TWICE: Final = ("twice", "Cannot overwrite", "Cannot mutate", "Cannot redefine")
_TWICE_HINT: Final = (
    "a section may be given once, as [auth] with its keys below or as auth.private = …"
)
_WORDS: Final = frozenset(("yes", "no", "on", "off", "none", "null", "nil"))
_CURLY: Final = "“”„‘’«»"


class _Fault(NamedTuple):
    """What tomllib says, and what stands there.

    Attributes:
        reason: Its words, without the place.
        before: The line up to the fault.
        after: The line from the fault on.
    """

    reason: str
    before: str
    after: str


def explain(text: str, message: str) -> str:
    """Say in one line what is wrong, how it would be right, and where.

    Args:
        text: The whole file.
        message: Of `tomllib.TOMLDecodeError`.
    """
    reason, line, column = _place(text, message)
    content = text.split("\n")[line - 1].rstrip("\r")
    fault = _Fault(reason, content[: column - 1], content[column - 1 :])
    hint = _hint(fault)
    return f"{reason}{f': {hint}' if hint else ''} (at line {line}, column {column})"


def _place(text: str, message: str) -> tuple[str, int, int]:
    match = re.fullmatch(r"(.*) \(at line (\d+), column (\d+)\)", message, re.DOTALL)
    if match is not None:
        return match[1], int(match[2]), int(match[3])
    # "(at end of document)": what is missing is missed there, behind the last line.
    lines = text.split("\n")
    return message.replace(" (at end of document)", " at the end"), len(lines), len(lines[-1]) + 1


def _hint(fault: _Fault) -> str:
    """Return what to do, in the words of somebody with the file; empty for what explains itself."""
    reason, before, after = fault
    if reason.startswith("Duplicate"):
        return "a key may be given once"
    if any(word in reason for word in _TWICE):
        return _TWICE_HINT
    if any(mark in before + after for mark in _CURLY):
        return 'quotes must be straight, as in "text", not “curly”'
    if (before + after).lstrip().startswith(("//", ";", "--")):
        return "a comment begins with #"
    if reason.startswith(("Unescaped", "Invalid hex", "Escaped")):
        return r"in double quotes a \ begins an escape; write the text in single quotes, or \\"
    if reason.startswith(("Illegal character", "Unterminated string")):
        return "a text ends, with its closing quote, on the line on which it begins"
    if reason.startswith("Unclosed"):
        return "a closing bracket is missing, or a comma between two items"
    if reason.startswith(("Expected ']'", "Expected ']]'")):
        return "a closing bracket is missing"
    if reason.startswith("Expected '='"):
        return _key_hint(before, after)
    if reason.startswith("Expected newline"):
        return _rest_hint(before, after)
    if reason.startswith(("Invalid value", "Invalid date")):
        return _value_hint(before, after)
    return ""


def _key_hint(before: str, after: str) -> str:
    key = _key(before.rstrip().rstrip(":"))
    if after.lstrip().startswith(":") or before.rstrip().endswith(":"):
        return f"write {key} = …, with = in place of :"
    return f"write {key} = … with a value, or [{key}] for a section"


def _rest_hint(before: str, after: str) -> str:
    """Say what to do about something behind a value that was read: most often its other half."""
    key, _, value = before.partition("=")
    if value.strip() == "0" and after[:1].isdigit():
        return "a number has no leading zeros"
    if re.fullmatch(r"[\d.+-]+", value.strip()):
        return (
            "a number of seconds has no unit; a size, an address or a date is a text in quotes, "
            f'as in {_key(key)} = "16 MiB"'
        )
    return "one key and its value a line; a text that holds quotes needs others around it"


def _value_hint(before: str, after: str) -> str:
    """Say how the value that begins there is written."""
    key = _key(before.partition("=")[0])
    word = re.split(r"[\s,\]}#]", after.strip(), maxsplit=1)[0]
    if not before:
        return "something that began on a line above is not closed"
    if not word:
        return f'write a value behind {key} =, such as "" for an empty text'
    if word.lower() in ("true", "false"):
        return f"write {word.lower()}, in small letters"
    if word.lower() in _WORDS:
        return 'write true or false, or a text in quotes, such as "off"'
    return f'a text needs quotes, as in {key} = "…"'


def _key(text: str) -> str:
    """Return a key as it stands there, or a word for it: in a list of many lines there is none."""
    return text.strip() if re.fullmatch(r"[\w.-]+", text.strip()) else "key"
