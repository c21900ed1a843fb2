"""What hides secrets in text: what looks like one, and those of the servers that run here.

It is a last defence: nothing should put a key into a log line or an error in the first place. Each
pattern is tried only where it can begin, so that hostile text costs time in proportion to its
length.

The log is the whole process's. So a text is searched for the secrets of every server that runs in
it, and a server's secrets are forgotten when it stops.
"""

import re
from collections.abc import Collection, Iterable
from threading import Lock
from typing import Final, NamedTuple

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

LEAST_REPEATED: Final = 4  # characters of a URL's secret that is looked for in other texts
_PLACEHOLDER: Final = re.compile(r"\{[^{}]*\}")
_SEPARATORS: Final = "-_.~"
# What no person would call a stream or a page: sixteen letters and digits in a row, or a UUID.
_RUN: Final = re.compile(r"[A-Za-z0-9]{16,}")
_UUID: Final = re.compile(r"(?i)[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_MARKED: Final = re.compile(r"hk_|eyJ[\w-]{8,}\.")


class Secrets:
    """The secrets of one server, hidden wherever they stand until `close`."""

    def __init__(self) -> None:
        global _living
        self._known: frozenset[str] = frozenset()
        self._pattern: re.Pattern[str] | None = None
        with _changing:
            _living += (self,)

    def protect(self, secrets: Iterable[str]) -> None:
        """Hide these secrets, and those told before, from now on."""
        more = {secret for secret in secrets if len(secret) >= LEAST_CHARACTERS}
        if not more <= self._known:
            self._known |= more
            self._pattern = _pattern_of(self._known)

    def hide(self, text: str) -> str:
        """Hide the secrets of this server alone."""
        return text if self._pattern is None else self._pattern.sub(HIDDEN, text)

    def close(self) -> None:
        """Forget the secrets; the server is over."""
        global _living
        with _changing:
            _living = tuple(each for each in _living if each is not self)
        self._known, self._pattern = frozenset(), None


# Of the servers that run; replaced as a whole, for other threads write to the log meanwhile.
_living: tuple[Secrets, ...] = ()
_changing: Final = Lock()  # servers may run in threads


def _pattern_of(secrets: Iterable[str]) -> re.Pattern[str]:
    longest_first = sorted(secrets, key=len, reverse=True)
    return re.compile("|".join(map(re.escape, longest_first)))


def is_secret_name(name: str) -> bool:
    """Say whether what is called so must not be shown."""
    return name.lower() in _NAMES or _IN_NAMES.search(name) is not None


def redact(text: str) -> str:
    """Hide what looks like a key, a token, a password or the user of a URL."""
    for each in _living:
        text = each.hide(text)
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


def hide(text: str, secrets: Iterable[str | None]) -> str:
    """Hide these secrets in a text, however short they are."""
    known = [secret for secret in secrets if secret]
    return _pattern_of(known).sub(HIDDEN, text) if known else text


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


def shown_url(url: str) -> str:
    """Return what may be shown of a URL in whose path no platform's key is."""
    return show_url(url).text


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
