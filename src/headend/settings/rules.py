"""Rules for some streams: the `[[stream]]` tables of the settings.

A rule has patterns of `APP/NAME` and keys of the sections, which hold for the streams that match.
What they add up to for one name is in stream_rules.py.
"""

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from types import MappingProxyType
from typing import Annotated, Final

from pydantic import (
    BaseModel,
    Field,
    PlainSerializer,
    PlainValidator,
    SecretStr,
    ValidationError,
)
from pydantic.fields import FieldInfo

from headend.settings.allowed import wrong
from headend.settings.auth import Auth
from headend.settings.hls import SERVER_WIDE, Hls
from headend.settings.limits import Limits
from headend.settings.live import FallbackSources, Live
from headend.settings.record import Record
from headend.settings.rtmp import Rtmp
from headend.settings.section import Section
from headend.settings.srt import Srt, StreamSrt
from headend.settings.texts import listed_tables, quoted
from headend.settings.values import match_of

RULES_FORM: Final = 'must be a list such as [{ match = "vip/*", auth.private = true }]'
MOST_RULES: Final = 1000


class StreamAuth(Section):
    """Keys of `auth` that a rule may have."""

    private: bool = Field(default=False, description="Viewers need a token.")


class StreamRtmp(Section):
    """Keys of `rtmp` that a rule may have."""

    tls_only: bool = Field(
        default=False, description="The stream is published and played over TLS only."
    )


class StreamRecord(Section):
    """Keys of `record` that a rule may have."""

    enabled: bool = Field(default=False, description="The server records the stream.")


class StreamLive(Section):
    """Keys of `live` that have another form in a rule."""

    fallback: FallbackSources = Field(
        default=(), description="Sources that stand in for a silent publisher, in this order."
    )


def _fields(model: type[BaseModel], *names: str) -> dict[str, tuple[type[BaseModel], FieldInfo]]:
    section = model.__name__.removeprefix("Stream").lower()
    return {
        f"{section}.{name}": (model, model.model_fields[name])
        for name in names or model.model_fields
    }


# Every key that a rule may have, with the model that checks its value. The flush clock is one for
# all streams; the pattern lists of the sections are switches in a rule.
RULE_KEYS: Final[Mapping[str, tuple[type[BaseModel], FieldInfo]]] = MappingProxyType(
    {
        **_fields(StreamAuth),
        **_fields(Auth, "publish"),
        **_fields(StreamRtmp),
        **_fields(Live, *(each for each in Live.model_fields if not each.startswith("flush"))),
        **_fields(StreamLive),
        **_fields(Hls, *(each for each in Hls.model_fields if each not in SERVER_WIDE)),
        **_fields(StreamSrt),
        **_fields(StreamRecord),
        **_fields(Record, "format", "part_s", "file_s", "keep_days", "keep_bytes"),
        **_fields(
            Limits,
            "viewers_per_stream",
            "publisher_bit_rate",
            "publisher_bit_rate_s",
            "publisher_duration_s",
        ),
    }
)

_SECTIONS: Final[Mapping[str, type[BaseModel]]] = MappingProxyType(
    {
        "auth": Auth,
        "rtmp": Rtmp,
        "srt": Srt,
        "live": Live,
        "hls": Hls,
        "record": Record,
        "limits": Limits,
    }
)


@dataclass(frozen=True, slots=True)
class StreamRule:
    """What holds for the streams that match.

    Attributes:
        match: Patterns of `APP/NAME`; one of them must fit.
        values: Pairs of a key of RULE_KEYS and its value.
    """

    match: tuple[str, ...]
    values: tuple[tuple[str, object], ...]

    def fits(self, path: str) -> bool:
        """Say whether it holds for the stream `APP/NAME`."""
        return any(fnmatchcase(path, pattern) for pattern in self.match)


def _rules(value: object) -> tuple[StreamRule, ...]:
    items = listed_tables(value, RULES_FORM) if isinstance(value, str) else value
    if not isinstance(items, list | tuple) or len(items) > MOST_RULES:
        raise ValueError(RULES_FORM)
    return tuple(_rule(number, item) for number, item in enumerate(items, 1))


def _rule(number: int, item: object) -> StreamRule:
    if isinstance(item, StreamRule):
        return item
    if not isinstance(item, dict):
        raise ValueError(RULES_FORM)
    given = dict(item)
    match = _match(number, given.pop("match", None))
    values = _flat(given)
    if not values:
        raise ValueError(f"rule {number} ({_shown(match)}) has no key besides match")
    return StreamRule(
        match,
        tuple(
            (key, _checked(f"rule {number} ({_shown(match)})", key, each)) for key, each in values
        ),
    )


