"""Tests of headend.http.api.server."""

import errno
import os
import stat
from datetime import UTC, datetime, tzinfo
from pathlib import Path
from time import time

import pytest
from tests.harness import until_so
from tests.web import Answer, Web, serve

from headend import __version__
from headend.http.api.server import resident_bytes


async def test_server_is_described_with_its_totals(tmp_path: Path) -> None:
    async with serve(tmp_path) as web:
        await web.publish()
        player = await web.live.player("a")
        await player.expect_media(2)
        seen = (await web.get("/server")).json
        assert (seen["version"], seen["pid"]) == (__version__, os.getpid())
        assert seen["listeners"] == web.live.server.addresses
        assert (seen["streams"], seen["sessions"], seen["viewers"]) == (1, 2, 1)
        assert seen["bytes_in"] > 6000
        assert seen["bytes_out"] > 6000
        assert not seen["is_stopping"]
        assert 0 <= seen["uptime_s"] < 60
        started = datetime.fromisoformat(seen["started"])
        assert abs((datetime.now(UTC) - started).total_seconds()) < 60
        assert 10_000_000 < seen["memory_bytes"] < 10_000_000_000
        web.live.services.sessions.is_stopping = True
        assert (await web.get("/server")).json["is_stopping"]


async def test_start_is_told_by_the_clock_of_then_however_it_is_set_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Ahead(datetime):
        """The clock a day later."""

        @classmethod
        def now(cls, tz: tzinfo | None = None) -> "Ahead":
            return cls.fromtimestamp(time() + 86_400, tz)

    async with serve(tmp_path) as web:
        before = (await web.get("/server")).json
        monkeypatch.setattr("headend.http.api.server.datetime", Ahead)
        after = (await web.get("/server")).json
        assert after["started"] == before["started"]
        assert after["uptime_s"] < before["uptime_s"] + 60


async def test_totals_do_not_shrink_when_sessions_end(tmp_path: Path) -> None:
    async with serve(tmp_path) as web:
        await web.publish()
        player = await web.live.player("a")
        await player.expect_media(2)
        async with web.client.get(f"{web.base}/live/a.flv") as response:
            await response.content.readexactly(60)
            before = (await web.get("/server")).json
            assert before["sessions"] == 3
        player.close()

        async def has_left() -> bool:
            return bool((await web.get("/server")).json["sessions"] == 1)

        await until_so(has_left)
        after = (await web.get("/server")).json
        assert after["bytes_in"] >= before["bytes_in"] > 0
        assert after["bytes_out"] >= before["bytes_out"] > 0


async def test_settings_are_shown_with_their_sources_and_without_secrets(tmp_path: Path) -> None:
    async with serve(tmp_path, "live.wait_s=7", "log.format=json") as web:
        answer = await web.get("/settings")
        settings = answer.json["settings"]
        wait = settings["live.wait_s"]
        assert (wait["value"], wait["source"]) == (7, "flag --set")
        assert (wait["is_editable"], wait["needs_restart"], wait["choices"]) == (True, False, [])
        assert wait["takes"] == "a number from 0 to 3600"
        assert settings["live.flush"]["choices"] == ["adaptive", "fixed"]
        assert settings["live.flush_ms"]["source"] == "default"
        assert settings["rtmp.chunk_size"]["needs_restart"]
        assert not settings["auth.database"]["is_editable"]
        assert settings["data"]["value"] == str(tmp_path)
        assert web.token.encode() not in answer.body


async def test_certificates_are_listed(tmp_path: Path) -> None:
    async with serve(tmp_path) as web:
        assert (await web.get("/certificates")).json == {"certificates": []}
    async with serve(tmp_path, "tls.listen=127.0.0.1:0") as web:
        (seen,) = (await web.get("/certificates")).json["certificates"]
        assert "localhost" in seen["names"]
        assert seen["self_signed"]


async def test_reload_says_what_happened(tmp_path: Path) -> None:
    async with serve(tmp_path) as web:
        answer = await web.api("POST", "/reload")
        assert answer.json == {"messages": ["settings reloaded: nothing changed"]}


def test_memory_is_that_of_this_process() -> None:
    assert 10_000_000 < resident_bytes() < 10_000_000_000


FILE = "# Kept.\nlive.wait_s = 7\nsrt.passphrase = 'never shown again'\n"


def a_file(tmp_path: Path, text: str = FILE) -> Path:
    path = tmp_path / "headend.toml"
    path.write_text(text)
    path.chmod(0o640)
    return path


