"""This module holds the values of `tls.acme`: names, an e-mail address, the URL of a directory."""

import ipaddress
import re
from typing import Annotated, Final
from urllib.parse import urlsplit

from pydantic import PlainSerializer, PlainValidator, WithJsonSchema

from headend.settings.entries import shown_item
from headend.settings.values import listed

DOMAINS_FORM: Final = 'must be a list of DNS names such as ["live.example.com"]'
EMAIL_FORM: Final = "must be an e-mail address, or empty"
DIRECTORY_FORM: Final = "must be the https:// URL of an ACME directory"

# Of one certificate: Let's Encrypt signs no more, and few others do.
MOST_DOMAINS: Final = 100

# Of RFC 1123 2.1, in the ASCII form of RFC 5891.
_NAME: Final = re.compile(r"(?!-)[a-z0-9-]{1,63}(?<!-)(?:\.(?!-)[a-z0-9-]{1,63}(?<!-))*")
_NAME_CHARACTERS: Final = 253
_EMAIL: Final = re.compile(r"[^@\s,<>]+@[^@\s,<>]+")


def _domains(value: object) -> tuple[str, ...]:
    if isinstance(value, str):  # as in the environment
        value = listed(value)
    if not isinstance(value, list | tuple):
        raise ValueError(DOMAINS_FORM)
    names = tuple(dict.fromkeys(_domain(item) for item in value))
    if len(names) > MOST_DOMAINS:
        raise ValueError(f"must be at most {MOST_DOMAINS} names")
    return names


def _domain(item: object) -> str:
    form = f"{DOMAINS_FORM}; {shown_item(item)} is none"
    if not isinstance(item, str):
        raise ValueError(form)
    if item.startswith("*."):
        raise ValueError("must hold no wildcard: that takes a challenge in DNS, which is not ours")
    try:
        name = item.rstrip(".").encode("idna").decode("ascii").lower()
    except UnicodeError:
        raise ValueError(form) from None
    if not _NAME.fullmatch(name) or len(name) > _NAME_CHARACTERS or _is_address(name):
        raise ValueError(form)
    return name


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def _email(value: object) -> str:
    if not isinstance(value, str) or (value and not _EMAIL.fullmatch(value)):
        raise ValueError(EMAIL_FORM)
    return value


def _directory(value: object) -> str:
    try:
        url = urlsplit(value if isinstance(value, str) else "")
        is_right = url.scheme == "https" and bool(url.hostname) and url.port != 0
    except ValueError:
        is_right = False
    if not is_right or not str(value).isprintable() or " " in str(value):
        raise ValueError(DIRECTORY_FORM)
    return str(value)


Domains = Annotated[
    tuple[str, ...],
    PlainValidator(_domains),
    PlainSerializer(list),
    WithJsonSchema({"type": "array", "items": {"type": "string"}, "maxItems": MOST_DOMAINS}),
]
Email = Annotated[str, PlainValidator(_email), WithJsonSchema({"type": "string"})]
DirectoryUrl = Annotated[
    str, PlainValidator(_directory), WithJsonSchema({"type": "string", "format": "uri"})
]
