"""Settings of relays: which streams are sent where, which are fetched, and whom to trust."""

import re
from collections.abc import Sequence
from fnmatch import fnmatchcase
from operator import not_
from pathlib import Path
from typing import Annotated, Final, Self
from urllib.parse import quote, urlsplit

from pydantic import (
    BeforeValidator,
    Field,
    SecretStr,
    StrictBool,
    WithJsonSchema,
    field_serializer,
    model_validator,
)

from headend.errors import SettingsError
from headend.redaction import LEAST_REPEATED, ShownUrl, show_url
from headend.settings.relay_presets import PRESETS
from headend.settings.section import Section
from headend.settings.tables import Table, entries
from headend.settings.texts import shown_item
from headend.settings.values import HIDDEN, TEXT_CHARACTERS, Match, OptionalFile, Seconds
from headend.srt_url import is_srt, parse_srt_url, srt_secrets
from headend.trust import Trust

OUT_FORM: Final = (
    'must be a list such as [{ match = "live/*", url = "rtmps://host/app", key = "…" }]; '
    "preset, ca, fingerprint and insecure may be added"
)
IN_FORM: Final = (
    'must be a list such as [{ match = "live/*", url = ["rtmps://host/live/{name}"] }]; '
    "on_demand, ca, fingerprint and insecure may be added"
)
SCHEMES_OUT: Final = ("rtmp", "rtmps", "srt")
SCHEMES_IN: Final = ("rtmp", "rtmps", "http", "https", "srt")
MOST_RELAYS: Final = 1000
MOST_URLS: Final = 16  # sources of one relay

_PLACEHOLDER: Final = re.compile(r"\{([^{}]*)\}")
_WILDCARDS: Final = frozenset("*?[")


def _text(value: object) -> str:
    is_right = isinstance(value, str) and value.isprintable() and " " not in value
    if not is_right or not 0 < len(str(value)) <= TEXT_CHARACTERS:
        raise ValueError(f"must be 1 to {TEXT_CHARACTERS} characters without spaces")
    text = str(value)
    if set(_PLACEHOLDER.findall(text)) - {"app", "name"}:
        raise ValueError("only {app} and {name} can be filled in")
    return text


def _url(value: object, schemes: Sequence[str]) -> str:
    text = _text(value)
    if is_srt(text):
        return _srt_url(text, is_source="http" in schemes)
    try:
        url = urlsplit(text)
        is_right = url.scheme in schemes and bool(url.hostname) and url.port != 0
    except ValueError:
        is_right = False
    if not is_right:
        raise ValueError(f"must be {' or '.join(f'{scheme}://…' for scheme in schemes)}")
    if "{" in url.netloc or "}" in url.netloc:
        raise ValueError("{app} and {name} have no place in the host")
    return text


def _srt_url(text: str, *, is_source: bool) -> str:
    try:
        url = parse_srt_url(text)
    except SettingsError as error:
        raise ValueError(str(error)) from None
    if "{" in url.host:
        raise ValueError("{app} and {name} have no place in the host")
    if url.is_listener and not is_source:
        raise ValueError("mode=listener is for relays in: a stream is sent by calling")
    return text


def _url_out(value: object) -> str:
    return _url(value, SCHEMES_OUT) if value else ""


def _urls_in(value: object) -> tuple[str, ...]:
    urls = [value] if isinstance(value, str) else value
    if not isinstance(urls, list | tuple) or not 0 < len(urls) <= MOST_URLS:
        raise ValueError(f"must be a URL or a list of 1 to {MOST_URLS}")
    return tuple(_url(each, SCHEMES_IN) for each in urls)


def _key(value: object) -> SecretStr | None:
    if isinstance(value, SecretStr):
        value = value.get_secret_value()
    return SecretStr(_text(value)) if value else None


def _preset(value: object) -> object:
    if value and value not in list(PRESETS):
        raise ValueError(f"must be one of {', '.join(PRESETS)}")
    return value or ""


