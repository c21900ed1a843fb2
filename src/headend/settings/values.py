"""Values that settings are made of: addresses, sizes, networks, patterns, files.

A validator raises ValueError with the words for the user, or without any: then the user is told the
limits of the key, which the validator does not know.
"""

import ipaddress
import os
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final, Literal
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BeforeValidator,
    PlainSerializer,
    PlainValidator,
    WithJsonSchema,
)

from headend.errors import SettingsError
from headend.redaction import shown_url
from headend.settings.texts import quoted, split, texts, unquoted

KIB: Final = 1024
MIB: Final = 1024 * KIB
GIB: Final = 1024 * MIB
TIB: Final = 1024 * GIB

# sun_path of a Unix socket holds 108 bytes with its final zero (unix(7)).
UNIX_PATH_BYTES: Final = 107

MOST_WORKERS: Final = 64
MOST_PATTERNS: Final = 1000  # of a table
TEXT_CHARACTERS: Final = 2000  # of a pattern or a URL

_ADDRESSES_FORM: Final = 'must be a list of addresses such as ":1935"'
_NETWORKS_FORM: Final = 'must be a list of networks such as "10.0.0.0/8" or addresses such as "::1"'
_PATTERNS_FORM: Final = 'must be a list of patterns of APP/NAME such as "live/*"'
_MATCH_FORM: Final = 'must be a pattern of APP/NAME such as "live/*"'

WORKERS_FORM: Final = f'must be a number from 1 to {MOST_WORKERS}, or "auto"'
_URL_FORM: Final = "must be an http:// or https:// URL without user and password"

# Marks, in the metadata of its type, a value that holds secrets: errors don't repeat it.
HIDDEN: Final = "hidden"

_UNITS: Final = {
    "": 1,
    "B": 1,
    "KIB": KIB,
    "MIB": MIB,
    "GIB": GIB,
    "KB": 10**3,
    "MB": 10**6,
    "GB": 10**9,
}


Network = ipaddress.IPv4Network | ipaddress.IPv6Network


@dataclass(frozen=True, slots=True)
class Address:
    """Where a listener listens.

    Attributes:
        host: Name or IP address without brackets; None for every address of the machine.
        port: TCP port, 0 to 65535; 0 takes a free one. None for a Unix socket and for `off`.
        path: Path of a Unix socket, else None.
    """

    host: str | None = None
    port: int | None = None
    path: str | None = None

    @property
    def is_off(self) -> bool:
        """True for the address `off`, which switches a listener off."""
        return self.port is None and self.path is None

    def __str__(self) -> str:
        if self.path is not None:
            return f"unix:{self.path}"
        if self.port is None:
            return "off"
        host = self.host or ""
        return f"[{host}]:{self.port}" if ":" in host else f"{host}:{self.port}"


def parse_address(text: str) -> Address:
    """Parse the address of a listener.

    Args:
        text: `:1935`, `127.0.0.1:1935`, `[::1]:1935`, `name:1935`, `unix:/path` or `off`.

    Raises:
        SettingsError: It is none of these; the message shows the text and the forms.
    """
    text = text.strip()
    if text == "off":
        return Address()
    if text.startswith("unix:"):
        return Address(path=_socket_path(text.removeprefix("unix:")))
    match = re.fullmatch(r"(?:\[([0-9A-Fa-f:.]+(?:%\w+)?)\]|([\w.-]*)):([0-9]{1,5})", text)
    if match is None or int(match[3]) > 65535 or not _is_ipv6(match[1] or "::"):
        raise SettingsError(
            f"{quoted(text)} is no address: "
            "write :1935, 127.0.0.1:1935, [::1]:1935, unix:/path or off"
        )
    return Address(host=match[1] or match[2] or None, port=int(match[3]))


def _is_ipv6(text: str) -> bool:
    try:
        ipaddress.IPv6Address(text)
    except ValueError:
        return False
    return True


def _socket_path(path: str) -> str:
    if not path or "\0" in path or len(os.fsencode(path)) > UNIX_PATH_BYTES:
        raise SettingsError(f"unix: takes a path of 1 to {UNIX_PATH_BYTES} bytes")
    return path


def size_text(size: int) -> str:
    """Show a size in bytes with the largest unit that divides it: `16 MiB`, `2500000`."""
    for unit, factor in (("GiB", GIB), ("MiB", MIB), ("KiB", KIB)):
        if size and size % factor == 0:
            return f"{size // factor} {unit}"
    return str(size)


def _addresses(value: object) -> tuple[str, ...]:
    """Texts of a list, or of one text with commas, in which IPv6 begins like a list."""
    if isinstance(value, str):
        text = unquoted(value)
        value = split(text) if re.match(r"\[[0-9A-Fa-f:.]+(?:%\w+)?\]:", text) else value
    return texts(value, lambda _: True, _ADDRESSES_FORM)


def _listen(value: object) -> tuple[Address, ...]:
    try:
        addresses = tuple(parse_address(item) for item in _addresses(value))
    except SettingsError as error:
        raise ValueError(str(error)) from None
    if not addresses:
        raise ValueError('an address is missing; "off" switches the listener off')
    if len(addresses) == 1 and addresses[0].is_off:
        return ()
    if any(address.is_off for address in addresses):
        raise ValueError('"off" stands alone')
    return addresses


def _networks(value: object) -> tuple[Network, ...]:
    items = texts(value, is_network, _NETWORKS_FORM)
    return tuple(ipaddress.ip_network(each, strict=False) for each in items)


def is_network(text: str) -> bool:
    """Say whether a text is a network, or an address."""
    try:
        ipaddress.ip_network(text, strict=False)
    except ValueError:
        return False
    return True


