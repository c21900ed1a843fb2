"""Tests of what `headend config` shows, checks and writes."""

import json
import tomllib
from pathlib import Path

import pytest

from headend.cli.main import run
from headend.settings import KEYS

Capture = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def _folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)


def test_show_tells_values_and_sources(capsys: Capture) -> None:
    Path("headend.toml").write_text("[live]\nwait_s = 7\n")
    assert run(["config", "show", "--set", "limits.message_bytes=1 MiB"]) == 0
    out = capsys.readouterr().out
    lines = {" ".join(line.split()) for line in out.splitlines()}
    assert "live.wait_s = 7 # file headend.toml" in lines
    assert 'limits.message_bytes = "1 MiB" # flag --set' in lines
    assert 'rtmp.listen = [":1935"] # default' in lines
    assert tomllib.loads(out)["live"]["wait_s"] == 7


def test_show_as_json_is_one_document_with_every_key(capsys: Capture) -> None:
    assert run(["config", "show", "--json", "--set", "live.wait_s=7"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert list(document) == list(KEYS)
    assert document["live.wait_s"] == {"value": 7, "from": "flag --set"}
    assert document["limits.message_bytes"] == {"value": 16_777_216, "from": "default"}


def test_good_file_is_ok(capsys: Capture) -> None:
    Path("headend.toml").write_text("[live]\nwait_s = 7\n")
    assert run(["config", "check"]) == 0
    assert capsys.readouterr().out == "headend.toml: ok\n"


def test_file_may_be_named_as_other_commands_take_it(capsys: Capture) -> None:
    assert run(["config", "init", "-c", "a.toml"]) == 0
    for flag in ("-c", "--config"):
        assert run(["config", "check", flag, "a.toml"]) == 0
        assert capsys.readouterr().out == "a.toml: ok\n"
    assert run(["config", "check", "a.toml", "-c", "b.toml"]) == 2
    said = "headend: -c b.toml: a.toml is named already; name one file\n"
    assert capsys.readouterr().err == said


def test_show_takes_the_data_folder_too(capsys: Capture) -> None:
    assert run(["config", "show", "--json", "--data", "there"]) == 0
    shown = json.loads(capsys.readouterr().out)["data"]
    assert shown == {"value": "there", "from": "flag --data"}


def test_file_is_checked_without_the_environment(
    capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HEADEND_LIVE__WAIT_S", "never")
    Path("a.toml").write_text("")
    assert run(["config", "check", "a.toml"]) == 0


def test_every_problem_of_a_file_is_a_line(capsys: Capture) -> None:
    Path("a.toml").write_text("[live]\nwait_s = -1\nwait = 2\n")
    problems = [
        "unknown setting live.wait (file a.toml): did you mean live.wait_s?",
        "live.wait_s = -1: must be a number from 0 to 3600 (file a.toml)",
    ]
    assert run(["config", "check", "a.toml"]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines() == [f"headend: {problem}" for problem in problems]
    assert run(["config", "check", "a.toml", "--json"]) == 2
    document = json.loads(capsys.readouterr().out)
    assert document == {"file": "a.toml", "ok": False, "problems": problems}


def test_check_as_json_says_ok(capsys: Capture) -> None:
    Path("a.toml").write_text("")
    assert run(["config", "check", "a.toml", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"file": "a.toml", "ok": True, "problems": []}


def test_schema_describes_every_section(capsys: Capture) -> None:
    assert run(["config", "schema"]) == 0
    schema = json.loads(capsys.readouterr().out)
    assert set(schema["properties"]) == {key.split(".")[0] for key in KEYS}
    assert schema["additionalProperties"] is False
    live = schema["$defs"]["Live"]["properties"]
    assert live["reconnect_window_s"]["maximum"] == 1800
    assert live["flush"]["enum"] == ["adaptive", "fixed"]


def test_init_writes_a_file_that_checks(capsys: Capture) -> None:
    assert run(["config", "init"]) == 0
    out, err = capsys.readouterr()
    assert (out, err) == ("", "wrote headend.toml\n")
    assert run(["config", "check"]) == 0


def test_file_that_is_meant_to_hold_secrets_is_for_its_owner_alone(capsys: Capture) -> None:
    assert run(["config", "init", "a.toml"]) == 0
    assert Path("a.toml").stat().st_mode & 0o777 == 0o600
    Path("a.toml").chmod(0o644)
    assert run(["config", "init", "a.toml", "--force"]) == 0
    assert Path("a.toml").stat().st_mode & 0o777 == 0o600


def test_init_overwrites_nothing_without_force(capsys: Capture) -> None:
    Path("a.toml").write_text("mine")
    assert run(["config", "init", "a.toml"]) == 1
    assert capsys.readouterr().err == ("headend: a.toml is there already; --force overwrites it\n")
    assert Path("a.toml").read_text() == "mine"
    assert run(["config", "init", "a.toml", "--force"]) == 0
    assert "#live.wait_s = " in Path("a.toml").read_text()


RULES = '[[stream]]\nmatch = "vip/*"\nauth.private = true\nhls.bytes = "64 MiB"\n'


def test_what_holds_for_a_stream_is_told_with_the_rule_that_says_so(capsys: Capture) -> None:
    Path("headend.toml").write_text(RULES)
    assert run(["config", "check", "vip/a"]) == 0
    lines = {" ".join(line.split()) for line in capsys.readouterr().out.splitlines()}
    assert "auth.private = true # file headend.toml, rule 1, match vip/*" in lines
    assert 'hls.bytes = "64 MiB" # file headend.toml, rule 1, match vip/*' in lines
    assert "live.wait_s = 30 # default" in lines


def test_what_holds_for_a_stream_is_told_as_json_of_any_file(capsys: Capture) -> None:
    Path("other.toml").write_text(RULES)
    assert run(["config", "check", "vip/a", "-c", "other.toml", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["stream"] == "vip/a"
    assert document["settings"]["auth.private"] == {
        "value": True,
        "from": "file other.toml, rule 1, match vip/*",
    }


def test_name_of_a_file_is_no_stream(capsys: Capture) -> None:
    Path("a").mkdir()
    Path("a/b").write_text("[live]\nwait_s = 7\n")
    assert run(["config", "check", "a/b"]) == 0
    assert capsys.readouterr().out == "a/b: ok\n"
    assert run(["config", "check", "no/such.toml"]) == 2
