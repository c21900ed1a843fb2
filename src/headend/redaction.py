"""This module hides secrets in text: what looks like one, and those that it was told of.

It is a last defence: nothing should put a key into a log line or an error in the first place. Each
pattern is tried only where it can begin, so that hostile text costs time in proportion to its
length.
"""

import re
from collections.abc import Iterable
from typing import Final

HIDDEN: Final = "***"

# Shorter ones would hide common words wherever they stand.
LEAST_CHARACTERS: Final = 8

# Names of parameters and fields whose values are secrets; not `keyframe`, `keys` and `tokens`.
_IN_NAMES: Final = re.compile(
    r"(?i)key(?!frame|s(?![a-z]))|token(?!s(?![a-z]))|secret|passw|passphrase|pwd|credential"
    r"|signature|csrf|authorization|cookie"
)
_NAMES: Final = frozenset({"auth", "headend_session", "jwt", "pass", "response", "sig", "sign"})

# `key=`, also percent-encoded once or oftener; `%3F` may stand before it.
_NAME: Final = re.compile(r"(?i)(?<![\w.\-])([\w.\-]++)(?:=|%(?:25){0,3}3d)")
_ENCODED: Final = re.compile(r"^(?:25)*[0-9a-fA-F]{2}")
# What follows it: in quotes, or up to what ends it.
_VALUE: Final = re.compile(
    r"""\\*+(?:"(?:[^"\\]++|\\.)*+(?:"|$)|'(?:[^'\\]++|\\.)*+(?:'|$))"""
    r"""|(?:[^&\s"'<>]|["'](?=[\w\-]))++"""
)
# `"key": "…"` of JSON and of Python, whose quotes may be escaped.
_MEMBER: Final = re.compile(
    r"""(?<!\\)(\\*+["'])([\w.\-]++)(\1\s*+:\s*+)"""
    r"""(?:"(?:[^"\\]++|\\.)*+(?:"|$)|'(?:[^'\\]++|\\.)*+(?:'|$)|\\++"[^"]*+(?:"|$))"""
)
_HEADER: Final = re.compile(
    r"(?i)(?<![\w\-])(authorization|proxy-authorization|cookie|set-cookie|x-csrf-token)"
    r"""(["']?\s*+[:,]\s*+["']?)(?:(?:bearer|basic|digest)\s++)?[^\s"']++"""
)
_BEARER: Final = re.compile(r"(?i)(?<!\w)(bearer\s++)[\w.~+/\-]{16,}=*")
_KEY: Final = re.compile(
    r"(?:(?<![A-Za-z0-9])|(?<=%[0-9A-Fa-f]{2}))hk(?:_|%(?:25){0,3}5[fF])[\w\-%]++"
)
_JWT: Final = re.compile(r"eyJ[\w\-]{4,}+(?:\.[\w\-]*+){0,4}")
# `ann:pass@` after `://`; a password may hold what should have been percent-encoded.
# What begins as a port does (`ann:12345/x@host/a`) is one only if no host with a path follows.
_USER: Final = re.compile(
    r"(://)(?:[^/?#\s]{0,1024}@|[^/?#\s:]{0,256}:(?!\d{1,5}(?:[/?#\s]|$))[^\s@]{0,256}@"
    r"|[^/?#\s:]{0,256}:\d{1,5}[/?#][^\s@]{0,256}@(?=[\w.\-\[\]:]{1,256}/))"
)
_ENCODED_USER: Final = re.compile(r"(?i)(%3a%2f%2f)[\w.\-~%+]{0,256}?%40")

# What stands in our own words for a secret: `rtmp://USER:PASSWORD@HOST`, `?token=…`.
_STANDS_FOR_ONE: Final = frozenset({"KEY", "PASSWORD", "TOKEN", "VALUE", "…"})
_STANDS_FOR_USER: Final = "USER:PASSWORD@"

_known: frozenset[str] = frozenset()
_known_pattern: re.Pattern[str] | None = None


def protect(secrets: Iterable[str]) -> None:
    """Hide these secrets, and those told before, wherever they stand from now on."""
    global _known, _known_pattern
    more = {secret for secret in secrets if len(secret) >= LEAST_CHARACTERS}
    if not more <= _known:
        _known |= more
        longest_first = sorted(_known, key=len, reverse=True)
        _known_pattern = re.compile("|".join(map(re.escape, longest_first)))


def is_secret_name(name: str) -> bool:
    """Say whether what is called so must not be shown."""
    return name.lower() in _NAMES or _IN_NAMES.search(name) is not None


def redact(text: str) -> str:
    """Hide what looks like a key, a token, a password or the user of a URL."""
    if _known_pattern is not None:
        text = _known_pattern.sub(HIDDEN, text)
    if "://" in text:
        text = _USER.sub(_hide_user, text)
    if "%" in text:
        text = _ENCODED_USER.sub(rf"\1{HIDDEN}%40", text)
    if "=" in text or "%" in text:
        text = _hide_parameters(text)
    if ":" in text or "," in text:
        text = _HEADER.sub(rf"\1\2{HIDDEN}", text)
        text = _MEMBER.sub(_hide_member, text)
    text = _BEARER.sub(rf"\1{HIDDEN}", text)
    text = _KEY.sub(rf"hk_{HIDDEN}", text)
    return _JWT.sub(f"eyJ{HIDDEN}", text)


def _hide_user(match: re.Match[str]) -> str:
    user = match[0].removeprefix("://")
    return match[0] if user == _STANDS_FOR_USER else f"://{HIDDEN}@"


def _hide_parameters(text: str) -> str:
    parts, end = [], 0
    for match in _NAME.finditer(text):
        name = match[1]
        if text[match.start() - 1 : match.start()] == "%":
            name = _ENCODED.sub("", name, count=1)
        # One within a value that is hidden already is none.
        if match.start() >= end and is_secret_name(name):
            value = _VALUE.match(text, match.end())
            if value is not None and value[0] not in _STANDS_FOR_ONE:
                parts += [text[end : match.end()], HIDDEN]
                end = value.end()
    return "".join([*parts, text[end:]])


def _hide_member(match: re.Match[str]) -> str:
    quote, name, colon = match[1], match[2], match[3]
    return f"{quote}{name}{colon}{quote}{HIDDEN}{quote}" if is_secret_name(name) else match[0]
