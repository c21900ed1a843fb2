"""Relays as settings and the API name them, and the ids that tell them apart."""

import re
from dataclasses import dataclass
from hashlib import sha256

from headend.errors import SettingsError
from headend.relay.status import Direction, Source
from headend.settings import Settings
from headend.settings.relay import RelayIn, RelayOut
from headend.settings.tables import read_table

Rule = RelayOut | RelayIn


@dataclass(frozen=True, slots=True)
class Entry:
    """A relay, and whether settings or the API named it."""

    rule: Rule
    source: Source


def parse_spec(direction: Direction, spec: dict[str, object]) -> Rule:
    """Read a relay that the API was given.

    Raises:
        SettingsError: The relay makes no sense; the text says why, and shows no secret.
    """
    try:
        return read_table(RelayOut, spec) if direction == "out" else read_table(RelayIn, spec)
    except ValueError as error:
        raise SettingsError(str(error)) from None


def identified(settings: Settings) -> dict[str, Entry]:
    """Give each relay of the settings an id, which stays the same while the relay does."""
    found: dict[str, Entry] = {}
    rules: list[Rule] = [*settings.relay.out, *settings.relay.in_]
    for rule in rules:
        urls = (rule.url,) if isinstance(rule, RelayOut) else rule.url
        direction = "out" if isinstance(rule, RelayOut) else "in"
        named = "\n".join((direction, *rule.match, *map(_place, urls)))
        digest = sha256(named.encode()).hexdigest()[:10]
        id, number = f"{direction}_{digest}", 1
        while id in found:
            number += 1
            id = f"{direction}_{digest}_{number}"
        found[id] = Entry(rule, "settings")
    return found


def _place(url: str) -> str:
    """Return a URL without user and query, which may change while the relay stays the same."""
    head, question, _ = url.partition("?")
    return re.sub(r"(?<=://)[^/@]*@", "", head) + ("?…" if question else "")
