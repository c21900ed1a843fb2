"""Durations and dates as a person writes them: how long a key is valid, since when to look."""

import re
from datetime import UTC, datetime
from typing import Final

from headend.errors import SettingsError

UNITS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
DURATION: Final = re.compile(r"(\d{1,9})\s*([smhdw])", re.ASCII | re.IGNORECASE)
LONGEST_S: Final = 100 * 366 * 86_400


def parse_expiry(text: str, now: float) -> float:
    """Return when something expires, Unix seconds.

    Args:
        text: `90s`, `15m`, `12h`, `30d`, `2w`, or a date or time as ISO 8601 writes it; without a
            zone it is UTC.
        now: Unix seconds.

    Raises:
        SettingsError: It is neither, or not in the future.
    """
    seconds = _duration_s(text)
    if seconds is not None:
        if not 0 < seconds <= LONGEST_S:
            raise SettingsError(f"--expires {text}: must be between 1 second and 100 years")
        return now + seconds
    expiry = _moment("--expires", text, "2030-12-31")
    if expiry <= now:
        raise SettingsError(f"--expires {text}: that is over already")
    return expiry


def parse_since(text: str, now: float) -> float:
    """Return when something was, Unix seconds.

    Args:
        text: As for `parse_expiry`; a duration is how long ago it was.
        now: Unix seconds.

    Raises:
        SettingsError: It is neither a duration nor a date.
    """
    seconds = _duration_s(text)
    return _moment("--since", text, "2026-01-31") if seconds is None else now - seconds


def _duration_s(text: str) -> int | None:
    match = DURATION.fullmatch(text.strip())
    return int(match[1]) * UNITS[match[2].lower()] if match else None


def _moment(flag: str, text: str, example: str) -> float:
    """Read a date or time; without a zone it is UTC."""
    try:
        when = datetime.fromisoformat(text.strip())
    except ValueError:
        raise SettingsError(
            f"{flag} {text}: write a duration such as 12h or 30d, or a date such as {example}"
        ) from None
    return (when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp()
