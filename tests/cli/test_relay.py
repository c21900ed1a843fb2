"""Tests of `headend relay`."""

import io
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.cli.with_server import with_server
from tests.harness import Live

from headend.cli.main import run

Capture = pytest.CaptureFixture[str]
HTTP = ("http.listen=127.0.0.1:0",)


@pytest.fixture
def beside(tmp_path: Path) -> Callable[[Callable[[], None]], None]:
    """Run commands beside a server with a stream live/0."""

    def go(commands: Callable[[], None]) -> None:
        def check(live: Live) -> None:
            commands()

        with_server(tmp_path, HTTP, check)

    return go


def relay(data: Path, *arguments: str) -> int:
    return run(["relay", *arguments, "--data", str(data)])


def test_relay_is_added_listed_and_removed(
    tmp_path: Path, capsys: Capture, beside: Callable[[Callable[[], None]], None]
) -> None:
    def commands() -> None:
        more = ("--preset", "twitch", "--key", "live_hush")
        assert relay(tmp_path, "add", "none/a", "rtmps://127.0.0.1:1/app", *more) == 0
        id = capsys.readouterr().out.strip()
        assert id.startswith("rl_")
        assert relay(tmp_path, "add", "live/0", "rtmp://127.0.0.1:1/x/{name}", "--json") == 0
        other = json.loads(capsys.readouterr().out)["id"]
        assert relay(tmp_path, "list") == 0
        lines = capsys.readouterr().out.splitlines()
        assert lines[0] == (f"{id}  none/a to rtmps://127.0.0.1:1/app  (api, twitch, with a key)")
        assert lines[1] == f"{other}  live/0 to rtmp://127.0.0.1:1/x/{{name}}  (api)"
        assert relay(tmp_path, "list", "--json") == 0
        document = json.loads(capsys.readouterr().out)
        assert "hush" not in str(document)
        assert [each["id"] for each in document["relays"]] == [id, other]
        assert relay(tmp_path, "remove", id) == 0
        assert relay(tmp_path, "remove", id) == 1
        assert "There is no such relay" in capsys.readouterr().err

    beside(commands)


def test_sources_are_added_in_order_and_a_key_comes_from_stdin(
    tmp_path: Path,
    capsys: Capture,
    monkeypatch: pytest.MonkeyPatch,
    beside: Callable[[Callable[[], None]], None],
) -> None:
    def commands() -> None:
        urls = ("rtmp://127.0.0.1:1/a", "http://127.0.0.1:1/a.flv")
        assert relay(tmp_path, "add", "cam/a", *urls, "--from", "--always", "--insecure") == 0
        monkeypatch.setattr("sys.stdin", io.StringIO("hush?a=b\n"))
        assert relay(tmp_path, "add", "live/*", "rtmp://127.0.0.1:1/x", "--key", "-") == 0
        capsys.readouterr()
        assert relay(tmp_path, "list") == 0
        text = capsys.readouterr().out
        assert "cam/a from rtmp://127.0.0.1:1/a, http://127.0.0.1:1/a.flv  (api)" in text
        assert "live/* to rtmp://127.0.0.1:1/x  (api, with a key)" in text

    beside(commands)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["live/0", "ftp://h/a"], "url must be rtmp://"),
        (["live/0", "rtmp://h/a", "rtmp://h/b"], "a relay sends to one URL"),
        (
            ["live/0"],
            "URL: where to send it is missing, such as rtmps://backup.example/live/{name}",
        ),
        (["live/0", "--preset", "twitch"], "--key: the stream key of Twitch is missing"),
        (["live/0", "--preset", "kick", "--key", "k"], "url is needed: Kick gives each account"),
        (["live/0", "--preset", "nowhere"], "preset must be one of youtube"),
        (["live/0", "rtmp://h/app"], "url names no stream: give a name in its path"),
        (["live/0", "rtmps://h/app", "--preset", "twitch"], "key is missing: the stream key of Tw"),
        (["live/0", "rtmp://h/a/b", "--always"], "--always is for relays that fetch: --from"),
        (["live/0", "--from"], "URL: where to fetch it is missing, such as rtmps://origin"),
        (["live/*", "rtmp://h/a", "--from", "--always"], "--always needs the name of one stream"),
        (["live/0", "rtmp://h/a", "--from", "--key", "k"], "--key and --preset are for sending"),
        (["live/0", "rtmp://h/a", "--from", "--preset", "kick"], "--key and --preset are for send"),
    ],
)
def test_wrong_relay_is_one_line_that_says_what_is_wrong(
    arguments: list[str],
    says: str,
    tmp_path: Path,
    capsys: Capture,
    beside: Callable[[Callable[[], None]], None],
) -> None:
    def commands() -> None:
        assert relay(tmp_path, "add", *arguments) == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert line.startswith(f"headend: {says}")
        assert "?." not in line

    beside(commands)


def test_pattern_of_one_stream_without_an_app_is_explained(
    tmp_path: Path, capsys: Capture, beside: Callable[[Callable[[], None]], None]
) -> None:
    def commands() -> None:
        assert relay(tmp_path, "add", "live", "rtmp://127.0.0.1:1/x/y") == 0
        assert "all of an app are live/*" in capsys.readouterr().err
        assert relay(tmp_path, "add", "live/*", "rtmp://127.0.0.1:1/x/{name}") == 0
        assert capsys.readouterr().err == ""

    beside(commands)
