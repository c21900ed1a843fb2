"""Tests of the watch that looks for secrets in all that the tests write."""

import logging
from pathlib import Path

import pytest
from tests.no_secrets import LogWatch, Watch, is_meant

KEY = "hk_" + "Ab3dEf7h" * 4
TOKEN = "eyJhbGciOiJIUzI1NiJ9.eyJzdHJlYW0iOiJhIn0.c2lnbmF0dXJl"


@pytest.mark.parametrize("secret", [KEY, TOKEN, "correct horse"])
@pytest.mark.parametrize("around", ["{}", "publish live/{}?x=1", '"{}"', "a{}"])
def test_secret_is_found_wherever_it_stands(secret: str, around: str) -> None:
    watch = Watch()
    watch.remember("correct horse", "short")
    watch.look("an answer", around.format(secret))
    watch.look("a log", b"nothing short in here")
    (leak,) = watch.leaks()
    assert leak.startswith("an answer: ")
    assert watch.leaks() == []


@pytest.mark.parametrize("text", ["hk_***", "hk_", "eyJ***", "the key is wrong", ""])
def test_what_is_no_secret_is_not_found(text: str) -> None:
    watch = Watch()
    watch.look("a log", text)
    assert watch.leaks() == []


def test_file_is_looked_through(tmp_path: Path) -> None:
    watch = Watch()
    (tmp_path / "log").write_text(f"a\n{KEY}\n")
    watch.look_at_file("log of a server", tmp_path / "log")
    watch.look_at_file("log of a server", tmp_path / "none")
    assert len(watch.leaks()) == 1


def test_log_is_looked_through_as_it_is_written(monkeypatch: pytest.MonkeyPatch) -> None:
    watch = Watch()
    monkeypatch.setattr("tests.no_secrets.WATCH", watch)
    watch.remember("correct horse")
    handler = LogWatch()
    for name, text in (
        ("headend.a", "signed in with correct horse"),
        ("headend.b", f"publish live/{KEY}"),  # the log hides it
        ("tests", "correct horse"),
    ):
        handler.emit(logging.LogRecord(name, logging.INFO, "", 1, text, None, None))
    (leak,) = watch.leaks()
    assert "signed in with correct horse" in leak


def test_only_answers_that_give_a_secret_to_its_owner_are_meant_to() -> None:
    assert is_meant("POST", "/api/v1/keys")
    assert is_meant("POST", "/api/v1/keys/pk_1/rotate")
    assert is_meant("GET", "/vip/a/index.m3u8?token=x")
    assert not is_meant("GET", "/api/v1/keys")
    assert not is_meant("GET", "/api/v1/settings")
