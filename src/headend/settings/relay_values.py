"""This module holds the values of relays: which streams, where to or where from, whom to trust."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated, Final, TypeVar
from urllib.parse import urlsplit

from pydantic import PlainSerializer, PlainValidator, SecretStr, WithJsonSchema

from headend.settings.relay_presets import PRESETS
from headend.settings.shown_urls import ShownUrl, show_url
from headend.settings.values import HIDDEN, tables

OUT_FORM: Final = (
    'must be a list such as [{ match = "live/*", url = "rtmps://host/app", key = "…" }]; '
    "preset, ca, fingerprint and insecure may be added"
)
IN_FORM: Final = (
    'must be a list such as [{ match = "live/*", url = ["rtmps://host/live/{name}"] }]; '
    "on_demand, ca, fingerprint and insecure may be added"
)
MATCH_FORM: Final = 'match must be a pattern of APP/NAME such as "live/*", or a list of them'
SCHEMES_OUT: Final = ("rtmp", "rtmps")
SCHEMES_IN: Final = ("rtmp", "rtmps", "http", "https")
MOST_RELAYS: Final = 1000
MOST_URLS: Final = 16  # sources of one relay, and patterns of one
TEXT_CHARACTERS: Final = 2000  # of a URL, a key or a pattern

_PLACEHOLDER: Final = re.compile(r"\{([^{}]*)\}")
_FINGERPRINT: Final = re.compile(r"(?:[0-9A-Fa-f]{2}:?){31}[0-9A-Fa-f]{2}")
_WILDCARDS: Final = frozenset("*?[")
_HIDDEN_TEXT: Final = "**********"
_TRUST_KEYS: Final = frozenset({"ca", "fingerprint", "insecure"})


@dataclass(frozen=True, slots=True)
class Trust:
    """Whom a relay trusts with TLS; see `TlsOptions`."""

    ca: Path | None = None
    fingerprint: str | None = None
    insecure: bool = False


@dataclass(frozen=True, slots=True)
class RelayOut:
    """A relay to another server.

    Attributes:
        match: Patterns of the streams that are sent.
        url: `rtmp://…` or `rtmps://…`; `{app}` and `{name}` are filled in.
        key: Joined to the path of the URL as it is, `{app}` and `{name}` filled in; None: the URL
            names the stream.
        preset: Platform, by its name in PRESETS; empty: none.
        trust: Whom it trusts.
    """

    match: tuple[str, ...]
    url: str = field(repr=False)
    key: SecretStr | None = None
    preset: str = ""
    trust: Trust = field(default_factory=Trust)

    def matches(self, path: str) -> bool:
        """Say whether a stream is sent."""
        return any(fnmatchcase(path, pattern) for pattern in self.match)

    @property
    def shown_url(self) -> str:
        """The URL without its secrets; `{app}` and `{name}` are not filled in."""
        return self._shown().text

    @property
    def secrets(self) -> tuple[str, ...]:
        """What nobody is shown: the key, and what in the URL is one."""
        key = () if self.key is None else (self.key.get_secret_value(),)
        return (*key, *self._shown().secrets)

    def _shown(self) -> ShownUrl:
        host = urlsplit(self.url).hostname or ""
        platforms = tuple(end for preset in PRESETS.values() for end in preset.hosts)
        return show_url(
            self.url,
            names=_names(self.match),
            has_key=self.key is None,
            is_platform=bool(self.preset) or f".{host}".endswith(platforms),
        )


@dataclass(frozen=True, slots=True)
class RelayIn:
    """A relay from another server.

    Attributes:
        match: Patterns of the streams that are fetched.
        url: Where from, in the order they are tried; `{app}` and `{name}` are filled in.
        on_demand: Fetched while somebody watches; else always, and `match` has no wildcards.
        trust: Whom it trusts.
    """

    match: tuple[str, ...]
    url: tuple[str, ...] = field(repr=False)
    on_demand: bool = True
    trust: Trust = field(default_factory=Trust)

    def matches(self, path: str) -> bool:
        """Say whether a stream is fetched."""
        return any(fnmatchcase(path, pattern) for pattern in self.match)

    @property
    def shown_urls(self) -> tuple[str, ...]:
        """The URLs without their secrets; `{app}` and `{name}` are not filled in."""
        return tuple(each.text for each in self._shown())

    @property
    def secrets(self) -> tuple[str, ...]:
        """What in the URLs nobody is shown."""
        return tuple(secret for each in self._shown() for secret in each.secrets)

    def _shown(self) -> list[ShownUrl]:
        return [show_url(url, names=_names(self.match)) for url in self.url]


def _names(match: Sequence[str]) -> frozenset[str]:
    """Return the names in patterns; they are no secrets."""
    return frozenset(part for pattern in match for part in pattern.split("/") if part)


def fill(template: str, path: str) -> str:
    """Fill a stream's `{app}` and `{name}` into a URL or a key."""
    app, _, name = path.rpartition("/")
    return template.replace("{app}", app or name).replace("{name}", name)


