"""URLs as people are shown them: without user, query, and what in the path is or may be a key."""

import re
from collections.abc import Collection
from typing import Final, NamedTuple

HIDDEN: Final = "***"
LEAST_CHARACTERS: Final = 8  # of a key; what is shorter is a name
LEAST_REPEATED: Final = 4  # of a secret that is looked for in other texts

_PLACEHOLDER: Final = re.compile(r"\{[^{}]*\}")
_SEPARATORS: Final = "-_.~"
# What no person would call a stream or a page: sixteen letters and digits in a row, or a UUID.
_RUN: Final = re.compile(r"[A-Za-z0-9]{16,}")
_UUID: Final = re.compile(r"(?i)[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_MARKED: Final = re.compile(r"hk_|eyJ[\w-]{8,}\.")


class ShownUrl(NamedTuple):
    """A URL taken apart.

    Attributes:
        text: What may be shown of it.
        secrets: What may not: passwords, and keys in the path.
    """

    text: str
    secrets: tuple[str, ...]


def show_url(
    url: str, *, names: Collection[str] = (), has_key: bool = False, is_platform: bool = False
) -> ShownUrl:
    """Hide the secrets of a URL; one that may hold `{app}` and `{name}` to be filled in.

    Args:
        url: `SCHEME://[USER[:PASSWORD]@]HOST[:PORT][/PATH][?QUERY]`.
        names: What is no secret, wherever it stands: names of streams.
        has_key: Its last segment is where platforms have their keys: it is hidden unless it is one
            of `names`, is filled in, or is short.
        is_platform: It leads to a platform, whose keys are hidden however short they are.
    """
    head, question, _ = url.partition("?")
    scheme, separator, rest = head.partition("://")
    authority, slash, path = rest.partition("/")
    user, _, place = authority.rpartition("@")
    segments = path.split("/")
    last = max((number for number, each in enumerate(segments) if each), default=0)
    hidden = [
        number
        for number, each in enumerate(segments)
        if each not in names
        and (_is_random(each) or (has_key and number == last > 0 and _is_key(each, is_platform)))
    ]
    secrets = [user.partition(":")[2], *(segments[number] for number in hidden)]
    path = "/".join(HIDDEN if n in hidden else each for n, each in enumerate(segments))
    text = f"{scheme}{separator}{place}{slash}{path}{'?…' if question else ''}"
    literals = (part for secret in secrets for part in _PLACEHOLDER.split(secret))
    return ShownUrl(text, tuple(part for part in literals if len(part) >= LEAST_REPEATED))


def _is_key(segment: str, is_platform: bool) -> bool:
    literals = [part.strip(_SEPARATORS) for part in _PLACEHOLDER.split(segment)]
    if is_platform:
        return any(literals)
    return any(len(part) >= LEAST_CHARACTERS for part in literals)


def _is_random(segment: str) -> bool:
    if _UUID.search(segment) or _MARKED.search(segment):
        return True
    return any(
        sum(map(str.isdigit, run)) >= 2 and sum(map(str.isalpha, run)) >= 2
        for run in _RUN.findall(segment)
    )
