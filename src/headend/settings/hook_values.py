"""This module holds the values of what calls out: allowed places, callback, webhooks, hooks."""

import ipaddress
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Final, Literal
from urllib.parse import urlsplit

from pydantic import PlainSerializer, PlainValidator, SecretStr, WithJsonSchema

from headend.settings.shown_urls import show_url
from headend.settings.values import HIDDEN, listed, tables

URL_FORM: Final = "must be an http:// or https:// URL without user and password"
OUTGOING_FORM: Final = (
    'must be a list of host names, patterns and networks such as ["*.example.com", "10.0.0.0/8"]'
)
ACTIONS_FORM: Final = 'must be a list of "publish" and "play"'
OBJECT_FORM: Final = 'must be a module, or a module and an object in it, as in "my_hooks:hooks"'
SECRET_FORM: Final = "must be a text of at least 16 characters, or empty"
WEBHOOKS_FORM: Final = (
    'must be a list such as [{ name = "a", url = "https://…", secret = "…" }]; events may be added'
)
NAME_FORM: Final = "a name is 1 to 64 of a-z, 0-9, - and _, and no two are the same"

SECRET_CHARACTERS: Final = 16  # at least: an HMAC is as good as its key
URL_CHARACTERS: Final = 2000
MOST_WEBHOOKS: Final = 100

_HOST: Final = re.compile(r"[a-z0-9*?_-]+(?:\.[a-z0-9*?_-]+)*")
_NAME: Final = re.compile(r"[a-z0-9_-]{1,64}")
_PATTERN: Final = re.compile(r"[a-z.*?]{1,64}")
_OBJECT: Final = re.compile(r"[^\W\d]\w*(?:\.[^\W\d]\w*)*(?::[^\W\d]\w*(?:\.[^\W\d]\w*)*)?")
_HIDDEN_TEXT: Final = "**********"


@dataclass(frozen=True, slots=True)
class Webhook:
    """Who is told of events.

    Attributes:
        name: For lists and the API.
        url: Where events are posted to.
        secret: Signs them.
        events: Patterns of the names of those it is told of.
    """

    name: str
    url: str
    secret: SecretStr
    events: tuple[str, ...] = ("*",)

    @property
    def secrets(self) -> tuple[str, ...]:
        """What in the URL nobody is shown."""
        return show_url(self.url).secrets


def shown_url(url: str) -> str:
    """Show a URL without its query, and without what in its path looks like a secret."""
    return show_url(url).text


def _texts(value: object, form: str) -> list[str]:
    """Texts of a list, or of one text with commas as in the environment."""
    if isinstance(value, str):
        value = listed(value)
    if not isinstance(value, list | tuple) or not all(isinstance(item, str) for item in value):
        raise ValueError(form)
    return list(value)


def _outgoing(value: object) -> tuple[str, ...]:
    entries = tuple(item.lower() for item in _texts(value, OUTGOING_FORM))
    if not all(_HOST.fullmatch(entry) or _is_network(entry) for entry in entries):
        raise ValueError(OUTGOING_FORM)
    return entries


def _is_network(text: str) -> bool:
    try:
        ipaddress.ip_network(text, strict=False)
    except ValueError:
        return False
    return True


def _url(value: object) -> str:
    text = value if isinstance(value, str) else " "
    try:
        url = urlsplit(text)
        is_right = url.scheme in ("http", "https") and bool(url.hostname) and url.port != 0
        is_right = is_right and "@" not in url.netloc and not url.fragment
    except ValueError:
        is_right = False
    if not is_right or not text.isprintable() or " " in text or len(text) > URL_CHARACTERS:
        raise ValueError(URL_FORM)
    return text


def _optional_url(value: object) -> str:
    return "" if value == "" else _url(value)


def _secret(value: object) -> SecretStr:
    if isinstance(value, SecretStr):
        value = value.get_secret_value()
    if not isinstance(value, str) or 0 < len(value) < SECRET_CHARACTERS:
        raise ValueError(SECRET_FORM)
    return SecretStr(value)