def parse_relay_out(item: object) -> RelayOut:
    """Read one relay out, as in the settings and in the API.

    Raises:
        ValueError: It is none; the words say what is allowed.
    """
    if isinstance(item, RelayOut):
        return item
    keys = {"match", "url", "key", "preset"} | _TRUST_KEYS
    if not isinstance(item, dict) or "match" not in item or not set(item) <= keys:
        raise ValueError(OUT_FORM)
    preset = item.get("preset", "")
    if preset and preset not in PRESETS:
        raise ValueError(f"preset must be one of {', '.join(PRESETS)}")
    url = item.get("url") or (PRESETS[preset].url if preset else "")
    if preset and not url:
        raise ValueError(f"url is needed: {PRESETS[preset].title} gives each account its own")
    _check_url(url, SCHEMES_OUT)
    key = item.get("key") or None
    if isinstance(key, SecretStr):
        key = key.get_secret_value()
    if key is not None:
        _check_text("key", key)
        _check_placeholders("key", key)
    secret = None if key is None else SecretStr(key)
    return RelayOut(_patterns(item["match"]), url, secret, preset, _trust(item))


def parse_relay_in(item: object) -> RelayIn:
    """Read one relay in, as in the settings and in the API.

    Raises:
        ValueError: It is none; the words say what is allowed.
    """
    if isinstance(item, RelayIn):
        return item
    keys = {"match", "url", "on_demand"} | _TRUST_KEYS
    if not isinstance(item, dict) or not {"match", "url"} <= set(item) <= keys:
        raise ValueError(IN_FORM)
    urls = item["url"]
    urls = [urls] if isinstance(urls, str) else urls
    if not isinstance(urls, list | tuple) or not 0 < len(urls) <= MOST_URLS:
        raise ValueError(f"url must be a URL or a list of 1 to {MOST_URLS}")
    for url in urls:
        _check_url(url, SCHEMES_IN)
    match, on_demand = _patterns(item["match"]), item.get("on_demand", True)
    if not isinstance(on_demand, bool):
        raise ValueError("on_demand must be true or false")
    if not on_demand and any(_WILDCARDS & set(pattern) for pattern in match):
        raise ValueError("on_demand = false needs match without wildcards: which names are there?")
    return RelayIn(match, tuple(urls), on_demand, _trust(item))


def plain_out(relay: RelayOut) -> dict[str, object]:
    """Show a relay out, its secrets hidden."""
    shown: dict[str, object] = {"match": list(relay.match), "url": relay.shown_url}
    if relay.preset:
        shown["preset"] = relay.preset
    if relay.key is not None:
        shown["key"] = _HIDDEN_TEXT
    return shown | _plain_trust(relay.trust)


def plain_in(relay: RelayIn) -> dict[str, object]:
    """Show a relay in, its secrets hidden."""
    return {
        "match": list(relay.match),
        "url": list(relay.shown_urls),
        "on_demand": relay.on_demand,
        **_plain_trust(relay.trust),
    }


def _plain_trust(trust: Trust) -> dict[str, object]:
    shown: dict[str, object] = {}
    if trust.ca is not None:
        shown["ca"] = str(trust.ca)
    if trust.fingerprint is not None:
        shown["fingerprint"] = trust.fingerprint
    if trust.insecure:
        shown["insecure"] = True
    return shown


def _check_text(what: str, value: object) -> str:
    if (
        not isinstance(value, str)
        or not value.isprintable()
        or " " in value
        or not 0 < len(value) <= TEXT_CHARACTERS
    ):
        raise ValueError(f"{what} must be 1 to {TEXT_CHARACTERS} characters without spaces")
    return value


