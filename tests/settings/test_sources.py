"""Tests of where settings come from, and what is said about wrong ones."""

import re
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given as given_any
from hypothesis import strategies as st
from pydantic import SecretStr

from headend.errors import SettingsError
from headend.settings import keys
from headend.settings.sources import FLAGS, load_settings, settings_of
from headend.settings.values import Address


def _file(folder: Path, text: str | bytes) -> Path:
    path = folder / "headend.toml"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def _problem(
    *overrides: str, path: Path | None = None, environ: dict[str, str] | None = None
) -> str:
    with pytest.raises(SettingsError) as error:
        load_settings(path, overrides, environ or {})
    line = str(error.value)
    assert "\n" not in line
    return line


def test_without_any_source_every_value_is_the_default() -> None:
    loaded = load_settings(None, environ={"HOME": "/h"})
    assert loaded.settings.live.wait_s == 30
    assert loaded.settings.data == Path("/h/.local/share/headend")
    assert set(loaded.sources) == set(keys.KEYS)
    assert set(loaded.sources.values()) == {"default"}


def test_flag_wins_over_environment_over_file_over_default(tmp_path: Path) -> None:
    path = _file(tmp_path, "[live]\nwait_s = 1\nlog_s = 1\nflush_ms = 1\n[rtmp]\nlisten = ':1'\n")
    environ = {"HEADEND_LIVE__WAIT_S": "2", "HEADEND_LIVE__LOG_S": "2"}
    overrides = ["live.wait_s=3", "rtmp.listen=:3"]
    loaded = load_settings(path, overrides, environ, flags={"rtmp.listen": ":4"})
    live = loaded.settings.live
    assert (live.wait_s, live.log_s, live.flush_ms, live.gop_cache) == (3, 2, 1, True)
    assert [str(address) for address in loaded.settings.rtmp.listen] == [":4"]
    assert loaded.sources["live.wait_s"] == "flag --set"
    assert loaded.sources["live.log_s"] == "environment HEADEND_LIVE__LOG_S"
    assert loaded.sources["live.flush_ms"] == f"file {path}"
    assert loaded.sources["live.gop_cache"] == "default"
    assert loaded.sources["rtmp.listen"] == "flag --rtmp"


def test_environment_of_the_process_is_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HEADEND_LIVE__WAIT_S", "7")
    assert load_settings(None).settings.live.wait_s == 7


def test_later_set_flag_wins() -> None:
    assert load_settings(None, ["live.wait_s=1", "live.wait_s = 2"], {}).settings.live.wait_s == 2


def test_every_flag_stands_for_a_known_key() -> None:
    assert set(FLAGS) <= set(keys.KEYS)


def test_empty_data_means_the_platforms_folder(tmp_path: Path) -> None:
    path = _file(tmp_path, 'data = ""\n')
    loaded = load_settings(path, environ={"STATE_DIRECTORY": "/var/lib/headend"})
    assert loaded.settings.data == Path("/var/lib/headend")
    assert loaded.sources["data"] == "default"
    loaded = load_settings(None, environ={"HEADEND_DATA": "/d"})
    assert loaded.settings.data == Path("/d")
    assert loaded.sources["data"] == "environment HEADEND_DATA"


def test_reload_reads_the_file_again_and_keeps_the_flags(tmp_path: Path) -> None:
    path = _file(tmp_path, "[live]\nwait_s = 1\nlog_s = 1\n")
    loaded = load_settings(path, ["live.log_s=2"], {}, flags={"log.level": "debug"})
    _file(tmp_path, "[live]\nwait_s = 5\nlog_s = 5\n")
    again = loaded.reload({}).settings
    assert (again.live.wait_s, again.live.log_s, again.log.level) == (5, 2, "debug")


def test_byte_order_mark_is_skipped(tmp_path: Path) -> None:
    path = _file(tmp_path, b"\xef\xbb\xbf[live]\r\nwait_s = 9\r\n")
    assert load_settings(path, environ={}).settings.live.wait_s == 9


def test_empty_section_is_fine(tmp_path: Path) -> None:
    load_settings(_file(tmp_path, "[live]\n"), environ={})


