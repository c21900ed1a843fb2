"""Titles and descriptions of streams, for people.

What the API has set comes first, then the settings (`live.title`), then the publisher's metadata.
"""

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Final
from weakref import WeakKeyDictionary

from headend.errors import MediaError
from headend.hub.stream import Stream
from headend.media import amf0
from headend.media.tag import SCRIPT
from headend.settings.live import Live

TITLE_CHARACTERS: Final = 200
DESCRIPTION_CHARACTERS: Final = 2000
METADATA_BYTES: Final = 16 * 1024  # larger metadata is not searched; encoders send under 1 KiB
KEPT: Final = 1024  # metadata whose texts are kept


@dataclass(frozen=True, slots=True)
class About:
    """What a stream is about; empty where nothing is known."""

    title: str = ""
    description: str = ""


class Titles:
    """What streams are about; what was set is forgotten when the stream ends."""

    def __init__(self) -> None:
        self._set: WeakKeyDictionary[Stream, About] = WeakKeyDictionary()

    def set(self, stream: Stream, title: str | None, description: str | None) -> None:
        """Set title or description of a stream; `None` leaves it, an empty text unsets it."""
        about = self._set.get(stream, About())
        if title is not None:
            about = replace(about, title=_clean(title, TITLE_CHARACTERS))
        if description is not None:
            about = replace(about, description=_clean(description, DESCRIPTION_CHARACTERS))
        self._set[stream] = about

    def of(self, stream: Stream, settings: Live) -> About:
        """Return what a stream is about; `settings` are those that hold for it."""
        own, told = self._set.get(stream, About()), _told(stream)
        return About(
            own.title or settings.title or told.title,
            own.description or settings.description or told.description,
        )


def _told(stream: Stream) -> About:
    """Return what the publisher's metadata say."""
    for tag in stream.headers()[:1]:
        if tag.kind is SCRIPT and len(tag.body) <= METADATA_BYTES:
            return _read(tag.body)
    return About()


@lru_cache(maxsize=KEPT)
def _read(metadata: bytes) -> About:
    if b"title" not in metadata and b"description" not in metadata:
        return About()
    try:
        values = amf0.parse_values(metadata)
    except MediaError:
        return About()
    for value in values:
        if isinstance(value, dict):
            return About(
                _text(value.get("title"), TITLE_CHARACTERS),
                _text(value.get("description"), DESCRIPTION_CHARACTERS),
            )
    return About()


def _text(value: object, most: int) -> str:
    return _clean(value, most) if isinstance(value, str) else ""


def _clean(text: str, most: int) -> str:
    """Return a text in one line, without what cannot be shown."""
    words = " ".join(text.split())
    return "".join(each for each in words if each.isprintable())[:most].strip()
