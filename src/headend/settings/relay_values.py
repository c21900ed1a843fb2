"""This module holds the values of relays: which streams, where to or where from, whom to trust."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated, Final, TypeVar
from urllib.parse import urlsplit

from pydantic import PlainSerializer, PlainValidator, SecretStr, WithJsonSchema

from headend.errors import SettingsError
from headend.redaction import ShownUrl, show_url
from headend.settings.entries import entries, fields, shown_item, texts
from headend.settings.relay_presets import PRESETS
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
_TRUST_KEYS: Final = ("ca", "fingerprint", "insecure")


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
    table = fields(item, ("match",), ("url", "key", "preset", *_TRUST_KEYS))
    preset = table.get("preset", "")
    if not isinstance(preset, str) or (preset and preset not in PRESETS):
        raise ValueError(f"preset must be one of {', '.join(PRESETS)}")
    url = table.get("url") or (PRESETS[preset].url if preset else "")
    if not url and not preset:
        raise ValueError("url is missing: where to send it; or name a preset")
    if preset and not url:
        raise ValueError(f"url is needed: {PRESETS[preset].title} gives each account its own")
    url = _checked_url(url, SCHEMES_OUT)
    key = table.get("key") or None
    if isinstance(key, SecretStr):
        key = key.get_secret_value()
    secret = None
    if key is not None:
        text = _check_text("key", key)
        _check_placeholders("key", text)
        secret = SecretStr(text)
    return RelayOut(_patterns(table["match"]), url, secret, preset, _trust(table))


def check_stream(relay: RelayOut) -> None:
    """Return if it is known under which name a stream is published there.

    Raises:
        SettingsError: The URL names an app only, and there is no key.
    """
    path = urlsplit(relay.url).path.strip("/")
    if relay.key is not None or "/" in path:
        return
    if relay.preset and not path.count("/"):
        raise SettingsError(f"key is missing: the stream key of {PRESETS[relay.preset].title}")
    raise SettingsError("url names no stream: give a name in its path, such as /{name}, or key")


def parse_relay_in(item: object) -> RelayIn:
    """Read one relay in, as in the settings and in the API.

    Raises:
        ValueError: It is none; the words say what is allowed.
    """
    if isinstance(item, RelayIn):
        return item
    table = fields(item, ("match", "url"), ("on_demand", *_TRUST_KEYS))
    urls = table["url"]
    urls = [urls] if isinstance(urls, str) else urls
    if not isinstance(urls, list | tuple) or not 0 < len(urls) <= MOST_URLS:
        raise ValueError(f"url must be a URL or a list of 1 to {MOST_URLS}")
    found = tuple(_checked_url(url, SCHEMES_IN) for url in urls)
    match, on_demand = _patterns(table["match"]), table.get("on_demand", True)
    if not isinstance(on_demand, bool):
        raise ValueError("on_demand must be true or false")
    for pattern in match if not on_demand else ():
        if has_wildcard(pattern):
            raise ValueError(
                f"on_demand = false needs names without wildcards; {shown_item(pattern)} has one"
            )
    return RelayIn(match, found, on_demand, _trust(table))


def has_wildcard(pattern: str) -> bool:
    """Say whether a pattern is more than the name of one stream."""
    return bool(_WILDCARDS & set(pattern))


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


def _checked_url(value: object, schemes: Sequence[str]) -> str:
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
    return text


def _check_placeholders(what: str, text: str) -> None:
    unknown = set(_PLACEHOLDER.findall(text)) - {"app", "name"}
    if unknown:
        raise ValueError(f"{what}: only {{app}} and {{name}} can be filled in")


def _patterns(value: object) -> tuple[str, ...]:
    items = [value] if isinstance(value, str) else value
    if not isinstance(items, list | tuple) or not 0 < len(items) <= MOST_URLS:
        raise ValueError(MATCH_FORM)
    return texts(items, _is_pattern, MATCH_FORM)


def _is_pattern(text: str) -> bool:
    return text.isprintable() and 0 < len(text) <= TEXT_CHARACTERS


def _trust(item: dict[str, object]) -> Trust:
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
    return entries(items, parse, "match")


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
