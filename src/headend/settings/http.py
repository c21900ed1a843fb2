"""Settings of HTTP: addresses, origins of web pages, names of hosts, proxies."""

import re
from typing import Annotated, Final, Literal
from urllib.parse import urlsplit

from pydantic import BeforeValidator, Field

from headend.settings.section import Section
from headend.settings.texts import texts
from headend.settings.values import Address, Listen, Networks, Seconds

ANY_ORIGIN: Final = "*"

_ORIGINS_FORM: Final = 'must be a list of origins such as ["https://example.com"], or ["*"]'
_HOSTS_FORM: Final = 'must be a list of host names such as ["live.example.com"]'
_LABEL: Final = r"[a-z0-9](?:[a-z0-9-]*[a-z0-9])?"
_NAME: Final = re.compile(rf"{_LABEL}(?:\.{_LABEL})*")


def _origins(value: object) -> tuple[str, ...]:
    items = texts(value, bool, _ORIGINS_FORM)
    return texts([each.strip().lower() for each in items], _is_origin, _ORIGINS_FORM)


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
    items = texts(value, bool, _HOSTS_FORM)
    return texts([each.strip().lower() for each in items], _is_name, _HOSTS_FORM)


def _is_name(text: str) -> bool:
    return _NAME.fullmatch(text) is not None


class Http(Section):
    """HTTP: streams for browsers, player page, console, API, metrics; the TLS port has it too."""

    listen: Listen = Field(
        default=(Address(port=8080),), description="Addresses that listen for HTTP; off: none."
    )
    origins: Annotated[tuple[str, ...], BeforeValidator(_origins)] = Field(
        default=("*",),
        description="Origins of web pages that may load streams (CORS), such as "
        '["https://example.com"].',
    )
    hosts: Annotated[tuple[str, ...], BeforeValidator(_hosts)] = Field(
        default=(),
        description="Host names that API and console accept, besides addresses and the machine's "
        "own name.",
    )
    proxies: Networks = Field(
        default=(),
        description="Networks of HTTP proxies whose X-Forwarded-For and X-Forwarded-Proto "
        "headers are trusted.",
    )
    page: Literal["public", "console", "off"] = Field(
        default="public",
        description="What / shows: the live streams that are open to all (public), the console, "
        "or nothing (off).",
    )
    thumbnail_s: Seconds = Field(
        default=5, ge=1, le=3600, description="Seconds until the server makes a new thumbnail."
    )