def _trust(ca: Path | None, fingerprint: str, *, insecure: bool) -> Trust:
    try:
        return Trust(ca, fingerprint or None, insecure)
    except SettingsError as error:
        raise ValueError(str(error)) from None


Ca = Annotated[
    OptionalFile, Field(exclude_if=not_, description="PEM file of the authorities to trust.")
]
Fingerprint = Annotated[
    str, Field(exclude_if=not_, description="SHA-256 of the one certificate to trust.")
]
Insecure = Annotated[StrictBool, Field(exclude_if=not_, description="Trust any certificate.")]


class Relayed(Table):
    """What relays of both directions have in common."""

    match: Match = Field(description='Patterns of APP/NAME, such as "live/*".')

    def matches(self, path: str) -> bool:
        """Say whether a stream is sent, or fetched."""
        return any(fnmatchcase(path, pattern) for pattern in self.match)

    def _shown(self, url: str, *, has_key: bool = False, is_platform: bool = False) -> ShownUrl:
        # The names in the patterns are no secrets.
        names = frozenset(part for pattern in self.match for part in pattern.split("/") if part)
        found = show_url(url, names=names, has_key=has_key, is_platform=is_platform)
        if not is_srt(url):
            return found
        parts = (part for each in srt_secrets(url) for part in _PLACEHOLDER.sub(" ", each).split())
        secrets = tuple(part for part in parts if len(part) >= LEAST_REPEATED)
        return ShownUrl(found.text, secrets)


class RelayOut(Relayed):
    """A relay to another server."""

    url: Annotated[str, BeforeValidator(_url_out)] = Field(
        default="",
        repr=False,
        description="rtmp://, rtmps:// or srt:// URL; {app} and {name} are filled in.",
    )
    key: Annotated[SecretStr | None, BeforeValidator(_key), WithJsonSchema({"type": "string"})] = (
        Field(
            default=None,
            exclude_if=not_,
            description="Stream key, joined to the URL as it is; empty: the URL names the stream.",
        )
    )
    preset: Annotated[str, BeforeValidator(_preset), WithJsonSchema({"enum": list(PRESETS)})] = (
        Field(default="", exclude_if=not_, description="Platform.")
    )
    ca: Ca = None
    fingerprint: Fingerprint = ""
    insecure: Insecure = False

    @model_validator(mode="before")
    @classmethod
    def _take_url_of_preset(cls, item: object) -> object:
        if not isinstance(item, dict) or item.get("url"):
            return item
        preset = item.get("preset")
        is_known = isinstance(preset, str) and preset in PRESETS
        return item | {"url": PRESETS[str(preset)].url} if is_known else item

    @model_validator(mode="after")
    def _check(self) -> Self:
        if not self.url and not self.preset:
            raise ValueError("url is missing: where to send it; or name a preset")
        if not self.url:
            title = PRESETS[self.preset].title
            raise ValueError(f"url is needed: {title} gives each account its own")
        if is_srt(self.url) and (self.key is not None or self.preset):
            raise ValueError("key and preset are for RTMP: with SRT the streamid of url says all")
        _trust(self.ca, self.fingerprint, insecure=self.insecure)
        return self

    @property
    def trust(self) -> Trust:
        """Whom it trusts with TLS."""
        return _trust(self.ca, self.fingerprint, insecure=self.insecure)

    @property
    def shown_url(self) -> str:
        """The URL without its secrets; `{app}` and `{name}` are not filled in."""
        return self._taken_apart().text

    @property
    def secrets(self) -> tuple[str, ...]:
        """What nobody is shown: the key, and what in the URL is one."""
        key = () if self.key is None else (self.key.get_secret_value(),)
        return (*key, *self._taken_apart().secrets)

    @field_serializer("url")
    def _show_url(self, _: str) -> str:
        return self.shown_url

    def _taken_apart(self) -> ShownUrl:
        host = urlsplit(self.url).hostname or ""
        platforms = tuple(end for preset in PRESETS.values() for end in preset.hosts)
        is_platform = bool(self.preset) or f".{host}".endswith(platforms)
        return self._shown(self.url, has_key=self.key is None, is_platform=is_platform)