def _check_url(value: object, schemes: Sequence[str]) -> None:
    text = _check_text("url", value)
    form = f"url must be {' or '.join(f'{scheme}://…' for scheme in schemes)}"
    try:
        url = urlsplit(text)
        is_right = url.scheme in schemes and bool(url.hostname) and url.port != 0
    except ValueError:
        is_right = False
    if not is_right:
        raise ValueError(form)
    if "{" in url.netloc or "}" in url.netloc:
        raise ValueError("url: {app} and {name} have no place in the host")
    _check_placeholders("url", text)


def _check_placeholders(what: str, text: str) -> None:
    unknown = set(_PLACEHOLDER.findall(text)) - {"app", "name"}
    if unknown:
        raise ValueError(f"{what}: only {{app}} and {{name}} can be filled in")


def _patterns(value: object) -> tuple[str, ...]:
    items = [value] if isinstance(value, str) else value
    if not isinstance(items, list | tuple) or not 0 < len(items) <= MOST_URLS:
        raise ValueError(MATCH_FORM)
    for item in items:
        if not isinstance(item, str) or not item.isprintable():
            raise ValueError(MATCH_FORM)
        if not 0 < len(item) <= TEXT_CHARACTERS:
            raise ValueError(MATCH_FORM)
    return tuple(items)


def _trust(item: dict[object, object]) -> Trust:
    ca, fingerprint, insecure = (item.get(name) for name in ("ca", "fingerprint", "insecure"))
    if insecure not in (None, False, True):
        raise ValueError("insecure must be true or false")
    if bool(ca) + bool(fingerprint) + bool(insecure) > 1:
        raise ValueError("ca, fingerprint and insecure exclude each other")
    if fingerprint and not (isinstance(fingerprint, str) and _FINGERPRINT.fullmatch(fingerprint)):
        raise ValueError("fingerprint must be 64 hex digits, those of SHA-256")
    if ca and (not isinstance(ca, str | Path) or "\0" in str(ca)):
        raise ValueError("ca must be the path of a file")
    path = Path(str(ca)).expanduser() if ca else None
    return Trust(path, str(fingerprint) if fingerprint else None, insecure is True)


Relay = TypeVar("Relay", RelayOut, RelayIn)


def _relays(value: object, form: str, parse: Callable[[object], Relay]) -> tuple[Relay, ...]:
    items = tables(value, form) if isinstance(value, str) else value
    if not isinstance(items, list | tuple):
        raise ValueError(form)
    if len(items) > MOST_RELAYS:
        raise ValueError(f"must be at most {MOST_RELAYS} relays")
    return tuple(parse(item) for item in items)


def _relays_out(value: object) -> tuple[RelayOut, ...]:
    return _relays(value, OUT_FORM, parse_relay_out)


def _relays_in(value: object) -> tuple[RelayIn, ...]:
    return _relays(value, IN_FORM, parse_relay_in)


_TEXTS: Final = {"type": ["string", "array"], "items": {"type": "string"}}
_TRUST_SCHEMA: Final = {
    "ca": {"type": "string"},
    "fingerprint": {"type": "string"},
    "insecure": {"type": "boolean"},
}


def _schema(properties: dict[str, object], required: list[str]) -> WithJsonSchema:
    item = {
        "type": "object",
        "properties": {"match": _TEXTS, **properties, **_TRUST_SCHEMA},
        "required": ["match", *required],
        "additionalProperties": False,
    }
    return WithJsonSchema({"type": "array", "items": item})


RelaysOut = Annotated[
    tuple[RelayOut, ...],
    PlainValidator(_relays_out),
    PlainSerializer(lambda relays: [plain_out(each) for each in relays]),
    _schema(
        {
            "url": {"type": "string"},
            "key": {"type": "string"},
            "preset": {"enum": list(PRESETS)},
        },
        [],
    ),
    HIDDEN,
]
RelaysIn = Annotated[
    tuple[RelayIn, ...],
    PlainValidator(_relays_in),
    PlainSerializer(lambda relays: [plain_in(each) for each in relays]),
    _schema({"url": _TEXTS, "on_demand": {"type": "boolean"}}, ["url"]),
    HIDDEN,
]
