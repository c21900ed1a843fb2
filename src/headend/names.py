"""Names of streams: `APP/NAME`, which everybody may see, and what keeps a secret out of them."""

import re
from typing import Final
from urllib.parse import unquote

from headend.errors import LimitExceeded, ProtocolError
from headend.redaction import is_secret_name

MAX_PATH: Final = 1024  # bytes of app/name
MAX_SEGMENT: Final = 255  # bytes, the longest file name of common file systems
FORBIDDEN: Final = frozenset('\\:*?"<>|')  # with "/", what some file system does not take

KEY_PREFIX: Final = "hk_"  # a publish key given in place of a name starts so

# A key or a token, with nothing in front of it that could keep it from being one.
WHOLE_SECRET: Final = re.compile(r"hk_[A-Za-z0-9]{24,}|eyJ[\w-]{8,}\.[\w-]{8,}")
DECODINGS: Final = 3  # programs encode for each other, and some twice
# Tried only where a parameter can begin, so that it stays linear in hostile text.
PARAMETER: Final = re.compile(r"(?<![^?&;\s'\"])([^=?&;\s'\"]+=)([^&\s]*)")


def stream_path(text: str) -> str:
    """Return a stream's path that somebody typed or an address names, if it can be one.

    Args:
        text: `APP/NAME`, taken literally: nothing is dropped or decoded.

    Raises:
        ProtocolError: It cannot be one; the line says why, without repeating it.
        LimitExceeded: The path or a segment is too long.
    """
    segments = text.split("/")
    if not all(segments):
        raise ProtocolError("a segment of the stream's path is empty")
    check_segments(segments)
    check_for_secrets(segments)
    return text


def check_segments(segments: list[str]) -> None:
    """Refuse what cannot be the segments of a stream's path.

    Raises:
        ProtocolError: One holds what is not allowed; the line says what, without repeating it.
        LimitExceeded: The path or a segment is too long.
    """
    for index, segment in enumerate(segments, 1):
        where = f"segment {index} of the stream's path"
        for char in segment:
            if not char.isprintable():
                raise ProtocolError(f"{where} holds U+{ord(char):04X}, which cannot be printed")
            if char in FORBIDDEN:
                raise ProtocolError(f"{where} holds {char}, which is not allowed")
        if segment in (".", ".."):
            raise ProtocolError(f"{where} is {segment}, which is not allowed")
        if (size := len(segment.encode())) > MAX_SEGMENT:
            raise LimitExceeded(f"bytes of {where}", size, MAX_SEGMENT)
    if (size := len("/".join(segments).encode())) > MAX_PATH:
        raise LimitExceeded("bytes of the stream's path", size, MAX_PATH)


def check_for_secrets(segments: list[str]) -> None:
    """Refuse a key or token where a name belongs: names are shown to everybody."""
    for index, segment in enumerate(segments, 1):
        if holds_secret(segment):
            raise ProtocolError(
                f"segment {index} of the stream's path looks like a key or token, which belongs "
                "behind ?key= or ?token="
            )


def holds_secret(text: str) -> bool:
    """Say whether a key, a token or a parameter with a secret is in a text."""
    for _ in range(DECODINGS):
        if WHOLE_SECRET.search(text) or any(map(_is_secret, PARAMETER.finditer(text))):
            return True
        text = unquote(text)
    return False


def _is_secret(parameter: re.Match[str]) -> bool:
    """Say whether a parameter holds a secret; padding of base64 is no value."""
    name, value = parameter[1].removesuffix("="), parameter[2].strip("=")
    return bool(value) and is_secret_name(name)
