"""Tests of headend.settings.relay."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from headend.errors import SettingsError
from headend.settings import load_settings, plain_values, secret_values
from headend.settings.model import Settings
from headend.settings.relay import RelayIn, RelayOut, check_stream, fill
from headend.settings.relay_presets import PRESETS
from headend.settings.tables import read_table
from headend.trust import Trust

FINGERPRINT = "AB:" * 31 + "AB"


def load(tmp_path: Path, text: str) -> Settings:
    file = tmp_path / "headend.toml"
    file.write_text(text)
    return load_settings(file, environ={}).settings


def test_relays_of_a_file_have_the_shape_of_the_manual(tmp_path: Path) -> None:
    settings = load(
        tmp_path,
        """
        [[relay.out]]
        match = "live/*"
        url = "rtmps://ingest.example/app"
        key = "k1?x={name}"

        [[relay.in]]
        match = "live/*"
        url = ["rtmps://origin-a/live/{name}", "rtmps://origin-b/live/{name}"]
        on_demand = true
        """,
    )
    (out,) = settings.relay.out
    assert out.match == ("live/*",)
    assert out.url == "rtmps://ingest.example/app"
    assert out.key is not None
    assert out.key.get_secret_value() == "k1?x={name}"
    (into,) = settings.relay.in_
    assert into.url == ("rtmps://origin-a/live/{name}", "rtmps://origin-b/live/{name}")
    assert into.on_demand


def test_relays_of_a_flag_are_toml_or_json() -> None:
    for text in ('[{match="a/b", url="rtmp://h/a/b"}]', '[{"match":"a/b","url":"rtmp://h/a/b"}]'):
        loaded = load_settings(None, [f"relay.out={text}"], environ={})
        assert loaded.settings.relay.out == (RelayOut(match=("a/b",), url="rtmp://h/a/b"),)
    assert load_settings(None, ["relay.in="], environ={}).settings.relay.in_ == ()


def test_secrets_are_hidden_wherever_settings_are_shown() -> None:
    out = '[{match="a/*", url="rtmps://user:hush-word@h/app?sig=5", key="hush-key"}]'
    into = '[{match="a/*", url="https://h/{name}.flv?token=hush-token"}]'
    settings = load_settings(None, [f"relay.out={out}", f"relay.in={into}"], environ={}).settings
    for text in (json.dumps(plain_values(settings)), repr(settings)):
        assert "hush" not in text
        assert "sig=5" not in text
    assert plain_values(settings)["relay.out"] == [
        {"match": ["a/*"], "url": "rtmps://h/app?…", "key": "**********"}
    ]


def out(url: str, **more: object) -> RelayOut:
    return read_table(RelayOut, {"match": "live/*", "url": url} | more)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("rtmp://a.rtmp.youtube.com/live2/abcd-efgh-ijkl", "rtmp://a.rtmp.youtube.com/live2/***"),
        ("rtmp://a.rtmp.youtube.com/live2/k/", "rtmp://a.rtmp.youtube.com/live2/***/"),
        (
            "rtmps://live.twitch.tv/app/live_1_ab?bandwidthtest=true",
            "rtmps://live.twitch.tv/app/***?…",
        ),
        (
            "rtmps://live-api-s.facebook.com:443/rtmp/FB-1-0-Ab",
            "rtmps://live-api-s.facebook.com:443/rtmp/***",
        ),
        ("rtmp://ingest.example/live/my-own-key", "rtmp://ingest.example/live/***"),
        ("rtmp://ingest.example/live/a/my-own-key", "rtmp://ingest.example/live/a/***"),
        (
            "rtmp://u:hush-word@ingest.example/live/{name}-my-own-key",
            "rtmp://ingest.example/live/***",
        ),
        ("rtmp://ingest.example/0123456789abcdef/a", "rtmp://ingest.example/***/a"),
        ("rtmp://ingest.example/live/{name}", "rtmp://ingest.example/live/{name}"),
        ("rtmp://ingest.example/{app}/{name}_copy", "rtmp://ingest.example/{app}/{name}_copy"),
        ("rtmp://ingest.example/live/cam1", "rtmp://ingest.example/live/cam1"),
        ("rtmp://ingest.example/application", "rtmp://ingest.example/application"),
        ("rtmp://ingest.example/", "rtmp://ingest.example/"),
        ("rtmp://ingest.example", "rtmp://ingest.example"),
    ],
)
def test_key_in_the_path_of_a_relay_out_is_hidden(url: str, shown: str) -> None:
    relay = out(url)
    assert relay.shown_url == relay.model_dump(mode="json")["url"] == shown
    for secret in relay.secrets:
        assert secret in url
        assert secret not in shown


def test_with_a_preset_or_a_key_it_is_known_what_is_secret() -> None:
    short = out("rtmp://ingest.example/app/k", preset="twitch")
    assert short.shown_url == "rtmp://ingest.example/app/***"
    assert PRESETS["twitch"].url == out("", preset="twitch", key="live_1").shown_url
    given = out("rtmp://ingest.example/instance/application", key="hush-word")
    assert given.shown_url == "rtmp://ingest.example/instance/application"
    assert given.secrets == ("hush-word",)


def test_name_of_the_stream_itself_is_no_secret() -> None:
    relay = out("rtmp://ingest.example/live/main-stage", match="live/main-stage")
    assert relay.shown_url == "rtmp://ingest.example/live/main-stage"


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("rtmp://h/live/main-stage-2024", "rtmp://h/live/main-stage-2024"),
        ("rtmp://h/live/9f8a7b6c5d4e3f2a", "rtmp://h/live/***"),
        ("https://h/9f8a7b6c5d4e3f2a/index.m3u8?t=1", "https://h/***/index.m3u8?…"),
        ("https://h/a/123e4567-e89b-12d3-a456-426614174000.flv", "https://h/a/***"),
        ("https://h/hk_0123456789/a.flv", "https://h/***/a.flv"),
        ("https://u:hush-word@h/{app}/{name}.flv", "https://h/{app}/{name}.flv"),
    ],
)
def test_key_in_the_path_of_a_relay_in_is_hidden(url: str, shown: str) -> None:
    relay = read_table(RelayIn, {"match": "live/*", "url": url})
    assert relay.shown_urls == (shown,)
    assert relay.model_dump(mode="json")["url"] == [shown]


def test_secrets_of_urls_are_among_those_of_the_settings() -> None:
    given = (
        'relay.out=[{match="a/*", url="rtmp://u:hush-user@h/live/hush-path"}]',
        'relay.in=[{match="a/*", url="https://h/9f8a7b6c5d4e3f2a/a.flv"}]',
        'webhooks=[{name="a", url="https://h/9f8a7b6c5d4e3f2b", secret="0123456789abcdef"}]',
    )
    settings = load_settings(None, given, environ={}).settings
    expected = {"hush-user", "hush-path", "9f8a7b6c5d4e3f2a", "9f8a7b6c5d4e3f2b"}
    assert expected <= set(secret_values(settings))
    assert not any(secret in str(plain_values(settings)) for secret in expected)


def test_wrong_value_is_not_repeated_in_the_error() -> None:
    with pytest.raises(SettingsError, match=r"relay.out = \(hidden\)") as caught:
        load_settings(None, ['relay.out=[{match="a", url="rtmp://h/a", kee="secret"}]'], environ={})
    assert "secret" not in str(caught.value)


def test_preset_gives_the_url() -> None:
    relay = read_table(RelayOut, {"match": "a/b", "preset": "twitch", "key": "k"})
    assert relay.url == "rtmps://ingest.global-contribute.live-video.net:443/app"
    own = read_table(
        RelayOut, {"match": "a", "preset": "kick", "url": "rtmps://x.live-video.net/app"}
    )
    assert own.url == "rtmps://x.live-video.net/app"


@pytest.mark.parametrize(
    ("item", "words"),
    [
        ("text", "must be a table with the fields match, url, key, preset"),
        ({}, "match is missing"),
        ({"match": "a", "url": "rtmp://h/a", "on_demand": True}, 'unknown field "on_demand"'),
        ({"match": [], "url": "rtmp://h/a"}, "match must be a pattern"),
        ({"match": 5, "url": "rtmp://h/a"}, "match must be a pattern"),
        ({"match": ["\n"], "url": "rtmp://h/a"}, "match must be a pattern"),
        ({"match": [""], "url": "rtmp://h/a"}, "match must be a pattern"),
        ({"match": "a", "preset": "nowhere"}, "preset must be one of youtube"),
        ({"match": "a", "preset": "kick"}, "url is needed: Kick gives"),
        ({"match": "a", "preset": ["kick"]}, "preset must be one of youtube"),
        ({"match": "a"}, "url is missing: where to send it; or name a preset"),
        ({"match": "a", "url": 5}, "url must be 1 to"),
        ({"match": ["a", 5], "url": "rtmp://h/a"}, "; 5 is none"),
        ({"match": "a", "url": "http://h/a"}, "url must be rtmp://"),
        ({"match": "a", "url": "rtmp:///a"}, "url must be rtmp://"),
        ({"match": "a", "url": "rtmp://h:0/a"}, "url must be rtmp://"),
        ({"match": "a", "url": "rtmp://h:x/a"}, "url must be rtmp://"),
        ({"match": "a", "url": "rtmp://h/a b"}, "without spaces"),
        ({"match": "a", "url": "rtmp://{name}/a"}, "no place in the host"),
        ({"match": "a", "url": "rtmp://h/{nam}"}, "only {app} and {name}"),
        ({"match": "a", "url": "rtmp://h/a", "key": "{key}"}, "key: only"),
        ({"match": "a", "url": "rtmp://h/a", "key": 5}, "key must be"),
        ({"match": "a", "url": "rtmp://h/a", "insecure": "yes"}, "insecure must be"),
        ({"match": "a", "url": "rtmp://h/a", "fingerprint": "AB"}, "fingerprint must be 64"),
        ({"match": "a", "url": "rtmp://h/a", "ca": 5}, "ca must be the path"),
        (
            {"match": "a", "url": "rtmp://h/a", "ca": "x.pem", "insecure": True},
            "exclude each other",
        ),
    ],
)
def test_wrong_relay_out_is_explained(item: Any, words: str) -> None:
    with pytest.raises(ValueError, match=re.escape(words)):
        read_table(RelayOut, item)


@pytest.mark.parametrize(
    ("item", "words"),
    [
        ("text", "must be a table with the fields match, url, on_demand"),
        ({"match": "a"}, "url is missing"),
        ({"match": "a", "url": "rtmp://h/a", "key": "k"}, 'unknown field "key"; known are match'),
        ({"match": "a", "url": []}, "url must be a URL or a list"),
        ({"match": "a", "url": ["rtmp://h/a"] * 17}, "url must be a URL or a list"),
        ({"match": "a", "url": ["ftp://h/a"]}, "url must be rtmp://… or rtmps://… or http"),
        ({"match": "a", "url": "rtmp://h/a", "on_demand": 1}, "on_demand must be"),
        (
            {"match": ["a", "a/*"], "url": "rtmp://h/a", "on_demand": False},
            'needs names without wildcards; "a/*" has one',
        ),
    ],
)
def test_wrong_relay_in_is_explained(item: Any, words: str) -> None:
    with pytest.raises(ValueError, match=re.escape(words)):
        read_table(RelayIn, item)


@pytest.mark.parametrize("value", ["{", 5, [{}] * 1001])
def test_what_is_no_list_of_relays_is_refused(value: Any) -> None:
    with pytest.raises(ValueError, match="relay"):
        Settings.model_validate({"data": "/d", "relay": {"in": value}})


def test_whom_to_trust_is_read_and_shown(tmp_path: Path) -> None:
    ca = read_table(RelayIn, {"match": "a", "url": "rtmps://h/a", "ca": str(tmp_path / "ca.pem")})
    pinned = read_table(RelayIn, {"match": "a", "url": "rtmps://h/a", "fingerprint": FINGERPRINT})
    loose = read_table(RelayOut, {"match": "a", "url": "rtmps://h/a", "insecure": True, "key": ""})
    assert read_table(RelayIn, ca) is ca
    assert read_table(RelayOut, loose) is loose
    settings = Settings.model_validate(
        {"data": "/d", "relay": {"in": [ca, pinned], "out": [loose]}}
    )
    assert plain_values(settings)["relay.in"] == [
        {
            "match": ["a"],
            "url": ["rtmps://h/a"],
            "on_demand": True,
            "ca": str(tmp_path / "ca.pem"),
        },
        {"match": ["a"], "url": ["rtmps://h/a"], "on_demand": True, "fingerprint": FINGERPRINT},
    ]
    assert plain_values(settings)["relay.out"] == [
        {"match": ["a"], "url": "rtmps://h/a", "insecure": True}
    ]


def test_name_and_app_are_filled_in() -> None:
    assert fill("rtmp://h/{app}/x-{name}", "a/b/c") == "rtmp://h/a/b/x-c"
    assert fill("{app}:{name}", "alone") == "alone:alone"
    assert fill("k?{}", "a/b") == "k?{}"


def test_streams_are_matched_by_pattern() -> None:
    relay = RelayOut(match=("live/*", "vip/one"), url="rtmp://h/a")
    assert relay.matches("live/a/b")
    assert relay.matches("vip/one")
    assert not relay.matches("vip/two")
    assert RelayIn(match=("live/?",), url=("rtmp://h/a",)).matches("live/a")


def test_entry_that_is_wrong_is_named() -> None:
    given = '[{match="a/*", url="rtmp://h/a"}, {match="b/*", url="http://h/a?token=hush"}]'
    words = r'relay\.out = \(hidden\): entry 2 \("b/\*"\): url must be rtmp'
    with pytest.raises(SettingsError, match=words) as error:
        load_settings(None, [f"relay.out={given}"], environ={})
    assert "hush" not in str(error.value)


@pytest.mark.parametrize(
    ("item", "words"),
    [
        ({"url": "rtmp://h/app"}, "url names no stream"),
        ({"url": "rtmp://h"}, "url names no stream"),
        ({"url": "rtmp://h/app?name=x/y"}, "url names no stream"),
        ({"preset": "twitch"}, "key is missing: the stream key of Twitch"),
        ({"url": "rtmp://h/app/{name}"}, ""),
        ({"url": "rtmp://h/app", "key": "k"}, ""),
        ({"preset": "twitch", "key": "k"}, ""),
        ({"preset": "kick", "url": "rtmps://x.live-video.net/app/k"}, ""),
    ],
)
def test_relay_out_without_a_stream_to_publish_is_told(item: dict[str, str], words: str) -> None:
    relay = read_table(RelayOut, {"match": "a"} | item)
    if not words:
        check_stream(relay)
        return
    with pytest.raises(SettingsError, match=words):
        check_stream(relay)


def test_relays_are_values_that_can_be_keys() -> None:
    given = {"match": "a/*", "url": "rtmps://h/{name}", "key": "k", "insecure": True}
    assert len({read_table(RelayOut, given), read_table(RelayOut, given)}) == 1
    assert read_table(RelayOut, given).trust == Trust(insecure=True)
    assert read_table(RelayIn, {"match": "a", "url": "rtmp://h/a"}).trust == Trust()
