"""Tests of webhooks, hooks and the callback, as settings."""

import json
from pathlib import Path

import pytest

from headend.errors import SettingsError
from headend.settings import LoadedSettings, load_settings, plain_values

SECRET = "0123456789abcdef"
WEBHOOK = f'{{ name = "a", url = "https://a.example/hook?token=t0p", secret = "{SECRET}" }}'


def changed(old: str, new: str) -> str:
    """A list of one webhook in which something is different."""
    return f"[{WEBHOOK.replace(old, new)}]"


def load(*settings: str, environ: dict[str, str] | None = None) -> LoadedSettings:
    return load_settings(None, settings, environ or {})


def test_webhooks_are_tables_of_the_file(tmp_path: Path) -> None:
    file = tmp_path / "headend.toml"
    file.write_text(
        f"""
        [[webhooks]]
        name = "billing"
        url = "https://a.example/hook"
        secret = "{SECRET}"
        events = ["session.ended", "stream.*"]

        [[webhooks]]
        name = "chat"
        url = "http://10.0.0.7:8000/"
        secret = "{SECRET}"
        """
    )
    billing, chat = load_settings(file, environ={}).settings.webhooks
    assert (billing.name, billing.url) == ("billing", "https://a.example/hook")
    assert billing.events == ("session.ended", "stream.*")
    assert chat.events == ("*",)
    assert chat.secret.get_secret_value() == SECRET


def test_webhooks_of_a_flag_and_of_the_environment_are_toml_or_json() -> None:
    of_flag = load(f"webhooks=[{WEBHOOK}]").settings.webhooks
    document = [{"name": "a", "url": "https://a.example/hook?token=t0p", "secret": SECRET}]
    environ = {"HEADEND_WEBHOOKS": json.dumps(document)}
    assert load(environ=environ).settings.webhooks == of_flag
    assert load(environ={"HEADEND_WEBHOOKS": ""}).settings.webhooks == ()


def test_secrets_and_queries_of_urls_are_hidden_where_settings_are_shown() -> None:
    loaded = load(
        f"webhooks=[{WEBHOOK}]",
        "auth.callback_url=https://b.example/ask?token=t0p",
        f"auth.callback_secret={SECRET}",
    )
    shown = json.dumps(plain_values(loaded.settings)) + repr(loaded.settings.webhooks)
    assert SECRET not in shown
    values = plain_values(loaded.settings)
    assert values["auth.callback_url"] == "https://b.example/ask?…"
    assert values["auth.callback_secret"] == "**********"
    assert values["webhooks"] == [
        {"name": "a", "url": "https://a.example/hook?…", "events": ["*"], "secret": "**********"}
    ]
    assert plain_values(load().settings)["auth.callback_secret"] == ""


OTHER = WEBHOOK.replace(SECRET, "short").replace('"a"', '"b"')


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("x = 1", "must be a list such as"),
        ("3", "must be a list such as"),
        ("[3]", "entry 1: it must be a table with the fields name, url, secret, events"),
        (f'[{{ name = "a", secret = "{SECRET}" }}]', 'entry 1 ("a"): url is missing'),
        (changed("name", "nam"), 'entry 1: unknown field "nam"; known are name, url'),
        (changed(" }", ", other = 1 }"), 'entry 1 ("a"): unknown field "other"'),
        (f"[{WEBHOOK}, {WEBHOOK}]", "two entries have the name a"),
        (changed('"a"', '"A b"'), 'entry 1 ("A b"): name must be 1 to 64'),
        (changed('"a"', "7"), "entry 1: name must be 1 to 64"),
        (
            changed(SECRET, "short"),
            'entry 1 ("a"): secret must be a text of at least 16 characters',
        ),
        (changed(SECRET, ""), "secret must be a text of at least 16 characters"),
        (f"[{WEBHOOK}, {OTHER}]", 'entry 2 ("b"): secret must be a text'),
        (changed("https", "ftp"), 'entry 1 ("a"): url must be an http:// or https:// URL'),
        (changed(" }", ", events = [] }"), "events must be a list of patterns"),
        (changed(" }", ', events = ["No!"] }'), "events must be a list of patterns"),
        (f"[{', '.join([WEBHOOK] * 101)}]", "at most 100 webhooks"),
    ],
)
def test_wrong_webhooks_are_told_without_their_secrets(value: str, words: str) -> None:
    with pytest.raises(SettingsError) as failure:
        load(f"webhooks={value}")
    assert str(failure.value).startswith("webhooks = (hidden): ")
    assert words in str(failure.value)


@pytest.mark.parametrize(
    "url",
    [
        "ftp://a.example",
        "https://",
        "https://user:password@a.example/",
        "https://a.example/#x",
        "https://a.example/ b",
        "https://a.example:0/",
        "https://[::1",
        "https://a.example/" + "x" * 2000,
    ],
)
def test_callback_url_must_be_one_that_can_be_called_and_shown(url: str) -> None:
    with pytest.raises(SettingsError, match=r"auth.callback_url = \(hidden\): must be an http"):
        load(f"auth.callback_url={url}")


@pytest.mark.parametrize("key", ["auth.callback_url", "auth.jwks"])
def test_path_of_a_url_that_looks_like_a_secret_is_not_shown(key: str) -> None:
    url = "https://h.example/services/T0123456/9f8a7b6c5d4e3f2a1b?t=1"
    value = plain_values(load(f"{key}={url}").settings)[key]
    assert value == "https://h.example/services/T0123456/***?…"
    plain = plain_values(load("auth.jwks=/etc/9f8a7b6c5d4e3f2a1b.json").settings)["auth.jwks"]
    assert plain == "/etc/9f8a7b6c5d4e3f2a1b.json"


def test_callback_url_may_be_empty() -> None:
    assert load("auth.callback_url=").settings.auth.callback_url == ""


@pytest.mark.parametrize("value", ["short", "3"])
def test_short_callback_secret_is_no_secret(value: str) -> None:
    with pytest.raises(SettingsError, match="at least 16 characters, or empty"):
        load(f"auth.callback_secret={value}")


def test_actions_are_publish_and_play() -> None:
    assert load("auth.callback_actions=publish").settings.auth.callback_actions == ("publish",)
    assert load().settings.auth.callback_actions == ("publish", "play")
    with pytest.raises(SettingsError, match='must be a list of "publish" and "play"'):
        load("auth.callback_actions=record")


def test_outgoing_takes_names_patterns_and_networks() -> None:
    value = "auth.outgoing=Hooks.example.com, *.example.org, 10.0.0.0/8, ::1"
    expected = ("hooks.example.com", "*.example.org", "10.0.0.0/8", "::1")
    assert load(value).settings.auth.outgoing == expected


@pytest.mark.parametrize("value", ["https://a.example", "a b", "a..b"])
def test_outgoing_takes_nothing_else(value: str) -> None:
    with pytest.raises(SettingsError, match="must be a list of host names, patterns and networks"):
        load(f"auth.outgoing={value}")


@pytest.mark.parametrize("value", ["my_hooks", "my_hooks:hooks", "package.module:hooks.inner", ""])
def test_hooks_name_a_module_and_perhaps_an_object(value: str) -> None:
    assert load(f"hooks={value}").settings.hooks == value


@pytest.mark.parametrize("value", ["my-hooks", "my_hooks:", "a:b:c", "../a:b", "a:1"])
def test_hooks_are_nothing_else(value: str) -> None:
    with pytest.raises(SettingsError, match="must be a module, or a module and an object in it"):
        load(f"hooks={value}")
