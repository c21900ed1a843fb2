"""This module holds the values of `live.fallback`: what takes the place of a silent publisher."""

from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Annotated, Final, Literal

from pydantic import PlainSerializer, PlainValidator, WithJsonSchema

from headend.settings.entries import entries, fields, shown_item
from headend.settings.values import tables

FALLBACK_FORM: Final = (
    'must be a list such as [{ match = "live/*", sources = ["backup", "slate"] }]'
)
SOURCES_FORM: Final = (
    "sources must be backup, stream:APP/NAME, file:PATH, image:PATH and slate, in their order"
)
MOST_RULES: Final = 1000
MOST_SOURCES: Final = 16

SourceKind = Literal["backup", "stream", "file", "image", "slate"]
_KINDS: Final[tuple[SourceKind, ...]] = ("backup", "stream", "file", "image", "slate")
_ALONE: Final = frozenset({"backup", "slate"})  # those without a name behind a colon


@dataclass(frozen=True, slots=True)
class FallbackSource:
    """One source that may stand in.

    Attributes:
        kind: `backup`: who publishes with `?backup=1`; `slate`: a picture of our own.
        name: Path of a file, or of a stream; may hold `{app}` and `{name}`.
    """

    kind: SourceKind
    name: str = ""

    def __str__(self) -> str:
        return f"{self.kind}:{self.name}" if self.name else self.kind

    def of(self, path: str) -> "FallbackSource":
        """Return it for the stream `APP/NAME`."""
        app, _, name = path.rpartition("/")
        filled = self.name.replace("{app}", app).replace("{name}", name)
        return FallbackSource(self.kind, filled)


@dataclass(frozen=True, slots=True)
class FallbackRule:
    """What stands in for the streams that match.

    Attributes:
        match: Pattern of `APP/NAME`.
        sources: The first that has media is on air while the publisher is silent.
    """

    match: str
    sources: tuple[FallbackSource, ...]


def sources_of(rules: Sequence[FallbackRule], path: str) -> tuple[FallbackSource, ...]:
    """Return what stands in for a stream, in the order of preference."""
    for rule in rules:
        if fnmatchcase(path, rule.match):
            return rule.sources
    return ()


def backup_rank(sources: Sequence[FallbackSource]) -> int:
    """Return the rank of who publishes as a backup; behind all others where it is not named."""
    kinds = [source.kind for source in sources]
    return 1 + (kinds.index("backup") if "backup" in kinds else len(kinds))


def _rules(value: object) -> tuple[FallbackRule, ...]:
    items = tables(value, FALLBACK_FORM) if isinstance(value, str) else value
    if not isinstance(items, list | tuple) or len(items) > MOST_RULES:
        raise ValueError(FALLBACK_FORM)
    return entries(items, _rule, "match")


def _rule(item: object) -> FallbackRule:
    if isinstance(item, FallbackRule):
        return item
    table = fields(item, ("match", "sources"))
    match, sources = table["match"], table["sources"]
    if not isinstance(match, str) or not match or not match.isprintable():
        raise ValueError('match must be a pattern of APP/NAME such as "live/*"')
    if not sources:
        raise ValueError(SOURCES_FORM)
    return FallbackRule(match, _sources(sources))


def _sources(value: object) -> tuple[FallbackSource, ...]:
    if not isinstance(value, list | tuple) or len(value) > MOST_SOURCES:
        raise ValueError(SOURCES_FORM)
    parsed = tuple(each if isinstance(each, FallbackSource) else _source(each) for each in value)
    if len(set(parsed)) < len(parsed):
        raise ValueError(f"{SOURCES_FORM}, each once")
    return parsed


def _source(value: object) -> FallbackSource:
    kind, colon, name = value.partition(":") if isinstance(value, str) else ("", "", "")
    for known in _KINDS:
        if kind == known and (known in _ALONE) != bool(colon) and (known in _ALONE) != bool(name):
            return FallbackSource(known, name)
    raise ValueError(f"{SOURCES_FORM}; {shown_item(value)} is none")


def _plain(rules: Sequence[FallbackRule]) -> list[dict[str, object]]:
    return [{"match": each.match, "sources": _texts(each.sources)} for each in rules]


def _texts(sources: Sequence[FallbackSource]) -> list[str]:
    return [str(each) for each in sources]


FallbackSources = Annotated[
    tuple[FallbackSource, ...],
    PlainValidator(_sources),
    PlainSerializer(_texts),
    WithJsonSchema({"type": "array", "items": {"type": "string"}}),
]
FallbackRules = Annotated[
    tuple[FallbackRule, ...],
    PlainValidator(_rules),
    PlainSerializer(_plain),
    WithJsonSchema(
        {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {
                    "match": {"type": "string"},
                    "sources": {"type": "array", "items": {"type": "string"}, "minItems": 1},
                },
                "required": ["match", "sources"],
                "additionalProperties": False,
            },
        }
    ),
]
