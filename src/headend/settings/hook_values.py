"""This module holds the values of what calls out: allowed places, callback, webhooks, hooks."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, Final, Literal
from urllib.parse import urlsplit

from pydantic import PlainSerializer, PlainValidator, SecretStr, WithJsonSchema

from headend.redaction import show_url, shown_url
from headend.settings.entries import entries, fields, texts
from headend.settings.values import HIDDEN, is_network, listed, tables

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
NAME_FORM: Final = "name must be 1 to 64 of a-z, 0-9, - and _"
EVENTS_FORM: Final = 'events must be a list of patterns such as "stream.*"'
DATABASE_FORM: Final = "must be postgresql://…, sqlite:///… or empty"

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


def _texts(value: object, is_right: Callable[[str], bool], form: str) -> tuple[str, ...]:
    """Texts of a list, or of one text with commas as in the environment."""
    if isinstance(value, str):
        value = listed(value)
    if not isinstance(value, list | tuple):
        raise ValueError(form)
    return texts(value, is_right, form)


def _outgoing(value: object) -> tuple[str, ...]:
    return tuple(item.lower() for item in _texts(value, _is_place, OUTGOING_FORM))


def _is_place(text: str) -> bool:
    return _HOST.fullmatch(text.lower()) is not None or is_network(text)


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


def _database(value: object) -> SecretStr:
    if isinstance(value, SecretStr):
        value = value.get_secret_value()
    schemes = ("postgresql://", "postgres://", "sqlite:///")
    if not isinstance(value, str) or (value and not value.startswith(schemes)):
        raise ValueError(DATABASE_FORM)
    return SecretStr(value)


def _actions(value: object) -> tuple[Literal["publish", "play"], ...]:
    actions = _texts(value, ("publish", "play").__contains__, ACTIONS_FORM)
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
    webhooks = entries(items, _webhook)
    names = [webhook.name for webhook in webhooks]
    for name in names:
        if names.count(name) > 1:
            raise ValueError(f"two entries have the name {name}")
    return webhooks


def _webhook(item: object) -> Webhook:
    if isinstance(item, Webhook):
        return item
    table = fields(item, ("name", "url", "secret"), ("events",))
    name, secret = table["name"], table["secret"]
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise ValueError(NAME_FORM)
    if isinstance(secret, SecretStr):
        secret = secret.get_secret_value()
    if not isinstance(secret, str) or len(secret) < SECRET_CHARACTERS:
        raise ValueError(f"secret must be a text of at least {SECRET_CHARACTERS} characters")
    patterns = _texts(table.get("events", ["*"]), _is_event_pattern, EVENTS_FORM)
    if not patterns:
        raise ValueError(EVENTS_FORM)
    try:
        return Webhook(name, _url(table["url"]), SecretStr(secret), patterns)
    except ValueError as error:
        raise ValueError(f"url {error}") from None


def _is_event_pattern(text: str) -> bool:
    return _PATTERN.fullmatch(text) is not None


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
DatabaseUrl = Annotated[
    SecretStr,
    PlainValidator(_database),
    PlainSerializer(lambda url: _HIDDEN_TEXT if url.get_secret_value() else ""),
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
