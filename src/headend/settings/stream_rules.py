"""What the settings say of one stream: its rules, resolved into one frozen value.

section's own value ─► pattern list of the section ─► first rule that fits ─► … ─► last one
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import lru_cache
from typing import Final, NamedTuple

from headend.settings.auth import Auth
from headend.settings.hls import Hls
from headend.settings.keys import shown
from headend.settings.limits import Limits
from headend.settings.live import FallbackSource, Live, sources_of
from headend.settings.model import Settings
from headend.settings.record import Record
from headend.settings.rules import RULE_KEYS, plain_value
from headend.settings.srt import Srt

# Keys of rules that have another name in their section: there they are lists of patterns.
LISTED_AS: Final = {"record.enabled": "record.match"}
KNOWN: Final = 4096  # names whose rules are kept: names are a peer's choice


@dataclass(frozen=True, slots=True)
class StreamRules:
    """What holds for one stream.

    Attributes:
        auth: Section `auth`, with the rules of this stream.
        is_private: Watching it needs a token.
        is_tls_only: It is taken and given over TLS only.
        fallback: What stands in for its publisher, in the order of preference.
        live: Section `live`, with the rules of this stream.
        hls: Section `hls`, with the rules of this stream.
        is_recorded: It is recorded as long as it is live.
        srt: Section `srt`, with the rules of this stream.
        record: Section `record`, with the rules of this stream.
        limits: Section `limits`, with the rules of this stream.
        told: What rules and lists of patterns say, in words: `hls.segment_s = 4 (vip/*)`.
    """

    auth: Auth
    is_private: bool
    is_tls_only: bool
    fallback: tuple[FallbackSource, ...]
    live: Live
    hls: Hls
    is_recorded: bool
    srt: Srt
    record: Record
    limits: Limits
    told: tuple[str, ...]


class Said(NamedTuple):
    """A value that holds for a stream.

    Attributes:
        value: As the settings have it.
        rule: Number of the rule that said so, from 1 on; None: the section's own value.
        pattern: The pattern that fits the stream; empty: the value holds for all streams.
    """

    value: object
    rule: int | None = None
    pattern: str = ""

    def source(self, key: str, sources: Mapping[str, str]) -> str:
        """Say where the value of `key` comes from; `sources` is that of `LoadedSettings`."""
        if self.rule is not None:
            return f"{sources['stream']}, rule {self.rule}, match {self.pattern}"
        source = sources[LISTED_AS.get(key, key)]
        return f"{source}, match {self.pattern}" if self.pattern else source


class RuleBook:
    """The rules of all streams; one for each state of the settings.

    Attributes:
        settings: What it is made of.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings: Final = settings
        # Not a method with a cache of the module: that would keep settings that were replaced.
        self.of = lru_cache(KNOWN)(self._resolve)

    def _resolve(self, path: str) -> StreamRules:
        """Return what holds for the stream `APP/NAME`."""
        said = self.explain(path)
        sections: dict[str, dict[str, object]] = {}
        for key, each in said.items():
            section, _, name = key.partition(".")
            sections.setdefault(section, {})[name] = each.value
        settings = self.settings
        fallback = sections["live"].pop("fallback")
        assert isinstance(fallback, tuple)
        is_recorded = bool(sections["record"].pop("enabled"))
        return StreamRules(
            auth=settings.auth.model_copy(update={"publish": sections["auth"]["publish"]}),
            is_private=bool(sections["auth"]["private"]),
            is_tls_only=bool(sections["rtmp"]["tls_only"]),
            fallback=fallback,
            live=settings.live.model_copy(update=sections["live"]),
            hls=settings.hls.model_copy(update=sections["hls"]),
            is_recorded=is_recorded,
            srt=settings.srt.model_copy(update=sections["srt"]),
            record=settings.record.model_copy(update=sections["record"]),
            limits=settings.limits.model_copy(update=sections["limits"]),
            told=tuple(
                f"{key} = {shown(key, plain_value(key, each.value))} ({each.pattern})"
                for key, each in said.items()
                if each.pattern
            ),
        )

    def uses(self, key: str) -> bool:
        """Say whether a list of patterns such as `live.fallback`, or a rule, names any stream."""
        section, _, name = LISTED_AS.get(key, key).partition(".")
        is_listed = bool(getattr(getattr(self.settings, section), name))
        return is_listed or any(key in dict(rule.values) for rule in self.settings.stream)

    def explain(self, path: str) -> Mapping[str, Said]:
        """Say what holds for the stream `APP/NAME`, by key, and which rule said so."""
        said = dict(self._own(path))
        for number, rule in enumerate(self.settings.stream, 1):
            pattern = next((each for each in rule.match if fnmatchcase(path, each)), None)
            if pattern is not None:
                said |= {key: Said(value, number, pattern) for key, value in rule.values}
        return said

    def _own(self, path: str) -> Iterator[tuple[str, Said]]:
        """Give what the sections say; their lists of patterns are short forms of rules."""
        settings = self.settings
        lists = {
            "auth.private": settings.auth.private,
            "rtmp.tls_only": settings.rtmp.tls_only,
            "record.enabled": settings.record.match,
        }
        for key in RULE_KEYS:
            section, _, name = key.partition(".")
            if key in lists:
                pattern = next((each for each in lists[key] if fnmatchcase(path, each)), "")
                yield key, Said(bool(pattern), pattern=pattern)
            elif key == "live.fallback":
                rules = settings.live.fallback
                pattern = next((r.match for r in rules if fnmatchcase(path, r.match)), "")
                yield key, Said(sources_of(rules, path), pattern=pattern)
            else:
                yield key, Said(getattr(getattr(settings, section), name))
