"""What a store's own error texts mean, in a line for people.

They run over many lines, name retries and sources in Rust, and differ from release to release.
"""

import re
from typing import Final

CHARACTERS: Final = 160  # of a text that is given on as it is

_STATUS: Final = re.compile(r"status (\d{3})|\b(4\d\d|5\d\d) [A-Z][a-z]")
_CODE: Final = re.compile(r"<Code>([A-Za-z]{1,60})</Code>")
_RETRIES: Final = re.compile(r" in [\d.]+(?:ns|µs|ms|s)\b.*? - ")
_NO_ANSWER: Final = ("error sending request", "connection", "timed out", "dns")


def told(text: str) -> str:
    """Say in one line what went wrong."""
    code = _CODE.search(text)
    if code is not None:
        return f"it answers {code[1]}"
    status = _STATUS.search(text)
    if status is not None:
        return f"it answers {status[1] or status[2]}"
    first = text.strip().partition("\n")[0].strip()
    if any(each in first.lower() for each in _NO_ANSWER):
        return "it does not answer"
    return _RETRIES.sub(": ", first)[:CHARACTERS] or "it does not say why"