class RelayIn(Relayed):
    """A relay from another server."""

    url: Annotated[
        tuple[str, ...], BeforeValidator(_urls_in, json_schema_input_type=str | list[str])
    ] = Field(
        repr=False, description="URLs in the order they are tried; {app} and {name} are filled in."
    )
    on_demand: StrictBool = Field(
        default=True, description="Fetch while somebody watches; else always."
    )
    ca: Ca = None
    fingerprint: Fingerprint = ""
    insecure: Insecure = False

    @model_validator(mode="after")
    def _check(self) -> Self:
        for pattern in self.match if not self.on_demand else ():
            if has_wildcard(pattern):
                raise ValueError(
                    "on_demand = false needs names without wildcards; "
                    f"{shown_item(pattern)} has one"
                )
        _trust(self.ca, self.fingerprint, insecure=self.insecure)
        return self

    @property
    def trust(self) -> Trust:
        """Whom it trusts with TLS."""
        return _trust(self.ca, self.fingerprint, insecure=self.insecure)

    @property
    def shown_urls(self) -> tuple[str, ...]:
        """The URLs without their secrets; `{app}` and `{name}` are not filled in."""
        return tuple(self._shown(url).text for url in self.url)

    @property
    def secrets(self) -> tuple[str, ...]:
        """What in the URLs nobody is shown."""
        return tuple(secret for url in self.url for secret in self._shown(url).secrets)

    @field_serializer("url")
    def _show_urls(self, _: tuple[str, ...]) -> tuple[str, ...]:
        return self.shown_urls


def check_stream(relay: RelayOut) -> None:
    """Return if it is known under which name a stream is published there.

    Raises:
        SettingsError: The URL names an app only, and there is no key.
    """
    if is_srt(relay.url):
        return
    path = urlsplit(relay.url).path.strip("/")
    if relay.key is not None or "/" in path:
        return
    if relay.preset and not path.count("/"):
        raise SettingsError(f"key is missing: the stream key of {PRESETS[relay.preset].title}")
    raise SettingsError("url names no stream: give a name in its path, such as /{name}, or key")


def has_wildcard(pattern: str) -> bool:
    """Say whether a pattern is more than the name of one stream."""
    return bool(_WILDCARDS & set(pattern))


def filled(template: str, path: str) -> str:
    """Fill a name into a URL; escaped where HTTP, or a query, would take it apart."""
    if template.startswith("http"):
        return fill(template, quote(path))
    head, question, query = template.partition("?")
    return fill(head, path) + question + fill(query, quote(path))


def fill(template: str, path: str) -> str:
    """Fill a stream's `{app}` and `{name}` into a URL or a key."""
    app, _, name = path.rpartition("/")
    return template.replace("{app}", app or name).replace("{name}", name)


class Relay(Section):
    """Streams that are sent to other servers, and fetched from them."""

    out: Annotated[
        tuple[RelayOut, ...], entries(RelayOut, OUT_FORM, "relays", most=MOST_RELAYS), HIDDEN
    ] = Field(
        default=(),
        description="Servers to send streams to: [[relay.out]] tables with match, url, key, "
        "preset.",
    )
    in_: Annotated[
        tuple[RelayIn, ...], entries(RelayIn, IN_FORM, "relays", most=MOST_RELAYS), HIDDEN
    ] = Field(
        default=(),
        alias="in",
        description="Servers to fetch streams from: [[relay.in]] tables with match, url, "
        "on_demand.",
    )
    idle_s: Seconds = Field(
        default=10,
        ge=0,
        le=3600,
        description="Seconds after the last viewer left until the server stops fetching a stream "
        "on demand.",
    )
    unknown_s: Seconds = Field(
        default=5,
        ge=0,
        le=3600,
        description="Seconds until the server asks again for a name that the origin does not know.",
    )
