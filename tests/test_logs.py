"""Tests of the log: its two formats, and what a peer can't do to it."""

import io
import json
import logging
import re
import warnings
from collections.abc import Iterator

import pytest

from headend import logs
from headend.logs import Repeats, configure, escape, fields, shown
from headend.redaction import redact

log = logging.getLogger("headend.test")
STAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")


@pytest.fixture(autouse=True)
def _restore() -> Iterator[None]:
    root, ours = logging.getLogger(), logging.getLogger("headend")
    before = root.level, ours.level, list(root.handlers)
    yield
    logging.captureWarnings(False)
    root.setLevel(before[0])
    ours.setLevel(before[1])
    root.handlers[:] = before[2]


def _text(level: logs.Level = "info") -> io.StringIO:
    stream = io.StringIO()
    configure(level, "text", stream)
    return stream


def _json(level: logs.Level = "info") -> io.StringIO:
    stream = io.StringIO()
    configure(level, "json", stream)
    return stream


def _line(stream: io.StringIO) -> str:
    """Return the only line, without its time."""
    (line,) = stream.getvalue().splitlines()
    stamp, _, rest = line.partition(" ")
    assert STAMP.fullmatch(stamp)
    return rest


def test_text_is_time_level_message_and_fields() -> None:
    stream = _text()
    log.info("rtmp %s publish %s accepted", "10.0.0.7:51044", "live/cam1", extra=fields(fps=29.97))
    assert _line(stream) == "INFO rtmp 10.0.0.7:51044 publish live/cam1 accepted fps=29.97"


def test_fields_with_spaces_quotes_or_nothing_are_quoted() -> None:
    stream = _text()
    log.info("x", extra=fields(a="b c", d='"', e="", f=None, g=True, h="i=j"))
    assert _line(stream) == 'INFO x a="b c" d="\\"" e="" f=None g=True h="i=j"'


def test_json_is_one_object_a_line() -> None:
    stream = _json()
    log.warning("viewer %d late", 7, extra=fields(backlog=5, stream="live/a"))
    log.error("bare")
    first, second = map(json.loads, stream.getvalue().splitlines())
    assert STAMP.fullmatch(first.pop("time"))
    assert first == {
        "level": "warning",
        "message": "viewer 7 late",
        "fields": {"backlog": 5, "stream": "live/a"},
    }
    assert second["message"] == "bare"
    assert "fields" not in second


def test_level_holds_for_headend_and_libraries_speak_from_warnings_on() -> None:
    stream = _text("debug")
    log.debug("one")
    logging.getLogger("aiohttp").info("two")
    logging.getLogger("aiohttp").warning("three")
    assert [line.split(" ", 1)[1] for line in stream.getvalue().splitlines()] == [
        "DEBUG one",
        "WARNING three",
    ]
    stream = _text("error")
    log.warning("four")
    assert stream.getvalue() == ""


def test_configured_again_nothing_is_said_twice(capsys: pytest.CaptureFixture[str]) -> None:
    _text()
    configure()
    log.info("once")
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("once") == 1


def test_warnings_of_python_are_logged() -> None:
    stream = _text()
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.warn("old thing", stacklevel=1)
    assert "old thing" in _line(stream)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\nb\r\n", r"a\nb\r\n"),
        ("\x1b[31mred", r"\x1b[31mred"),
        ("\x9b2J", r"\x9b2J"),
        ("\x7f\0", r"\x7f\x00"),
        ("\u2028\u202e", r"\u2028\u202e"),
        ("\udcff", r"\udcff"),
        ("Füße 東京 🎥", "Füße 東京 🎥"),
    ],
)
def test_control_characters_are_escaped_and_words_are_not(text: str, shown: str) -> None:
    assert escape(text) == shown


def test_peer_can_inject_no_line_by_any_way() -> None:
    stream = _text()
    evil = "x\n2026-01-01 INFO forged\x1b[2J"
    log.info("a %s", evil)
    log.info("a %(name)s", {"name": evil})
    log.info(evil)
    log.info("a", extra=fields(name=evil))
    log.info("a %s", ValueError(evil))
    log.info("a %s", [evil])
    assert len(stream.getvalue().splitlines()) == 6
    assert stream.getvalue().replace("\n", "").isprintable()


def test_long_values_and_messages_are_cut() -> None:
    assert shown("x" * 200) == "x" * 200
    assert shown("x" * 201) == "x" * 199 + "…"
    stream = _text()
    log.info("a %s b", "x" * 10_000)
    log.info("y" * 10_000)
    first, second = stream.getvalue().splitlines()
    assert first.endswith("x… b")
    assert len(first) < 260
    assert len(second) < 2040


