"""The settings by their keys, such as `live.wait_s`, and how their values are shown."""

import json
from collections.abc import Iterable, Mapping
from keyword import iskeyword
from types import MappingProxyType
from typing import Final, get_args

from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo

from headend.settings.model import Settings
from headend.settings.rules import StreamRule
from headend.settings.values import HIDDEN, size_text


def _sections(model: type[BaseModel], prefix: str = "") -> dict[str, type[BaseModel]]:
    """Name the sections of a model, `tls.acme` behind `tls`."""
    sections: dict[str, type[BaseModel]] = {}
    for name, info in model.model_fields.items():
        if isinstance(info.annotation, type) and issubclass(info.annotation, BaseModel):
            sections[prefix + name] = info.annotation
            sections |= _sections(info.annotation, f"{prefix}{name}.")
    return sections


SECTIONS: Final[Mapping[str, type[BaseModel]]] = MappingProxyType(_sections(Settings))

# In the order in which users see them. TOML wants keys without a section first.
KEYS: Final[Mapping[str, FieldInfo]] = MappingProxyType(
    {name: info for name, info in Settings.model_fields.items() if name not in SECTIONS}
    | {
        f"{section}.{info.alias or name}": info
        for section, model in SECTIONS.items()
        for name, info in model.model_fields.items()
        if f"{section}.{name}" not in SECTIONS
    }
)

# What a reload can't change: sockets are bound, the folder is open, one encoding with one chunk
# size is shared by all players, and an order for a certificate may be on its way.
NEEDS_RESTART: Final = frozenset(
    {
        "data",
        "workers",
        "hooks",
        "rtmp.listen",
        "tls.listen",
        "http.listen",
        "srt.listen",
        "srt.latency_ms",
        "rtmp.chunk_size",
        "auth.database",
        "cluster.redis",
        "cluster.node",
        "cluster.advertise",
        "cluster.secret",
        "cluster.ca",
        "record.folder",
        "auth.outgoing_ca",
    }
    | {f"tls.acme.{name}" for name in SECTIONS["tls.acme"].model_fields}
)


def get(settings: Settings, key: str) -> object:
    """Return the value of a key such as `live.wait_s`; KeyError for a key not in KEYS."""
    if key not in KEYS:
        raise KeyError(key)
    value: object = settings
    for name in key.split("."):
        # `relay.in` has another name in the model: Python has a use for that word.
        value = getattr(value, f"{name}_" if iskeyword(name) else name)
    return value


def changed_keys(old: Settings, new: Settings) -> list[str]:
    """Name the keys whose values differ, in the order of KEYS.

    Those that are also in NEEDS_RESTART take effect with the next start only.
    """
    return [key for key in KEYS if get(old, key) != get(new, key)]


def plain_values(settings: Settings) -> dict[str, object]:
    """Give all settings by key, as values that JSON and TOML know, in the order of KEYS.

    Sizes are bytes; secrets are hidden.
    """
    document = settings.model_dump(mode="json", by_alias=True)
    return {key: _plain(_inner(document, key)) for key in KEYS}


def _inner(document: object, key: str) -> object:
    for name in key.split("."):
        assert isinstance(document, dict)
        document = document[name]
    return document


def _plain(value: object) -> object:
    return int(value) if isinstance(value, float) and value.is_integer() else value


def shown(key: str, value: object) -> str:
    """Show a plain value of a key as TOML would: `30`, `"16 MiB"`, `[":1935"]`."""
    if key.endswith("bytes") and isinstance(value, int):
        value = size_text(value)
    return _toml(value)


def _toml(value: object) -> str:
    """A plain value on one line of TOML, which differs from JSON in its tables only."""
    if isinstance(value, dict):
        return f"{{ {', '.join(f'{name} = {_toml(inner)}' for name, inner in value.items())} }}"
    if isinstance(value, list):
        return f"[{', '.join(map(_toml, value))}]"
    return json.dumps(value, ensure_ascii=False)


def is_secret(info: FieldInfo) -> bool:
    """Tell whether a value of this field must never be shown, or not all of it."""
    is_marked = any(isinstance(each, str) and each == HIDDEN for each in info.metadata)
    return is_marked or SecretStr in (info.annotation, *get_args(info.annotation))


def secret_values(value: object) -> list[str]:
    """Return every secret that settings, or a part of them, hold."""
    if isinstance(value, SecretStr):
        return [value.get_secret_value()]
    own: list[str] = []
    parts: Iterable[object] = ()
    if isinstance(value, BaseModel):
        parts = [inner for _, inner in value]
        own += getattr(value, "secrets", ())
    elif isinstance(value, StreamRule):
        parts = [inner for _, inner in value.values]
    elif isinstance(value, Mapping):
        parts = value.values()
    elif isinstance(value, tuple | list):
        parts = value
    return [*own, *(secret for part in parts for secret in secret_values(part))]


def example_toml() -> str:
    """Write a settings file that holds every key with its default and one comment line.

    All of it is commented out, so that examples of the manuals can be put below: TOML takes a
    section, and a key, once.
    """
    lines = [
        "# Settings of headend: every key with its default, commented out.",
        "# Take the # off the lines that you change; put examples of the manuals below all of it.",
        "# Order: flag, environment (HEADEND_SECTION__KEY), this file, default.",
    ]
    section = ""
    for key, value in (plain_values(Settings()) | {"data": ""}).items():
        head = key.rpartition(".")[0]
        if head != section:
            lines += ["", f"# ---- {head}"]
            section = head
        lines += ["", f"# {KEYS[key].description}", f"#{key} = {shown(key, value)}"]
    return "\n".join(lines) + "\n"
