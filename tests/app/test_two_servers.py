"""Two servers in one program: what belongs to one of them is not the other's."""

import logging
from pathlib import Path

import pytest
from tests.harness import live_server, log_lines

from headend.redaction import redact

FORM = "privacy.addresses=pseudonymous"


async def test_same_address_has_another_pseudonym_at_each_server(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    async with (
        live_server(tmp_path / "one", FORM) as one,
        live_server(tmp_path / "other", FORM) as other,
        live_server(tmp_path / "open") as plain,
    ):
        told = []
        for live in (one, other, plain):
            began = len(log_lines(caplog, "live/a"))
            await live.publisher("a")
            told.append(log_lines(caplog, "live/a")[began:][0].split()[2].rpartition(":")[0])
    first, second, third = told
    assert first.startswith("anon-")
    assert second.startswith("anon-")
    assert first != second
    assert third == "127.0.0.1"


async def test_secrets_of_a_server_are_hidden_until_it_stops(tmp_path: Path) -> None:
    def key(secret: str) -> str:
        return f"auth.callback_secret={secret}"

    text = "callback-of-server-one and callback-of-server-other"
    async with live_server(tmp_path / "one", key("callback-of-server-one")):
        assert redact(text) == "*** and callback-of-server-other"
        async with live_server(tmp_path / "other", key("callback-of-server-other")):
            assert redact(text) == "*** and ***"
        assert redact(text) == "*** and callback-of-server-other"
    assert redact(text) == text