def _match(number: int, value: object) -> tuple[str, ...]:
    try:
        return match_of(value)
    except ValueError as error:
        raise ValueError(f"rule {number}: match {error}") from None


def _flat(table: Mapping[str, object], prefix: str = "") -> list[tuple[str, object]]:
    """Name the values of a rule by their keys, whether they came dotted or as tables."""
    pairs: list[tuple[str, object]] = []
    for name, value in table.items():
        key = f"{prefix}{name}"
        if isinstance(value, Mapping) and key not in RULE_KEYS:
            pairs += _flat(value, f"{key}.")
        else:
            pairs.append((key, value))
    return pairs


def _checked(rule: str, key: str, value: object) -> object:
    """Return a value as its section has it."""
    if key not in RULE_KEYS:
        raise ValueError(f"{rule}: a rule cannot have {quoted(key)[1:-1]}{_hint(key)}")
    model, info = RULE_KEYS[key]
    name = key.partition(".")[2]
    try:
        return getattr(model.model_validate({name: value}), name)
    except ValidationError as error:
        words = wrong(key, info, error.errors()[0])
        given = "…" if info.annotation is SecretStr else quoted(value)
        raise ValueError(f"{rule}: {key} = {given}: {words}") from None


def check_together(rules: Sequence[StreamRule], sections: Mapping[str, object]) -> None:
    """Check that each rule fits the sections that it changes.

    Args:
        rules: Valid, each value by itself.
        sections: The models of the sections, by name.

    Raises:
        ValueError: A rule and the section's own values contradict each other.
    """
    for number, rule in enumerate(rules, 1):
        changes: dict[str, dict[str, object]] = {}
        for key, value in rule.values:
            section, _, name = key.partition(".")
            if RULE_KEYS[key][0] is type(sections.get(section)):
                changes.setdefault(section, {})[name] = value
        for section, values in changes.items():
            model = sections[section]
            assert isinstance(model, BaseModel)
            try:
                type(model).model_validate(dict(model) | values)
            except ValidationError as error:
                words = error.errors()[0].get("ctx", {}).get("error", "")
                name = ".".join(map(str, error.errors()[0]["loc"]))
                text = f"rule {number} ({_shown(rule.match)}): {section}.{name} {words}"
                raise ValueError(text) from None


def _hint(key: str) -> str:
    model = _SECTIONS.get(key.partition(".")[0])
    if model is not None and key.partition(".")[2] in model.model_fields:
        return ", which holds for the whole server"
    near = difflib.get_close_matches(key, RULE_KEYS, n=1, cutoff=0.6)
    return f"; did you mean {near[0]}?" if near else f"; it can have {', '.join(RULE_KEYS)}"


def _shown(match: Sequence[str]) -> str:
    return quoted(match[0])[1:-1] + (" …" if len(match) > 1 else "")


def _plain(rules: Sequence[StreamRule]) -> list[dict[str, object]]:
    return [
        {"match": list(rule.match)} | {key: plain_value(key, each) for key, each in rule.values}
        for rule in rules
    ]


def plain_value(key: str, value: object) -> object:
    """Give a value of a rule as one that JSON and TOML know; `key` is one of RULE_KEYS."""
    name = key.partition(".")[2]
    plain = RULE_KEYS[key][0].model_validate({name: value}).model_dump(mode="json")[name]
    return int(plain) if isinstance(plain, float) and plain.is_integer() else plain


def _schema() -> dict[str, object]:
    """JSON schema of the list; a dotted key of TOML such as `auth.private` is a table there."""
    sections: dict[str, dict[str, object]] = {}
    for key, (model, _) in RULE_KEYS.items():
        section, _, name = key.partition(".")
        sections.setdefault(section, {})[name] = model.model_json_schema()["properties"][name]
    properties: dict[str, object] = {
        section: {"type": "object", "properties": fields, "additionalProperties": False}
        for section, fields in sections.items()
    }
    texts = {"type": "array", "items": {"type": "string"}, "minItems": 1}
    properties["match"] = {"anyOf": [{"type": "string"}, texts]}
    return {
        "type": "array",
        "items": {
            "type": "object",
            "properties": properties,
            "required": ["match"],
            "additionalProperties": False,
        },
    }


class _Schema:
    """The JSON schema, made for those who ask for it: a tenth of what a start takes."""

    def __get_pydantic_json_schema__(self, *_: object) -> dict[str, object]:
        return _schema()


Rules = Annotated[
    tuple[StreamRule, ...], PlainValidator(_rules), PlainSerializer(_plain), _Schema()
]
