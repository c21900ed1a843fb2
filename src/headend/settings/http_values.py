"""This module holds the values of the section `http`: origins of web pages, and names of hosts."""

import re
from typing import Annotated, Final
from urllib.parse import urlsplit

from pydantic import PlainSerializer, PlainValidator, WithJsonSchema

from headend.settings.entries import texts
from headend.settings.values import listed

ANY_ORIGIN: Final = "*"

_ORIGINS_FORM: Final = 'must be a list of origins such as ["https://example.com"], or ["*"]'
_HOSTS_FORM: Final = 'must be a list of host names such as ["live.example.com"]'
_LABEL: Final = r"[a-z0-9](?:[a-z0-9-]*[a-z0-9])?"
_NAME: Final = re.compile(rf"{_LABEL}(?:\.{_LABEL})*")
_TEXTS_SCHEMA: Final = WithJsonSchema({"type": "array", "items": {"type": "string"}})


def _texts(value: object, form: str) -> list[str]:
    """Texts of a list, or of one text with commas as in the environment, in lower case."""
    if isinstance(value, str):
        value = listed(value)
    if not isinstance(value, list | tuple):
        raise ValueError(form)
    return [item.strip().lower() for item in texts(value, bool, form)]


def _origins(value: object) -> tuple[str, ...]:
    return texts(_texts(value, _ORIGINS_FORM), _is_origin, _ORIGINS_FORM)


def _is_origin(text: str) -> bool:
    """Say whether a text is what a browser sends as Origin (RFC 6454, 6.2), or stands for all."""
    if text == ANY_ORIGIN:
        return True
    try:
        parts = urlsplit(text)
        return parts.scheme in ("http", "https") and text == f"{parts.scheme}://{parts.netloc}"
    except ValueError:
        return False


def _hosts(value: object) -> tuple[str, ...]:
    return texts(_texts(value, _HOSTS_FORM), _is_name, _HOSTS_FORM)


def _is_name(text: str) -> bool:
    return _NAME.fullmatch(text) is not None


Origins = Annotated[tuple[str, ...], PlainValidator(_origins), PlainSerializer(list), _TEXTS_SCHEMA]
Hosts = Annotated[tuple[str, ...], PlainValidator(_hosts), PlainSerializer(list), _TEXTS_SCHEMA]
