"""This module holds the values that settings are made of: addresses, sizes, networks, folders.

A validator raises ValueError with the words for the user, or without any: then the user is told the
limits of the key, which the validator does not know.
"""

import ipaddress
import json
import os
import re
import sys
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final

from pydantic import BeforeValidator, PlainSerializer, PlainValidator, WithJsonSchema

from headend.errors import SettingsError
from headend.settings.entries import entries, fields, texts

KIB: Final = 1024
MIB: Final = 1024 * KIB
GIB: Final = 1024 * MIB

# sun_path of a Unix socket holds 108 bytes with its final zero (unix(7)).
UNIX_PATH_BYTES: Final = 107

# A wrong value is repeated in the error so that it is found, not so that it is read in full.
SHOWN_CHARACTERS: Final = 80

_NETWORKS_FORM: Final = 'must be a list of networks such as "10.0.0.0/8" or addresses such as "::1"'
_PATTERNS_FORM: Final = 'must be a list of patterns of APP/NAME such as "live/*"'
CERTIFICATES_FORM: Final = 'must be a list such as [{ cert = "chain.pem", key = "key.pem" }]'

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


@dataclass(frozen=True, slots=True)
class CertificatePair:
    """Files of a certificate for TLS, in PEM.

    Attributes:
        cert: The certificate, then those of its chain.
        key: Its private key, not encrypted; may be the same file.
    """

    cert: Path
    key: Path


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


def quoted(value: object) -> str:
    """Show a value of any source in quotes, on one line, without control characters, cut short."""
    text = json.dumps(value, default=str)
    return text if len(text) <= SHOWN_CHARACTERS else text[:SHOWN_CHARACTERS] + "…"


def size_text(size: int) -> str:
    """Show a size in bytes with the largest unit that divides it: `16 MiB`, `2500000`."""
    for unit, factor in (("GiB", GIB), ("MiB", MIB), ("KiB", KIB)):
        if size and size % factor == 0:
            return f"{size // factor} {unit}"
    return str(size)


def typed(text: str) -> object:
    """Read a text of a flag or the environment: a list, a table or a text in quotes as in the file.

    Returns:
        The value; any other text as it is.

    Raises:
        ValueError: It begins like one of these and is none; says so.
    """
    text = unquoted(text)
    match text[:1]:
        case "[":
            return tables(text, f"it begins like a list and is none{_as_meant(text)}")
        case "{":
            return tables(text, f"it begins like a table and is none{_as_meant(text)}")
        case '"' | "'":
            quotes = "it begins with a quote and is neither a text in quotes nor several"
            found = tables(f"[{text}]", quotes)
            return found[0] if isinstance(found, list) and len(found) == 1 else found
    return text


def unquoted(text: str) -> str:
    """Return a text without the quotes around it, which a file of environment variables keeps."""
    text = text.strip()
    inner = text[1:-1]
    is_quoted = len(text) > 1 and text[0] == text[-1] and text[0] in "\"'"
    return inner if is_quoted and text[0] not in inner and "\\" not in inner else text


def _as_meant(text: str) -> str:
    """Say how it would be right; most likely a shell took the quotes away."""
    if not text.endswith("]") or set(text[1:-1]) & set("[]{}\"'"):
        return ": texts in it need quotes, and all of it others that keep them from the shell"
    items = [item.strip() for item in text[1:-1].split(",")]
    return f": write '{json.dumps(items, ensure_ascii=False)}' with all these quotes"


def listed(text: str) -> list[object]:
    """Read a list from a flag or the environment: `a, b`, or `["a", "b"]` as in the file.

    Raises:
        ValueError: It begins like a list and is none; says so.
    """
    found = typed(text)
    if isinstance(found, list):
        return found
    if not isinstance(found, str):
        raise ValueError
    return _split(found)


def _split(text: str) -> list[object]:
    return [item.strip() for item in text.split(",") if item.strip()]


def _items(value: object) -> list[str]:
    """Texts of a list, or of one text: see `listed`."""
    if isinstance(value, str):
        value = listed(value)
    if isinstance(value, list | tuple) and all(isinstance(item, str) for item in value):
        return list(value)
    raise ValueError


