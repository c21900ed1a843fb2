"""Tests of headend.cli.database."""

import os
import pwd

import pytest

from headend.cli.database import user_name


def test_user_of_a_command_is_the_system_s_word(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.setenv(name, "mallory")
    assert user_name() == pwd.getpwuid(os.getuid()).pw_name != "mallory"


def test_user_without_a_name_is_a_number(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOGNAME", "mallory")
    monkeypatch.setattr(os, "getuid", lambda: 2_000_000_123)
    assert user_name() == "2000000123"