def test_section_within_a_section_comes_from_every_source(tmp_path: Path) -> None:
    path = _file(tmp_path, "[tls]\nlisten = ':1'\n[tls.acme]\ndomains = ['a.example']\n")
    environ = {"HEADEND_TLS__ACME__EMAIL": "me@a.example"}
    loaded = load_settings(path, ["tls.acme.ca=/ca.pem"], environ)
    acme = loaded.settings.tls.acme
    assert (acme.domains, acme.email, acme.ca) == (("a.example",), "me@a.example", Path("/ca.pem"))
    assert [str(address) for address in loaded.settings.tls.listen] == [":1"]
    assert loaded.sources["tls.acme.domains"] == f"file {path}"
    assert loaded.sources["tls.acme.directory"] == "default"


def test_key_of_a_wrong_section_within_a_section_gets_a_suggestion(tmp_path: Path) -> None:
    line = _problem(path=_file(tmp_path, "[tls.acne]\ndomains = ['a.example']\n"))
    assert line.startswith("unknown setting tls.acne.domains (file ")
    assert line.endswith("did you mean tls.acme.domains?")


def test_table_is_no_value_of_a_key(tmp_path: Path) -> None:
    line = _problem(path=_file(tmp_path, "[tls.acme.email]\na = 1\n"))
    assert line.startswith('tls.acme.email = {"a": 1}: must be an e-mail address, or empty (file ')


def test_missing_file_is_named(tmp_path: Path) -> None:
    line = _problem(path=tmp_path / "no.toml")
    assert line == f"{tmp_path}/no.toml: No such file or directory"


@pytest.mark.parametrize(
    ("content", "line"),
    [
        (b"[live]\nwait_s 5\n", 2),
        (b"[live]\nx = [\n\n", 4),
        (b"[live]\n\nwait_s = '\xff'\n", 3),
        (b"live = 1\n[live]\n", 2),
    ],
)
def test_ill_formed_file_is_told_with_its_line(content: bytes, line: int, tmp_path: Path) -> None:
    path = _file(tmp_path, content)
    assert re.fullmatch(rf"{re.escape(str(path))}: .+ \(at line {line}\b.*\)", _problem(path=path))


@pytest.mark.parametrize(
    ("override", "line"),
    [
        ("live.wait_s=-1", 'live.wait_s = "-1": must be a number from 0 to 3600 (flag --set)'),
        ("live.gop_cache=maybe", 'live.gop_cache = "maybe": must be true or false (flag --set)'),
        ("rtmp.listen=99", 'rtmp.listen = "99": "99" is no address: write :1935, 127.0.0.1:1935, '
         "[::1]:1935, unix:/path or off (flag --set)"),
        ("data=\0", 'data = "\\u0000": must be the path of a folder (flag --set)'),
        ("live", "--set live: a name and a value are needed, such as live.wait_s=10"),
        ("=3", "--set =3: a name and a value are needed, such as live.wait_s=10"),
        ("auth.publish_from=::1, x", 'auth.publish_from = "::1, x": must be a list of networks '
         'such as "10.0.0.0/8" or addresses such as "::1"; "x" is none (flag --set)'),
        ("auth.outgoing=a, b c", 'auth.outgoing = "a, b c": must be a list of host names, patterns '
         'and networks such as ["*.example.com", "10.0.0.0/8"]; "b c" is none (flag --set)'),
        ("http.hosts=a, b_c", 'http.hosts = "a, b_c": must be a list of host names such as '
         '["live.example.com"]; "b_c" is none (flag --set)'),
        ("auth.database=mysql://x", "auth.database = (hidden): must be postgresql://…, "
         "sqlite:///… or empty (flag --set)"),
        ("auth.jwks=[1]", 'auth.jwks = [1]: must be a text (flag --set)'),
        ("live=1", "live is a section: its keys go below [live] (flag --set)"),
        ("tls.acme=1", "tls.acme is a section: its keys go below [tls.acme] (flag --set)"),
        ("live.wait=1", "unknown setting live.wait (flag --set): did you mean live.wait_s?"),
        ("serv.wait_s=1", "unknown setting serv.wait_s (flag --set): did you mean live.wait_s?"),
        ("x.y=1", "unknown setting x.y (flag --set): `headend config show` lists the known ones"),
        ("\x1b=1", "unknown setting \\u001b (flag --set): "
         "`headend config show` lists the known ones"),
    ],
)  # fmt: skip
def test_wrong_flag_is_one_line_with_key_value_allowed_and_source(override: str, line: str) -> None:
    assert _problem(override) == line