def _addresses(value: object) -> list[str]:
    """The same of addresses: one of IPv6 begins like a list."""
    if isinstance(value, str):
        text = unquoted(value)
        value = _split(text) if re.match(r"\[[0-9A-Fa-f:.]+(?:%\w+)?\]:", text) else value
    return _items(value)


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


def _networks(value: object) -> tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...]:
    items = texts(_items(value), is_network, _NETWORKS_FORM)
    return tuple(ipaddress.ip_network(each, strict=False) for each in items)


def is_network(text: str) -> bool:
    """Say whether a text is a network, or an address."""
    try:
        ipaddress.ip_network(text, strict=False)
    except ValueError:
        return False
    return True


def _patterns(value: object) -> tuple[str, ...]:
    try:
        items = _items(value)
    except ValueError as error:
        raise ValueError(str(error) or _PATTERNS_FORM) from None
    return texts(items, _is_pattern, _PATTERNS_FORM)


def _is_pattern(text: str) -> bool:
    return bool(text) and text.isprintable() and '"' not in text


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


def _file(value: object) -> Path | None:
    # TOML has no null: an empty text stands for no file.
    if value is None or value == "":
        return None
    if not isinstance(value, str | Path) or "\0" in str(value):
        raise ValueError("must be the path of a file")
    return Path(os.path.expanduser(value))


def _certificates(value: object) -> tuple[CertificatePair, ...]:
    items = tables(value, CERTIFICATES_FORM) if isinstance(value, str) else value
    if not isinstance(items, list | tuple):
        raise ValueError(CERTIFICATES_FORM)
    return entries(items, _certificate_pair, "cert")


def tables(text: str, form: str) -> object:
    """Read a list of tables from a flag or the environment: JSON, or TOML as in the file.

    Raises:
        ValueError: It is neither; says `form`.
    """
    try:
        return json.loads(text or "[]")
    except (ValueError, RecursionError):
        pass
    try:
        (value,) = tomllib.loads(f"value = {text}").values()
    except (ValueError, RecursionError):
        raise ValueError(form) from None
    return value


def _certificate_pair(item: object) -> CertificatePair:
    if isinstance(item, CertificatePair):
        return item
    table = fields(item, ("cert", "key"))
    return CertificatePair(_needed_file("cert", table), _needed_file("key", table))


def _needed_file(name: str, table: dict[str, object]) -> Path:
    value = table[name]
    if not isinstance(value, str | Path) or not str(value) or "\0" in str(value):
        raise ValueError(f"{name} must be the path of a file")
    return Path(os.path.expanduser(value))


Size = Annotated[int, BeforeValidator(_size, json_schema_input_type=int | str)]
Count = Annotated[int, BeforeValidator(_number)]
Seconds = Annotated[float, BeforeValidator(_number)]
Folder = Annotated[Path, PlainValidator(_folder), WithJsonSchema({"type": "string"})]
OptionalFile = Annotated[
    Path | None,
    PlainValidator(_file),
    PlainSerializer(lambda path: "" if path is None else str(path)),
    WithJsonSchema({"type": "string"}),
]
Certificates = Annotated[
    tuple[CertificatePair, ...],
    PlainValidator(_certificates),
    PlainSerializer(
        lambda pairs: [{"cert": str(pair.cert), "key": str(pair.key)} for pair in pairs]
    ),
    WithJsonSchema(
        {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {"cert": {"type": "string"}, "key": {"type": "string"}},
                "required": ["cert", "key"],
                "additionalProperties": False,
            },
        }
    ),
]
Listen = Annotated[
    tuple[Address, ...],
    PlainValidator(_listen),
    PlainSerializer(lambda addresses: [str(each) for each in addresses] or ["off"]),
    WithJsonSchema({"type": "array", "items": {"type": "string"}, "minItems": 1}),
]
Patterns = Annotated[
    tuple[str, ...],
    PlainValidator(_patterns),
    PlainSerializer(list),
    WithJsonSchema({"type": "array", "items": {"type": "string"}}),
]
Networks = Annotated[
    tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...],
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