def _patterns(value: object) -> tuple[str, ...]:
    return texts(value, _is_pattern, _PATTERNS_FORM)


def _is_pattern(text: str) -> bool:
    return bool(text) and text.isprintable() and '"' not in text


def _pattern(value: object) -> object:
    if not isinstance(value, str) or not _is_match(value):
        raise ValueError(_MATCH_FORM)
    return value


def match_of(value: object) -> tuple[str, ...]:
    """Read what streams a table is for: a pattern, or a list of them.

    Raises:
        ValueError: It is neither; says what is allowed.
    """
    form = f"{_MATCH_FORM}, or a list of them"
    items = [value] if isinstance(value, str) else value
    if not isinstance(items, list | tuple) or not 0 < len(items) <= MOST_PATTERNS:
        raise ValueError(form)
    return texts(items, _is_match, form)


def _is_match(text: str) -> bool:
    return text.isprintable() and 0 < len(text) <= TEXT_CHARACTERS


def http_url(value: str) -> str:
    """Return a URL that can be called, and shown without its query.

    Raises:
        ValueError: It is none; says what is allowed.
    """
    try:
        url = urlsplit(value)
        is_right = url.scheme in ("http", "https") and bool(url.hostname) and url.port != 0
        is_right = is_right and "@" not in url.netloc and not url.fragment
    except ValueError:
        is_right = False
    is_text = value.isprintable() and " " not in value and len(value) <= TEXT_CHARACTERS
    if not is_right or not is_text:
        raise ValueError(_URL_FORM)
    return value


def _size(value: object) -> object:
    """Bytes of `16 MiB`, `64KiB`, `2.5 MB` or a plain number."""
    if not isinstance(value, str):
        return _number(value)
    match = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?)\s*([A-Za-z]*)", value.strip())
    if match is None or match[2].upper() not in _UNITS:
        raise ValueError
    return int(float(match[1]) * _UNITS[match[2].upper()])


def _number(value: object) -> object:
    # To pydantic and to Python, true is the number 1.
    if isinstance(value, bool):
        raise ValueError
    return value


def _folder(value: object) -> Path:
    if not isinstance(value, str | Path) or not str(value) or "\0" in str(value):
        raise ValueError("must be the path of a folder")
    return Path(os.path.expanduser(value))


def _file(value: object) -> Path:
    if not isinstance(value, str | Path) or not str(value) or "\0" in str(value):
        raise ValueError("must be the path of a file")
    return Path(os.path.expanduser(value))


def _optional_file(value: object) -> Path | None:
    # TOML has no null: an empty text stands for no file.
    return None if value is None or value == "" else _file(value)


def _workers(value: object) -> int | Literal["auto"]:
    if isinstance(value, str) and value.strip().isdecimal():
        value = int(value)
    if value == "auto":
        return "auto"
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= MOST_WORKERS:
        raise ValueError(WORKERS_FORM)
    return value


Size = Annotated[int, BeforeValidator(_size, json_schema_input_type=int | str)]
Count = Annotated[int, BeforeValidator(_number)]
Seconds = Annotated[float, BeforeValidator(_number)]
Folder = Annotated[Path, PlainValidator(_folder), WithJsonSchema({"type": "string"})]
File = Annotated[Path, PlainValidator(_file), WithJsonSchema({"type": "string"})]
OptionalFile = Annotated[
    Path | None,
    PlainValidator(_optional_file),
    PlainSerializer(lambda path: "" if path is None else str(path)),
    WithJsonSchema({"type": "string"}),
]
OptionalFolder = Annotated[
    Path | None,
    PlainValidator(lambda value: None if value in (None, "") else _folder(value)),
    PlainSerializer(lambda path: "" if path is None else str(path)),
    WithJsonSchema({"type": "string"}),
]
Workers = Annotated[
    int | Literal["auto"],
    PlainValidator(_workers),
    WithJsonSchema(
        {"anyOf": [{"type": "integer", "minimum": 1, "maximum": MOST_WORKERS}, {"const": "auto"}]}
    ),
]
Listen = Annotated[
    tuple[Address, ...],
    PlainValidator(_listen),
    PlainSerializer(lambda addresses: [str(each) for each in addresses] or ["off"]),
    WithJsonSchema({"type": "array", "items": {"type": "string"}, "minItems": 1}),
]
HttpUrl = Annotated[str, AfterValidator(http_url), PlainSerializer(shown_url)]
Patterns = Annotated[tuple[str, ...], BeforeValidator(_patterns)]
Pattern = Annotated[str, BeforeValidator(_pattern)]
Match = Annotated[
    tuple[str, ...], BeforeValidator(match_of, json_schema_input_type=str | list[str])
]
Networks = Annotated[
    tuple[Network, ...],
    PlainValidator(_networks),
    PlainSerializer(lambda networks: [str(each) for each in networks]),
    WithJsonSchema({"type": "array", "items": {"type": "string"}}),
]


def default_data_folder(
    environ: Mapping[str, str] = os.environ, platform: str = sys.platform
) -> Path:
    """Find the folder for the server's state when none is set.

    Args:
        environ: Environment; systemd gives a service its folder as STATE_DIRECTORY.
        platform: As `sys.platform`.

    Source: systemd.exec(5); XDG Base Directory Specification 0.8.
    """
    if state := environ.get("STATE_DIRECTORY"):
        return Path(state.split(":", 1)[0])
    home = Path(environ.get("HOME") or os.path.expanduser("~"))
    if platform == "darwin":
        return home / "Library" / "Application Support" / "headend"
    data = Path(environ.get("XDG_DATA_HOME", ""))
    return (data if data.is_absolute() else home / ".local" / "share") / "headend"
