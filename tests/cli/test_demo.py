"""Tests of headend.cli.demo."""

import asyncio
import json
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.cli.program import Server
from tests.e2e.wait import LIMIT_S, wait_for

from headend import app
from headend.cli.demo import local_url, publish_picture
from headend.cli.main import run
from headend.client import play
from headend.errors import SettingsError
from headend.media.tag import AUDIO, SCRIPT, VIDEO
from headend.settings import load_settings


def test_demo_is_on_the_air_until_it_is_interrupted(tmp_path: Path) -> None:
    server = Server(tmp_path, command="demo")
    path = tmp_path / "out.flv"
    try:
        assert run(["play", f"{server.url}/demo", "-o", str(path), "--duration", "0.5"]) == 0
        assert path.stat().st_size > 5000
        assert f"{server.url}/demo" in server.stdout.read_text()
        assert server.interrupt() == 0
    finally:
        server.kill()
    assert "Traceback" not in server.log()


async def test_picture_is_published_on_a_server_of_the_same_process(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    listen = [
        "rtmp.listen=127.0.0.1:0",
        "tls.listen=off",
        "http.listen=off",
        "srt.listen=off",
        f"data={tmp_path}",
    ]

    server = app.Server(load_settings(None, listen, environ={}))
    await server.start()
    showing = asyncio.create_task(publish_picture(server))
    try:
        async with (
            asyncio.timeout(LIMIT_S),
            play(local_url(server.addresses["rtmp"])) as stream,
        ):
            kinds = {(await anext(stream)).kind for _ in range(20)}
        assert kinds == {SCRIPT, VIDEO, AUDIO}
    finally:
        showing.cancel()
        await asyncio.wait([showing])
        await server.stop()
    assert "/live/demo" in capsys.readouterr().out


def test_demo_that_may_not_publish_is_refused(tmp_path: Path) -> None:
    server = Server(tmp_path, "--set", "auth.publish=key", command="demo")
    assert server.wait() == 3
    assert "NetStream.Publish.Denied" in server.log()


def test_flags_are_those_of_serve(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    calls: list[tuple[Any, Path | None, Callable[..., Any]]] = []

    def note(loaded: Any, ready_file: Path | None, companion: Callable[..., Any]) -> int:
        calls.append((loaded.settings, ready_file, companion))
        return 0

    monkeypatch.setattr("headend.app.run", note)
    monkeypatch.chdir(tmp_path)
    arguments = ["--rtmp", "127.0.0.1:7", "--http", "off", "--data", "/d", "--ready-file", "/r"]
    arguments += ["--set", "live.wait_s=3", "--log-level", "error", "--log-format", "json"]
    assert run(["demo", *arguments]) == 0
    ((settings, ready_file, companion),) = calls
    assert [str(address) for address in settings.rtmp.listen] == ["127.0.0.1:7"]
    assert (settings.data, settings.live.wait_s) == (Path("/d"), 3)
    assert (settings.log.level, settings.log.format) == ("error", "json")
    assert ready_file == Path("/r")
    assert companion is publish_picture


def test_pages_to_open_are_told(tmp_path: Path) -> None:
    server = Server(tmp_path, "--http", "127.0.0.1:0", command="demo")
    try:
        web = json.loads((tmp_path / "ready.json").read_text())["http"][0]
        page = f"http://{web}/watch/live/demo"
        wait_for(lambda: page in server.stdout.read_text(), "the address of the page")
        assert f"http://{web}/live/demo/index.m3u8" in server.stdout.read_text()
        with urllib.request.urlopen(page, timeout=LIMIT_S) as answer:
            assert answer.status == 200
    finally:
        server.kill()


def test_url_is_that_of_the_first_tcp_address() -> None:
    assert local_url(["unix:/s", "[::1]:7", "127.0.0.1:8"]) == "rtmp://[::1]:7/live/demo"


def test_server_without_a_tcp_address_cannot_show_anything() -> None:
    class Unreachable:
        """Takes the place of a server."""

        addresses = {"rtmp": ["unix:/s"]}  # noqa: RUF012

    with pytest.raises(SettingsError, match="nowhere to publish"):
        asyncio.run(publish_picture(Unreachable()))  # type: ignore[arg-type]