def test_line_that_was_made_beforehand_is_told_whole_and_cut_as_a_message_is() -> None:
    stream = _text()
    log.info("%s", "x" * 1999 + "!")
    log.info("%s", ValueError("y" * 1999 + "!"))
    log.info("%s", "z\n" * 10_000)
    first, second, third = stream.getvalue().splitlines()
    assert first.endswith("x!")
    assert second.endswith("y!")
    assert third.endswith("…")
    assert len(third) < 2040


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("live/cam1?key=s3cr3t&x=1", "live/cam1?key=***&x=1"),
        ("?TOKEN=abc.def-ghi", "?TOKEN=***"),
        ("stream_key=abc", "stream_key=***"),
        ("key%3Dabc", "key%3D***"),
        ("publish hk_AbC-12_3 refused", "publish hk_*** refused"),
        ("rtmp://ann:pass@host/live", "rtmp://***@host/live"),
        ("rtmp://ann:p@ss@host/live", "rtmp://***@host/live"),
        ("rtmp://host/live@2x", "rtmp://host/live@2x"),
        ("the key is missing", "the key is missing"),
    ],
)
def test_what_looks_like_a_secret_is_hidden(text: str, shown: str) -> None:
    assert redact(text) == shown


def test_secrets_are_hidden_wherever_they_stand() -> None:
    for configured in (_text, _json):
        stream = configured("debug")
        log.info("a %s", "b?key=hush")
        log.info("a?key=%s", "hush")
        log.info("a", extra=fields(url="rtmp://u:hush@h/a", key="hush", api_token="hush"))
        try:
            raise ValueError("key=hush")
        except ValueError:
            log.exception("failed")
        assert "hush" not in stream.getvalue()


def test_secret_cut_by_a_control_character_is_hidden_whole() -> None:
    assert shown("key=hu\nsh") == "key=***"


def test_exception_is_one_line_that_says_where() -> None:
    stream = _text()
    try:
        raise ValueError("bad\nthing")
    except ValueError:
        log.exception("publish failed")
    line = _line(stream)
    assert re.fullmatch(
        r'ERROR publish failed error="ValueError: bad\\\\nthing \(.*test_logs\.py:\d+\)"', line
    )


def test_traceback_comes_with_level_debug() -> None:
    for configured in (_text, _json):
        stream = configured("debug")
        try:
            raise ValueError("bad")
        except ValueError:
            log.exception("failed")
        assert "Traceback (most recent call last)" in stream.getvalue()
    assert json.loads(stream.getvalue())["error"].startswith("ValueError: bad (")


def test_exception_that_was_never_raised_has_no_place() -> None:
    stream = _text()
    log.error("failed", exc_info=ValueError("bad"))
    log.error("nothing", exc_info=True)
    first, second = stream.getvalue().splitlines()
    assert first.endswith('failed error="ValueError: bad"')
    assert second.endswith("nothing")


def _messages(stream: io.StringIO) -> list[str]:
    messages = [line.split(" ", 2)[2] for line in stream.getvalue().splitlines()]
    stream.seek(0)
    stream.truncate()
    return messages


def test_repeats_are_logged_at_once_and_then_once_a_period_with_a_count() -> None:
    stream = _text()
    repeats = Repeats(log, "rtmp refused", period_s=10)
    repeats.add("rtmp 10.0.0.1:1 refused", now=0)
    assert _messages(stream) == ["rtmp 10.0.0.1:1 refused"]
    for port in (2, 3, 4):
        repeats.add(f"rtmp 10.0.0.1:{port} refused", now=9)
    assert _messages(stream) == []
    repeats.add("rtmp 10.0.0.1:5 refused", now=10)
    assert _messages(stream) == ["rtmp refused: 3 more in 10 s, the last: rtmp 10.0.0.1:4 refused"]
    repeats.add("rtmp 10.0.0.1:6 refused", now=19)
    repeats.tick(now=19)
    assert _messages(stream) == []
    repeats.tick(now=20)
    assert _messages(stream) == ["rtmp refused: 2 more in 10 s, the last: rtmp 10.0.0.1:6 refused"]


def test_long_line_that_repeats_is_told_to_its_end() -> None:
    stream = _text()
    repeats = Repeats(log, "rtmp refused", period_s=10)
    for _ in range(2):
        repeats.add("x" * 500 + "!", now=0)
    repeats.tick(now=10)
    first, second = _messages(stream)
    assert first.endswith("x!")
    assert second.endswith("x!")


def test_what_happens_again_after_a_quiet_period_is_logged_at_once() -> None:
    stream = _text()
    repeats = Repeats(log, "rtmp refused")
    repeats.add("one", now=0)
    repeats.add("two", now=60)
    assert _messages(stream) == ["one", "two"]