async def put(web: Web, settings: dict[str, object], *, check_only: bool = False) -> Answer:
    body = {"settings": settings, "check_only": check_only}
    return await web.api("PUT", "/settings", json=body)


async def test_setting_is_changed_in_the_file_and_takes_effect(tmp_path: Path) -> None:
    path = a_file(tmp_path)
    async with serve(tmp_path, path=path) as web:
        answer = await put(web, {"live.wait_s": 20})
        assert answer.json == {"messages": ["settings reloaded: live.wait_s"], "waiting": []}
        assert path.read_text() == FILE.replace("= 7", "= 20")
        assert stat.S_IMODE(path.stat().st_mode) == 0o640
        assert web.live.services.settings.live.wait_s == 20
        answer = await put(web, {"live.wait_s": None})
        assert "live.wait_s" not in path.read_text()
        seen = (await web.get("/settings")).json
        assert seen["settings"]["live.wait_s"]["source"] == "default"
        assert seen["file"] == {"path": str(path), "is_writable": True, "reason": ""}


async def test_setting_that_waits_for_a_restart_is_told_until_it_is_undone(tmp_path: Path) -> None:
    async with serve(tmp_path, path=a_file(tmp_path)) as web:
        answer = await put(web, {"rtmp.chunk_size": 4096, "live.listed": False})
        assert answer.json == {
            "messages": [
                "settings reloaded: live.listed",
                "settings that need a restart: rtmp.chunk_size",
            ],
            "waiting": ["rtmp.chunk_size"],
        }
        assert (await web.get("/settings")).json["waiting"] == ["rtmp.chunk_size"]
        assert (await put(web, {"rtmp.chunk_size": None})).json["waiting"] == []


@pytest.mark.parametrize(
    ("key", "value", "why"),
    [
        ("live.wait_s", -1, "live.wait_s = -1: must be a number from 0"),
        ("live.wait_z", 1, "live.wait_z: there is no such setting"),
        ("srt.passphrase", "another one", "srt.passphrase: only a person may change it"),
        ("hooks", "os", "hooks: only a person may change it"),
        ("rtmp.listen", [":1935"], "rtmp.listen is set by flag --set, which wins"),
    ],
)
async def test_wrong_change_is_refused_and_changes_nothing(
    key: str, value: object, why: str, tmp_path: Path
) -> None:
    path = a_file(tmp_path)
    async with serve(tmp_path, path=path) as web:
        answer = await put(web, {key: value})
        assert answer.status == 422
        assert why in answer.detail
        assert path.read_text() == FILE
        assert web.live.services.settings.live.wait_s == 7


async def test_change_is_only_checked_where_that_is_asked_for(tmp_path: Path) -> None:
    path = a_file(tmp_path)
    async with serve(tmp_path, path=path) as web:
        assert (await put(web, {"live.wait_s": 20}, check_only=True)).json["messages"] == []
        assert (await put(web, {"live.wait_s": -1}, check_only=True)).status == 422
        assert path.read_text() == FILE


async def test_server_without_a_file_that_it_may_write_refuses(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with serve(tmp_path) as web:
        answer = await put(web, {"live.wait_s": 20})
        assert (answer.status, answer.detail) == (
            409,
            "The server has no settings file: start it with -c FILE.",
        )
    path = a_file(tmp_path)
    async with serve(tmp_path, path=path) as web:
        monkeypatch.setattr("headend.app.steering.os.access", lambda *_: False)
        answer = await put(web, {"live.wait_s": 20})
        assert (answer.status, answer.detail) == (409, f"The server may not write {path}.")
        assert not (await web.get("/settings")).json["file"]["is_writable"]


async def test_disk_that_takes_no_file_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    path = a_file(tmp_path)
    async with serve(tmp_path, path=path) as web:
        monkeypatch.setattr("headend.files.write", full)
        answer = await put(web, {"live.wait_s": 20})
        assert answer.status == 507
        assert "No space left on device" in answer.detail
        assert web.live.services.settings.live.wait_s == 7


async def test_change_of_settings_is_in_the_audit_trail_by_its_keys(tmp_path: Path) -> None:
    async with serve(tmp_path, path=a_file(tmp_path)) as web:
        await put(web, {"live.title": "what nobody else need know"})

        async def is_noted() -> bool:
            answer = await web.get("/audit")
            found = [
                (each["action"], each["target"], each["outcome"])
                for each in (answer.json["entries"] if answer.status == 200 else ())
            ]
            return found.count(("settings.change", "live.title", "done")) == 1

        await until_so(is_noted)
        assert b"nobody else" not in (await web.get("/audit")).body
