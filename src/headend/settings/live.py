"""Settings of streams: how they start, continue and end, and what stands in for a publisher."""

from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Annotated, Final, Literal

from pydantic import AfterValidator, Field, PlainSerializer, PlainValidator, WithJsonSchema

from headend.settings.section import Section
from headend.settings.tables import Table, entries
from headend.settings.texts import shown_item
from headend.settings.values import GIB, KIB, MIB, Count, Pattern, Seconds, Size

FALLBACK_FORM: Final = (
    'must be a list such as [{ match = "live/*", sources = ["backup", "slate"] }]'
)
SOURCES_FORM: Final = (
    "must be backup, stream:APP/NAME, file:PATH, image:PATH and slate, in their order"
)
MOST_SOURCES: Final = 16

SourceKind = Literal["backup", "stream", "file", "image", "slate"]
_KINDS: Final[tuple[SourceKind, ...]] = ("backup", "stream", "file", "image", "slate")
_ALONE: Final = frozenset({"backup", "slate"})  # those without a name behind a colon


@dataclass(frozen=True, slots=True)
class FallbackSource:
    """One source that may stand in.

    Attributes:
        kind: `backup`: publishers with `?backup=1`; `slate`: a picture of our own.
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


def _some(sources: tuple[FallbackSource, ...]) -> tuple[FallbackSource, ...]:
    if not sources:
        raise ValueError(SOURCES_FORM)
    return sources


FallbackSources = Annotated[
    tuple[FallbackSource, ...],
    PlainValidator(_sources),
    PlainSerializer(lambda sources: [str(each) for each in sources]),
    WithJsonSchema({"type": "array", "items": {"type": "string"}}),
]


class FallbackRule(Table):
    """What stands in for the streams that match; the first source that has media is on air."""

    match: Pattern = Field(description='Pattern of APP/NAME, such as "live/*".')
    sources: Annotated[FallbackSources, AfterValidator(_some)] = Field(
        json_schema_extra={"minItems": 1},
        description="backup, stream:APP/NAME, file:PATH, image:PATH and slate, in their order.",
    )


def sources_of(rules: Sequence[FallbackRule], path: str) -> tuple[FallbackSource, ...]:
    """Return what stands in for a stream, in the order of preference."""
    for rule in rules:
        if fnmatchcase(path, rule.match):
            return rule.sources
    return ()


def backup_rank(sources: Sequence[FallbackSource]) -> int:
    """Return the rank of a publisher that is a backup; behind all others where it is not named."""
    kinds = [source.kind for source in sources]
    return 1 + (kinds.index("backup") if "backup" in kinds else len(kinds))


class Live(Section):
    """How streams start, continue and end."""

    title: Annotated[str, Field(max_length=200)] = Field(
        default="",
        description="Title of a stream, for people; empty: the one that its publisher sends.",
    )
    description: Annotated[str, Field(max_length=2000)] = Field(
        default="",
        description="What a stream is about, for people; empty: what its publisher says.",
    )
    listed: bool = Field(
        default=True,
        description="The public page shows the stream, if it is open to all.",
    )
    wait_s: Seconds = Field(
        default=30,
        ge=0,
        le=3600,
        description="Seconds that a player waits for a name that nobody publishes yet.",
    )
    reconnect_window_s: Seconds = Field(
        default=60,
        ge=0,
        le=1800,
        description="Seconds that a stream waits for a lost publisher to come back.",
    )
    takeover: Literal["same-key", "always", "never"] = Field(
        default="same-key",
        description="When a second publisher of a name takes it over: same-key, always or never.",
    )
    gop_cache: bool = Field(
        default=True,
        description="Viewers start at the newest keyframe (true) or at the next one (false).",
    )
    log_s: Seconds = Field(
        default=20,
        ge=0,
        le=300,
        description="Seconds of a stream that the server keeps in memory for viewers.",
    )
    log_bytes: Size = Field(
        default=32 * MIB,
        ge=64 * KIB,
        le=4 * GIB,
        description="Bytes of a stream that the server keeps in memory for viewers.",
    )
    flush_ms: Count = Field(
        default=30,
        ge=0,
        le=1000,
        description="Milliseconds that data for viewers may wait before it is sent.",
    )
    flush: Literal["adaptive", "fixed"] = Field(
        default="adaptive",
        description="Send at once while load is low (adaptive), or flush_ms after the first byte "
        "that waits (fixed).",
    )
    flush_io_uring: bool = Field(
        default=True,
        description="Send to 64 viewers and more with one system call, where Linux has io_uring.",
    )
    fallback: Annotated[tuple[FallbackRule, ...], entries(FallbackRule, FALLBACK_FORM)] = Field(
        default=(),
        description="What stands in for a silent publisher: [{ match, sources }] "
        "(docs/fallback.md).",
    )
    fallback_after_s: Seconds = Field(
        default=1.5,
        ge=0.5,
        le=60,
        description="Seconds of silence after which the next source stands in.",
    )
    fallback_steady_s: Seconds = Field(
        default=3,
        ge=0,
        le=300,
        description="Seconds without a gap after which a better source is on air again.",
    )
    fallback_hold_s: Seconds = Field(
        default=3600,
        ge=0,
        le=7 * 86_400,
        description="Seconds for which a file, picture or stream stands in for a publisher that "
        "is gone.",
    )