def _actions(value: object) -> tuple[Literal["publish", "play"], ...]:
    actions = _texts(value, ACTIONS_FORM)
    if not all(action in ("publish", "play") for action in actions):
        raise ValueError(ACTIONS_FORM)
    return tuple("publish" if action == "publish" else "play" for action in actions)


def _object(value: object) -> str:
    if not isinstance(value, str) or (value and not _OBJECT.fullmatch(value)):
        raise ValueError(OBJECT_FORM)
    return value


def _webhooks(value: object) -> tuple[Webhook, ...]:
    items = tables(value, WEBHOOKS_FORM) if isinstance(value, str) else value
    if not isinstance(items, list | tuple):
        raise ValueError(WEBHOOKS_FORM)
    if len(items) > MOST_WEBHOOKS:
        raise ValueError(f"must be at most {MOST_WEBHOOKS} webhooks")
    webhooks = tuple(_webhook(item) for item in items)
    if len({webhook.name for webhook in webhooks}) < len(webhooks):
        raise ValueError(NAME_FORM)
    return webhooks


def _webhook(item: object) -> Webhook:
    if isinstance(item, Webhook):
        return item
    keys = {"name", "url", "secret", "events"}
    if not isinstance(item, dict) or not keys - {"events"} <= set(item) <= keys:
        raise ValueError(WEBHOOKS_FORM)
    name, secret = item["name"], _secret(item["secret"])
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise ValueError(NAME_FORM)
    if not secret.get_secret_value():
        raise ValueError(f"secret {SECRET_FORM.removesuffix(', or empty')}")
    patterns = tuple(_texts(item.get("events", ["*"]), WEBHOOKS_FORM))
    if not patterns or not all(_PATTERN.fullmatch(pattern) for pattern in patterns):
        raise ValueError('events must be a list of patterns such as "stream.*"')
    return Webhook(name, _url(item["url"]), secret, patterns)


def _plain(webhooks: Sequence[Webhook]) -> list[dict[str, object]]:
    return [
        {
            "name": each.name,
            "url": shown_url(each.url),
            "events": list(each.events),
            "secret": _HIDDEN_TEXT,
        }
        for each in webhooks
    ]


_TEXTS_SCHEMA: Final = WithJsonSchema({"type": "array", "items": {"type": "string"}})

Outgoing = Annotated[
    tuple[str, ...], PlainValidator(_outgoing), PlainSerializer(list), _TEXTS_SCHEMA
]
Actions = Annotated[
    tuple[Literal["publish", "play"], ...],
    PlainValidator(_actions),
    PlainSerializer(list),
    WithJsonSchema({"type": "array", "items": {"enum": ["publish", "play"]}}),
]
Place = Annotated[str, PlainSerializer(lambda place: shown_url(place) if "://" in place else place)]
OptionalUrl = Annotated[
    str,
    PlainValidator(_optional_url),
    PlainSerializer(shown_url),
    WithJsonSchema({"type": "string"}),
    HIDDEN,
]
Secret = Annotated[
    SecretStr,
    PlainValidator(_secret),
    PlainSerializer(lambda secret: _HIDDEN_TEXT if secret.get_secret_value() else ""),
    WithJsonSchema({"type": "string", "writeOnly": True}),
]
ModuleObject = Annotated[str, PlainValidator(_object), WithJsonSchema({"type": "string"})]
Webhooks = Annotated[
    tuple[Webhook, ...],
    PlainValidator(_webhooks),
    PlainSerializer(_plain),
    WithJsonSchema(
        {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {
                    "name": {"type": "string"},
                    "url": {"type": "string"},
                    "events": {"type": "array", "items": {"type": "string"}},
                    "secret": {"type": "string"},
                },
                "required": ["name", "url", "secret"],
                "additionalProperties": False,
            },
        }
    ),
    HIDDEN,
]
