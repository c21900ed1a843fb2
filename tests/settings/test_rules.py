"""Rules for some streams: what a `[[stream]]` table may hold, and what is said of a wrong one."""

import json
import tomllib
from pathlib import Path

import pytest

from headend.errors import SettingsError
from headend.settings import KEYS, Settings, load_settings, plain_values, shown
from headend.settings.rules import MOST_RULES, RULE_KEYS, StreamRule


def rules(text: str) -> tuple[StreamRule, ...]:
    return load_settings(None, [f"stream={text}"], {}).settings.stream


def wrong(text: str) -> str:
    with pytest.raises(SettingsError) as error:
        rules(text)
    return str(error.value)


def test_rule_of_a_file_has_patterns_and_keys_of_sections(tmp_path: Path) -> None:
    file = tmp_path / "headend.toml"
    file.write_text(
        '[[stream]]\nmatch = "vip/*"\nauth.private = true\nhls.segment_s = 4\n'
        '[[stream]]\nmatch = ["a/*", "b/*"]\nlimits.viewers_per_stream = 500\n'
    )
    first, second = load_settings(file, environ={}).settings.stream
    assert first == StreamRule(("vip/*",), (("auth.private", True), ("hls.segment_s", 4)))
    assert second == StreamRule(("a/*", "b/*"), (("limits.viewers_per_stream", 500),))


def test_rules_come_from_flags_and_the_environment_too() -> None:
    expected = (StreamRule(("a/*",), (("auth.private", True),)),)
    assert rules('[{ match = "a/*", auth.private = true }]') == expected
    assert rules('[{"match": "a/*", "auth": {"private": true}}]') == expected
    assert rules('[{"match": "a/*", "auth.private": true}]') == expected
    environ = {"HEADEND_STREAM": '[{ match = "a/*", auth.private = true }]'}
    assert load_settings(None, environ=environ).settings.stream == expected
    assert rules("[]") == ()


def test_rule_fits_a_stream_if_one_of_its_patterns_does() -> None:
    rule = StreamRule(("vip/*", "live/a?"), ())
    assert [rule.fits(path) for path in ("vip/x", "live/ab", "live/a", "Vip/x")] == [
        True,
        True,
        False,
        False,
    ]


def test_every_key_is_one_of_its_section() -> None:
    assert {key for key in RULE_KEYS if key not in KEYS} == {"record.enabled"}


def test_rules_are_shown_as_toml_that_says_the_same() -> None:
    text = (
        '[{ match = ["vip/*"], auth.private = true, live.log_bytes = 1048576, '
        'live.fallback = ["backup", "slate"], hls.segment_s = 4 }]'
    )
    made = load_settings(None, [f"stream={text}"], {}).settings
    line = shown("stream", plain_values(made)["stream"])
    assert line == text
    assert rules(line) == made.stream


def test_schema_knows_the_keys_of_a_rule() -> None:
    schema = Settings.model_json_schema()["properties"]["stream"]["items"]
    assert schema["required"] == ["match"]
    assert schema["properties"]["hls"]["properties"]["segment_s"]["maximum"] == 60
    assert "flush_ms" not in schema["properties"]["live"]["properties"]
    json.dumps(schema)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("vip", 'must be a list such as [{ match = "vip/*", auth.private = true }]'),
        ("[1]", 'must be a list such as [{ match = "vip/*", auth.private = true }]'),
        (
            "[{ auth.private = true }]",
            'rule 1: match must be a pattern of APP/NAME such as "live/*"',
        ),
        ("[{ match = [], auth.private = true }]", "rule 1: match must be a pattern"),
        ('[{ match = ["a", ""], auth.private = true }]', "rule 1: match must be a pattern"),
        ('[{ match = "a" }]', "rule 1 (a) has no key besides match"),
        ('[{ match = ["a", "b"] }]', "rule 1 (a …) has no key besides match"),
        (
            '[{ match = "a", hls.segmnt_s = 3 }]',
            "rule 1 (a): a rule cannot have hls.segmnt_s; did you mean hls.segment_s?",
        ),
        (
            '[{ match = "a", live.flush_ms = 3 }]',
            "rule 1 (a): a rule cannot have live.flush_ms, which holds for the whole server",
        ),
        ('[{ match = "a", x = 3 }]', "a rule cannot have x; it can have auth.private, "),
        (
            '[{ match = "a", hls.segment_s = 300 }]',
            "rule 1 (a): hls.segment_s = 300: must be a number from 0.5 to 60",
        ),
        (
            '[{ match = "a", live.log_bytes = 1 }]',
            'live.log_bytes = 1: must be a size from 64 KiB to 4 GiB, such as "16 MiB"',
        ),
        (
            '[{ match = "a", auth.private = "maybe" }]',
            'auth.private = "maybe": must be true or false',
        ),
        (
            '[{ match = "a", live.takeover = "no" }]',
            'live.takeover = "no": must be "same-key", "always" or "never"',
        ),
        ('[{ match = "a", live.fallback = ["x"] }]', "must be backup, stream:APP/NAME"),
        (
            '[{ match = "b", hls.part_s = 0 }, { match = "a", hls.segment_s = 40 }]',
            "rule 2 (a): hls.longest_s must not be less than hls.segment_s (40)",
        ),
    ],
)
def test_wrong_rule_is_told_in_words(text: str, words: str) -> None:
    assert words in wrong(text)


def test_rules_are_bounded() -> None:
    many = [{"match": "a", "auth": {"private": True}}] * (MOST_RULES + 1)
    assert "must be a list" in wrong(json.dumps(many))


def test_listed_settings_are_a_toml_document() -> None:
    made = load_settings(None, ['stream=[{ match = "a", auth.private = true }]'], {}).settings
    lines = [f"{key} = {shown(key, value)}" for key, value in plain_values(made).items()]
    assert tomllib.loads("\n".join(lines))["stream"][0]["auth"] == {"private": True}


@pytest.mark.parametrize(
    "secret",
    [
        "auth.database=postgresql://ann:hush@h/streams",
        "auth.callback_secret=0123456789abcdef",
        "auth.callback_url=https://h.example/ask?token=hush",
    ],
)
def test_rule_stands_beside_secrets_of_the_section_that_it_changes(secret: str) -> None:
    rule = 'stream=[{ match = "a/*", auth.publish = "open" }]'
    settings = load_settings(None, [secret, rule], {}).settings
    assert [each.match for each in settings.stream] == [("a/*",)]
