"""How long a key or a token is to be valid, as a person writes it."""

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
    match = DURATION.fullmatch(text.strip())
    if match:
        seconds = int(match[1]) * UNITS[match[2].lower()]
        if not 0 < seconds <= LONGEST_S:
            raise SettingsError(f"--expires {text}: must be between 1 second and 100 years")
        return now + seconds
    try:
        when = datetime.fromisoformat(text.strip())
    except ValueError:
        raise SettingsError(
            f"--expires {text}: write a duration such as 12h or 30d, or a date such as 2030-12-31"
        ) from None
    expiry = (when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp()
    if expiry <= now:
        raise SettingsError(f"--expires {text}: that is over already")
    return expiry