def test_wrong_values_of_file_and_environment_are_named_with_their_source(tmp_path: Path) -> None:
    path = _file(tmp_path, "[limits]\nconnections = true\n")
    assert _problem(path=path) == (
        f"limits.connections = true: must be a whole number from 1 to 1000000 (file {path})"
    )
    assert _problem(environ={"HEADEND_LOG__LEVEL": "loud"}) == (
        'log.level = "loud": must be "debug", "info", "warning" or "error" '
        "(environment HEADEND_LOG__LEVEL)"
    )


def test_keys_of_an_unknown_table_get_suggestions(tmp_path: Path) -> None:
    path = _file(tmp_path, "[lvie]\nwait_s = 1\n")
    assert _problem(path=path).endswith("did you mean live.wait_s?")
    assert _problem(path=_file(tmp_path, "[lvie]\n")).startswith("unknown setting lvie (file ")


def test_environment_names_without_a_section_are_left_alone() -> None:
    load_settings(None, environ={"HEADEND_PORT": "tcp://10.0.0.1:1935", "OTHER": "1"})
    assert _problem(environ={"HEADEND_LIVE__WAIT": "1"}) == (
        "unknown setting live.wait (environment HEADEND_LIVE__WAIT): did you mean live.wait_s?"
    )


def test_all_problems_are_told_the_first_as_the_message() -> None:
    with pytest.raises(SettingsError) as error:
        load_settings(None, ["a.b=1", "live.wait_s=x", "live.log_s=x"], {})
    assert str(error.value).startswith("unknown setting a.b")
    assert [note.split(" = ")[0] for note in error.value.__notes__] == ["live.wait_s", "live.log_s"]


@pytest.mark.parametrize(
    "given",
    [
        "auth.callback_secret=hush",
        "auth.database=hush",
        "auth.callback_url=hush",
        'relay.out=[{ match = "a", url = "hush" }]',
        'webhooks=[{ name = "a", url = "hush", secret = "0123456789abcdef" }]',
    ],
)
def test_wrong_secret_is_not_shown(given: str) -> None:
    problem = _problem(given)
    assert problem.startswith(f"{given.partition('=')[0]} = (hidden): ")
    assert "must be" in problem
    assert "hush" not in problem


def test_settings_of_a_program_are_checked_like_any_and_have_nothing_to_read_again() -> None:
    given = settings_of({"live": {"wait_s": 7}, "limits.idle_s": 8})
    assert (given.settings.live.wait_s, given.settings.limits.idle_s) == (7, 8)
    assert given.sources["live.wait_s"] == given.sources["limits.idle_s"] == "program"
    assert given.sources["live.log_s"] == "default"
    assert given.reload() is given
    with pytest.raises(SettingsError, match=r"live\.wait_s = -1: must be .* \(my app\)"):
        settings_of({"live": {"wait_s": -1}}, "my app")


# ---------------------------------------------------------------------- texts


def _texts(key: str, text: str) -> list[dict[str, object]]:
    """Give a text in both ways: arguments of `load_settings`."""
    name = f"HEADEND_{key.replace('.', '__').upper()}"
    return [
        {"overrides": [f"{key}={text}"], "environ": {}},
        {"environ": {name: text}},
    ]


