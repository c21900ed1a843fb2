"""Tests of `live.fallback`."""

import pytest

from headend.errors import SettingsError
from headend.settings import load_settings, plain_values
from headend.settings.live import FallbackSource, backup_rank, sources_of

RULES = 'live.fallback=[{ match = "live/*", sources = ["stream:spare/{name}", "backup", "slate"] }]'


def test_rules_are_read_and_shown_as_they_were_written() -> None:
    settings = load_settings(None, (RULES,), environ={}).settings
    (rule,) = settings.live.fallback
    assert rule.match == "live/*"
    assert [str(source) for source in rule.sources] == ["stream:spare/{name}", "backup", "slate"]
    assert plain_values(settings)["live.fallback"] == [
        {"match": "live/*", "sources": ["stream:spare/{name}", "backup", "slate"]}
    ]
    again = load_settings(
        None,
        (),
        environ={"HEADEND_LIVE__FALLBACK": '[{"match": "a/*", "sources": ["file:/b.mp4"]}]'},
    )
    assert again.settings.live.fallback[0].sources == (FallbackSource("file", "/b.mp4"),)


def test_app_and_name_of_the_stream_are_filled_in() -> None:
    source = FallbackSource("file", "/srv/{app}/{name}.mp4")
    assert source.of("tv/news/a").name == "/srv/tv/news/a.mp4"


def test_first_rule_that_matches_holds() -> None:
    rules = load_settings(None, (RULES,), environ={}).settings.live.fallback
    assert len(sources_of(rules, "live/a")) == 3
    assert sources_of(rules, "other/a") == ()
    assert backup_rank(sources_of(rules, "live/a")) == 2
    assert backup_rank(sources_of(rules, "other/a")) == 1


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("7", "must be a list such as"),
        ("[7]", "entry 1: it must be a table with the fields match, sources"),
        ('[{ match = "a" }]', r'entry 1 \("a"\): sources is missing'),
        ('[{ match = "", sources = ["slate"] }]', "match must be a pattern"),
        ('[{ match = "a", sources = ["slate", "tap"] }]', '"tap" is none'),
        ('[{ match = "a", sources = [] }]', "sources must be"),
        ('[{ match = "a", sources = "slate" }]', "sources must be"),
        ('[{ match = "a", sources = ["file"] }]', "sources must be"),
        ('[{ match = "a", sources = ["file:"] }]', "sources must be"),
        ('[{ match = "a", sources = ["slate:x"] }]', "sources must be"),
        ('[{ match = "a", sources = ["tape:x"] }]', "sources must be"),
        ('[{ match = "a", sources = [7] }]', "sources must be"),
        ('[{ match = "a", sources = ["slate", "slate"] }]', "each once"),
    ],
)
def test_what_is_no_rule_is_refused_in_words(text: str, said: str) -> None:
    with pytest.raises(SettingsError, match=rf"live\.fallback.* {said}"):
        load_settings(None, (f"live.fallback={text}",), environ={})
