"""Tests of the keys of settings and how their values are shown."""

from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr
from pydantic.fields import FieldInfo

from headend.settings.keys import (
    KEYS,
    NEEDS_RESTART,
    changed_keys,
    example_toml,
    get,
    is_secret,
    plain_values,
    secret_values,
    shown,
)
from headend.settings.model import Settings


def _settings(**sections: Any) -> Settings:
    return Settings.model_validate({"data": "/d"} | sections)


def test_value_is_found_by_its_key() -> None:
    assert get(_settings(), "live.wait_s") == 30
    assert get(_settings(), "data") == Path("/d")
    with pytest.raises(KeyError):
        get(_settings(), "live")


def test_changed_keys_are_named_in_order() -> None:
    new = _settings(rtmp={"listen": ":1"}, live={"wait_s": 31, "log_s": 20})
    assert changed_keys(_settings(), new) == ["rtmp.listen", "live.wait_s"]


def test_every_secret_is_told_wherever_it_stands() -> None:
    given = _settings(
        auth={"callback_secret": "c" * 32},
        webhooks=[{"name": "a", "url": "https://h/", "secret": "w" * 32}],
    )
    assert {"c" * 32, "w" * 32} <= set(secret_values(given))
    nested = {"a": [SecretStr("one"), (SecretStr("two"), "no")], "b": 3}
    assert secret_values(nested) == ["one", "two"]


def test_only_known_keys_need_a_restart() -> None:
    assert set(KEYS) >= NEEDS_RESTART


def test_plain_values_are_what_json_and_toml_know() -> None:
    plain = plain_values(_settings(limits={"handshake_s": 2.5, "command_s": 7.0}))
    assert list(plain) == list(KEYS)
    assert plain["data"] == "/d"
    assert plain["rtmp.listen"] == [":1935"]
    assert plain["tls.listen"] == [":1936"]
    assert plain["tls.client_ca"] == ""
    assert plain["limits.message_bytes"] == 16_777_216
    assert plain["limits.handshake_s"] == 2.5
    assert str(plain["limits.command_s"]) == "7"
    assert plain["live.gop_cache"] is True


def test_sizes_are_shown_with_units_and_the_rest_as_toml() -> None:
    assert shown("live.log_bytes", 33_554_432) == '"32 MiB"'
    assert shown("rtmp.chunk_size", 65_536) == "65536"
    assert shown("rtmp.listen", [":1935"]) == '[":1935"]'
    assert shown("live.gop_cache", True) == "true"


def test_tables_are_shown_as_toml_writes_them() -> None:
    pairs = plain_values(_settings(tls={"certificates": [{"cert": "a.pem", "key": "b.pem"}]}))
    text = '[{ cert = "a.pem", key = "b.pem" }]'
    assert shown("tls.certificates", pairs["tls.certificates"]) == text


def test_long_values_are_shown_whole() -> None:
    assert shown("data", "/d" * 100) == '"' + "/d" * 100 + '"'


def test_secrets_are_known_by_their_type() -> None:
    assert is_secret(FieldInfo(annotation=SecretStr))
    assert is_secret(FieldInfo.from_annotation(SecretStr | None))  # type: ignore[arg-type]
    secret = {key for key, info in KEYS.items() if is_secret(info)}
    assert {"webhooks", "auth.callback_url", "auth.callback_secret"} <= secret
    assert not secret & {"data", "http.origins", "auth.publish"}


def test_section_within_a_section_comes_behind_the_outer_ones_keys() -> None:
    settings = _settings(tls={"acme": {"domains": ["a.example"]}})
    assert get(settings, "tls.acme.domains") == ("a.example",)
    assert plain_values(settings)["tls.acme.domains"] == ["a.example"]
    assert changed_keys(_settings(), settings) == ["tls.acme.domains"]
    with pytest.raises(KeyError):
        get(settings, "tls.acme")
    text = example_toml()
    marks = ("#tls.client_auth = ", "# ---- tls.acme", "#tls.acme.domains", "# ---- http")
    places = [text.index(mark) for mark in marks]
    assert places == sorted(places)


def test_example_starts_with_what_has_no_section_and_explains_each_key() -> None:
    text = example_toml()
    assert 'folder.\n#data = ""\n\n# Processes that serve together' in text
    assert "\n\n# ---- rtmp\n\n# Addresses that listen for RTMP; off: none.\n" in text
    assert ' none.\n#rtmp.listen = [":1935"]' in text
    assert '# Largest size of a command message.\n#limits.command_bytes = "64 KiB"\n' in text
