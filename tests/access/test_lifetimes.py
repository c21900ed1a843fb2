"""Tests of headend.access.lifetimes."""

import pytest

from headend.access.lifetimes import parse_expiry, parse_since
from headend.errors import SettingsError

NOW = 1_800_000_000.0  # 2027-01-15T08:00:00Z


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90s", 90), ("15m", 900), ("12H", 43_200), (" 30 d ", 2_592_000), ("2w", 1_209_600)],
)
def test_duration_counts_from_now(text: str, seconds: int) -> None:
    assert parse_expiry(text, NOW) == NOW + seconds


@pytest.mark.parametrize(
    ("text", "expiry"),
    [
        ("2027-01-16", 1_800_057_600),
        ("2027-01-15T09:00:00", 1_800_003_600),
        ("2027-01-15T09:00:00+01:00", 1_800_000_000),
        ("2027-01-15T09:00:01+01:00", 1_800_000_001),
    ],
)
def test_date_is_utc_unless_it_names_a_zone(text: str, expiry: int) -> None:
    if expiry > NOW:
        assert parse_expiry(text, NOW) == expiry
    else:
        with pytest.raises(SettingsError, match="over already"):
            parse_expiry(text, NOW)


@pytest.mark.parametrize("text", ["", "soon", "0s", "99999999w", "12", "2027-13-01"])
def test_what_is_neither_is_refused(text: str) -> None:
    with pytest.raises(SettingsError, match="--expires"):
        parse_expiry(text, NOW)


@pytest.mark.parametrize(
    ("text", "since"),
    [("2h", 1_000_000 - 7200), (" 1W ", 1_000_000 - 604_800), ("1970-01-02", 86_400)],
)
def test_time_since_when_is_a_duration_ago_or_a_date(text: str, since: float) -> None:
    assert parse_since(text, 1_000_000) == since


def test_time_that_is_neither_is_refused_with_its_flag() -> None:
    with pytest.raises(SettingsError, match="--since yesterday: write a duration"):
        parse_since("yesterday", 0)