@pytest.mark.parametrize(
    ("key", "text", "meant"),
    [
        ("auth.private", "[vip/*]", "write '[\"vip/*\"]' with all these quotes"),
        ("auth.private", "[vip/*, x/*]", 'write \'["vip/*", "x/*"]\''),
        ("auth.private", '["vip/*"', "texts in it need quotes"),
        ("auth.private", "{vip/*}", "begins like a table and is none"),
        ("auth.private", '"vip/*', "begins with a quote"),
        ("rtmp.tls_only", "[vip/*]", "begins like a list and is none"),
        ("auth.password_apps", "[studio]", "begins like a list and is none"),
        ("auth.publish_from", "[10.0.0.0/8]", "begins like a list and is none"),
        ("auth.outgoing", "[shop.example]", "begins like a list and is none"),
        ("auth.callback_actions", "[publish]", "begins like a list and is none"),
        ("http.origins", "[https://a.example]", "begins like a list and is none"),
        ("http.hosts", "[a.example]", "begins like a list and is none"),
        ("tls.acme.domains", "[a.example]", "begins like a list and is none"),
        ("rtmp.listen", "[:1935]", "begins like a list and is none"),
        ("live.flush", "[fixed]", "begins like a list and is none"),
        ("data", "[/var/x]", "begins like a list and is none"),
        ("data", "{/var/x", "begins like a table and is none"),
        ("data", '"/var/x', "begins with a quote"),
        ("limits.viewers", "{3", "begins like a table and is none"),
    ],
)
def test_value_that_begins_like_a_list_or_table_and_is_none_is_wrong(
    key: str, text: str, meant: str
) -> None:
    for given in _texts(key, text):
        with pytest.raises(SettingsError) as error:
            load_settings(None, **given)  # type: ignore[arg-type]
        assert str(error.value).startswith(f"{key} = ")
        assert meant in str(error.value)


@pytest.mark.parametrize(
    ("key", "text", "value"),
    [
        ("live.flush", '"fixed"', "fixed"),
        ("live.flush", "'fixed'", "fixed"),
        ("live.wait_s", '"7"', 7),
        ("live.gop_cache", "'false'", False),
        ("log.level", ' "debug" ', "debug"),
        ("data", '"/var/x"', Path("/var/x")),
        ("data", "'/var/[x]'", Path("/var/[x]")),
        ("data", "/var/[x]", Path("/var/[x]")),
        ("auth.jwks", '"keys.json"', "keys.json"),
        ("auth.private", '"vip/*"', ("vip/*",)),
        ("auth.private", "'vip/*'", ("vip/*",)),
        ("auth.private", '"vip/*", "x/*"', ("vip/*", "x/*")),
        ("auth.private", "vip/*, x/*", ("vip/*", "x/*")),
        ("auth.private", '["vip/*"]', ("vip/*",)),
        ("auth.private", "['vip/*', \"[ab]/*\"]", ("vip/*", "[ab]/*")),
        ("auth.private", "", ()),
        ("auth.private", "[]", ()),
        ("rtmp.listen", '"[::1]:0"', (Address("::1", 0),)),
        ("rtmp.listen", "[::1]:0, :1", (Address("::1", 0), Address(None, 1))),
        ("rtmp.listen", '["[::1]:0"]', (Address("::1", 0),)),
    ],
)
def test_quotes_around_a_value_are_taken_off(key: str, text: str, value: object) -> None:
    for given in _texts(key, text):
        loaded = load_settings(None, **given)  # type: ignore[arg-type]
        assert keys.get(loaded.settings, key) == value


def test_secret_may_begin_with_any_character() -> None:
    secret = "0123456789abcdef"
    for text in (f"[{secret}", f'{{"{secret}', f'"{secret}', f"{secret}'{secret}'"):
        for given in _texts("auth.callback_secret", text):
            loaded = load_settings(None, **given)  # type: ignore[arg-type]
            assert loaded.settings.auth.callback_secret == SecretStr(text)
    for given in _texts("auth.callback_secret", '"0123456789abcdef"'):
        loaded = load_settings(None, **given)  # type: ignore[arg-type]
        assert loaded.settings.auth.callback_secret == SecretStr("0123456789abcdef")


@pytest.mark.parametrize(
    "value", [[["vip/*"]], [1], ["vip/*", True], '["vip/*', "[vip/*]", {"a": 1}, ['"vip/*"']]
)
def test_list_of_a_file_or_a_program_holds_texts_only(value: object) -> None:
    with pytest.raises(SettingsError, match=r"auth\.private = "):
        settings_of({"auth": {"private": value}})


@given_any(st.text("[]{}\"',=\\ a1/*\n", max_size=12))
def test_any_text_is_a_setting_or_a_settings_error(text: str) -> None:
    for key in ("auth.private", "rtmp.listen", "data", "live.flush", "relay.out"):
        with suppress(SettingsError):
            load_settings(None, [f"{key}={text}"], {})
