"""Tests of headend.app: how a server starts, reloads and stops, and its exit codes."""

import asyncio
import builtins
import gc
import json
import logging
import os
import resource
import signal
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import trustme
from tests.harness import (
    KEYFRAME,
    Peer,
    live_server,
    log_lines,
    run,
    until,
    witness,
)
from tests.tls_peers import write_pair

from headend import app
from headend.app import Server, parts, process
from headend.cli import main
from headend.errors import HeadendError, SettingsError
from headend.settings import LoadedSettings, load_settings
from headend.tls.served import ServedCertificates

OFF = ("tls.listen=off", "http.listen=off", "srt.listen=off")


@pytest.fixture(autouse=True)
def _restore() -> Iterator[None]:
    """Undo what a server does to its process."""
    root, ours = logging.getLogger(), logging.getLogger("headend")
    levels, handlers = (root.level, ours.level), list(root.handlers)
    thresholds, limits = gc.get_threshold(), resource.getrlimit(resource.RLIMIT_NOFILE)
    yield
    gc.set_threshold(*thresholds)
    gc.unfreeze()
    resource.setrlimit(resource.RLIMIT_NOFILE, limits)
    logging.captureWarnings(False)
    root.setLevel(levels[0])
    ours.setLevel(levels[1])
    root.handlers[:] = handlers


@pytest.fixture(autouse=True)
def _log(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "headend")


def loaded(data: Path, *settings: str, path: Path | None = None) -> LoadedSettings:
    given = ("rtmp.listen=127.0.0.1:0", *OFF, f"data={data}", *settings)
    return load_settings(path, given, environ={})


# ---------------------------------------------------------------------- starting


async def test_server_listens_where_the_settings_say_and_says_so(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    settings = ("rtmp.listen=127.0.0.1:0,127.0.0.1:0", "http.listen=127.0.0.1:0")
    async with live_server(tmp_path, *settings, "tls.listen=127.0.0.1:0") as live:
        addresses = live.server.addresses
        assert [len(addresses[name]) for name in ("rtmp", "tls", "http")] == [2, 1, 1]
        for name, all_of_it in addresses.items():
            for address in all_of_it:
                host, _, port = address.rpartition(":")
                socket.create_connection((host, int(port))).close()
                assert log_lines(caplog, f"INFO {name} listens on {address}") != []


async def test_first_start_makes_an_admin_token_and_later_ones_keep_it(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with live_server(tmp_path):
        token = (tmp_path / "admin.token").read_text()
        assert len(log_lines(caplog, "a new admin token for the API is in ")) == 1
        assert (tmp_path / "admin.token").stat().st_mode & 0o777 == 0o600
    async with live_server(tmp_path):
        assert (tmp_path / "admin.token").read_text() == token
    assert len(log_lines(caplog, "a new admin token for the API is in ")) == 1
    assert not log_lines(caplog, token.strip())


async def test_secrets_that_were_restored_for_all_to_read_are_told_with_what_mends_it(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "headend.toml"
    path.write_text("[limits]\nidle_s = 60\n")

    async with live_server(tmp_path, path=path) as live:
        await live.services.access.database()
    assert not log_lines(caplog, "chmod")  # a file of settings without secrets is anybody's
    path.write_text("[[relay.out]]\nmatch='live/*'\nurl='rtmp://127.0.0.1/a'\nkey='abcdefgh'\n")
    path.chmod(0o644)
    for name in ("server.secret", "admin.token", "headend.db"):
        (tmp_path / name).chmod(0o644)
    async with live_server(tmp_path, path=path):
        lines = log_lines(caplog, "chmod")
    assert [line.split(": chmod ")[1] for line in lines] == [
        f"600 {tmp_path}/server.secret",
        f"600 {tmp_path}/admin.token",
        f"600 {tmp_path}/headend.db",
        f"640 {path}",
    ]
    assert all(line.startswith("WARNING ") for line in lines)


@pytest.mark.parametrize("listener", ["rtmp", "tls", "http"])
def test_port_in_use_is_an_error_and_nothing_is_left_open(listener: str, tmp_path: Path) -> None:
    async def start() -> None:
        with socket.create_server(("127.0.0.1", 0)) as other:
            port = other.getsockname()[1]
            server = Server(loaded(tmp_path, f"{listener}.listen=127.0.0.1:0,127.0.0.1:{port}"))
            before = os.listdir("/proc/self/fd")
            with pytest.raises(HeadendError, match=f"cannot listen on 127.0.0.1:{port}: Address"):
                await server.start()
            assert len(os.listdir("/proc/self/fd")) == len(before)

    run(start())


async def test_settings_and_their_limits_reach_the_sessions(tmp_path: Path) -> None:
    settings = ("rtmp.chunk_size=4096", "rtmp.window_size=100000")
    async with live_server(tmp_path, *settings) as live:
        peer = await live.connected()
        assert peer.said[:2] == ["type 5 000186a0", "type 6 000186a002"]
        assert peer.chunk_size == 4096


# ---------------------------------------------------------------------- stopping


def test_stopping_server_tells_players_publishers_and_others_and_closes(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def stop() -> None:
        async with live_server(tmp_path) as live:
            player, publisher = await live.player("a"), await live.publisher("a")
            waiting, idle = await live.player("b"), await live.connected()
            peers = [player, publisher, waiting, idle]
            address = live.address
            closing = [asyncio.create_task(leave(peer)) for peer in peers]
            await live.server.stop()
            await asyncio.gather(*closing)
            for peer in (player, waiting):
                assert "NetStream.Play.Stop" in peer.said[-1]
            for peer in (publisher, idle):
                assert peer.said[-1] == "onStatus 0 status NetConnection.Connect.Closed"
            with pytest.raises(ConnectionRefusedError):
                socket.create_connection(address)
            assert log_lines(caplog)[-1] == "INFO stopped"
            assert len(log_lines(caplog, "stopping: 4 RTMP connections")) == 1
            await live.server.start()  # for the end of the fixture

    run(stop())


async def leave(peer: Peer) -> None:
    """Be a peer that closes when the server does."""
    await peer.expect_close()
    peer.close()


@pytest.mark.parametrize(("shutdown_s", "most_s"), [(0.2, 30), (0, 30), (120, 50)])
def test_players_that_read_nothing_do_not_hold_up_the_stop(
    shutdown_s: float, most_s: float, tmp_path: Path
) -> None:
    async def stop() -> None:
        async with live_server(tmp_path, f"limits.shutdown_s={shutdown_s}") as live:
            stalled = [await live.player("a", receive_buffer=4096) for _ in range(5)]
            publisher = await live.publisher("a")
            for _ in range(80):
                await publisher.send_video(KEYFRAME + bytes(100_000))
            (fanout,) = next(live.services.registry.streams()).sinks()
            await until(lambda: fanout.late == len(stalled))  # type: ignore[attr-defined]
            started = live.services.loop.time()
            await live.server.stop()
            assert live.services.loop.time() - started < most_s
            assert not live.services.sessions.connections
            await live.server.start()  # for the end of the fixture

    run(stop())


# ---------------------------------------------------------------------- reloading


def test_reload_changes_what_needs_no_restart_and_drops_nobody(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "headend.toml"
    path.write_text("[limits]\nidle_s = 60\n")

    async def reload() -> None:
        server = Server(loaded(tmp_path, path=path))
        await server.start()
        services = server.services
        path.write_text(
            "[limits]\nidle_s = 7\nconnections = 5\n[auth]\npublish = 'key'\n"
            "[live]\nlog_s = 3\nflush_ms = 7\nflush = 'fixed'\n[rtmp]\nchunk_size = 4096\n"
        )
        lines = server.reload()
        assert lines == [
            "settings reloaded: auth.publish, limits.idle_s, limits.connections, live.log_s, "
            "live.flush_ms, live.flush",
            "settings that need a restart: rtmp.chunk_size",
        ]
        assert log_lines(caplog)[-2:] == [f"INFO {lines[0]}", f"WARNING {lines[1]}"]
        assert services.rtmp.now.idle_s == 7
        assert services.rtmp.now.chunk_size == 65_536  # what live players were told
        assert services.admission.limits.connections == 5
        assert services.registry.settings.of("live/a").stream.log_s == 3
        assert server.reload() == ["settings reloaded: nothing changed"]
        await server.stop()

    run(reload())


def test_streams_go_on_through_reloads(tmp_path: Path) -> None:
    path = tmp_path / "headend.toml"
    path.write_text("")

    async def reload() -> None:
        async with live_server(tmp_path, path=path) as live, witness(live) as beside:
            for flush in ("fixed", "adaptive", "fixed", "adaptive"):
                path.write_text(f"[live]\nflush = '{flush}'\n")
                assert live.server.reload() == ["settings reloaded: live.flush"]
                await beside.go_on()

    run(reload())


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("[limits]\nidle_s = 'soon'\n", "limits.idle_s"),
        ("[limits\n", "headend.toml"),
        ("[limits]\nidel_s = 7\n", "idle_s"),
    ],
)
def test_wrong_file_changes_nothing_and_says_so(
    text: str, reason: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "headend.toml"
    path.write_text("[limits]\nidle_s = 60\n")

    async def reload() -> None:
        server = Server(loaded(tmp_path, path=path))
        await server.start()
        path.write_text(text)
        (line,) = server.reload()
        assert line.startswith("settings not reloaded: ")
        assert reason in line
        assert log_lines(caplog)[-1] == f"ERROR {line}"
        assert server.services.rtmp.now.idle_s == 60
        await server.stop()

    run(reload())


async def test_changed_file_is_noticed_and_other_files_beside_it_are_not(tmp_path: Path) -> None:
    path = tmp_path / "headend.toml"
    path.write_text("")

    server = Server(loaded(tmp_path, path=path))
    await server.start()
    watching = asyncio.create_task(server.watch_files())
    number = 0

    def changed() -> bool:
        # Written again and again: the watch may not have begun at the first time.
        nonlocal number
        number += 1
        (tmp_path / "other.toml").write_text(f"{number}")
        (tmp_path / "new").write_text("[limits]\nidle_s = 7\n")
        (tmp_path / "new").replace(path)
        return server.services.rtmp.now.idle_s == 7

    await until(changed)
    watching.cancel()
    await asyncio.wait([watching])
    await server.stop()


def test_folder_of_certificates_that_other_settings_name_is_watched(tmp_path: Path) -> None:
    folder = tmp_path / "certificates"
    folder.mkdir()
    authority = trustme.CA()
    pair = write_pair(folder, authority, "old.example")
    named = f'tls.certificates=[{{cert = "{pair.cert}", key = "{pair.key}"}}]'

    async def change() -> None:
        server = Server(loaded(tmp_path, "tls.listen=127.0.0.1:0"))
        await server.start()
        watching = asyncio.create_task(server.watch_files())
        await asyncio.sleep(0)  # it watches the folder of our own certificate
        server.change(loaded(tmp_path, "tls.listen=127.0.0.1:0", named))
        assert _served_names(server) == ("old.example",)
        write_pair(folder, authority, "new.example")
        await until(lambda: _served_names(server) == ("new.example",))
        watching.cancel()
        await asyncio.wait([watching])
        await server.stop()

    run(change())


def _served_names(server: Server) -> tuple[str, ...]:
    tls = server.services.features[ServedCertificates]
    return tls.store.certificates[0].names


async def test_server_without_files_has_nothing_to_watch(tmp_path: Path) -> None:
    async with live_server(tmp_path) as live:
        await live.server.watch_files()


# ---------------------------------------------------------------------- the whole process


class Outside:
    """What goes on beside `app.run`: a companion that stops it as a system would."""

    def __init__(self, *signals: signal.Signals) -> None:
        self._signals = signals
        self.addresses: dict[str, list[str]] = {}

    async def __call__(self, server: Server) -> None:
        self.addresses = server.addresses
        for number in self._signals:
            os.kill(os.getpid(), number)
        await asyncio.Event().wait()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("has_uvloop", [True, False])
def test_run_serves_until_a_signal_and_returns_0(
    number: signal.Signals, has_uvloop: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not has_uvloop:
        import_ = builtins.__import__

        def without(name: str, *arguments: Any, **options: Any) -> Any:
            if name == "uvloop":
                raise ImportError
            return import_(name, *arguments, **options)

        monkeypatch.setattr(builtins, "__import__", without)
    outside = Outside(number)
    ready = tmp_path / "ready.json"
    assert app.run(loaded(tmp_path), ready, outside) == 0
    assert json.loads(ready.read_text()) == {"pid": os.getpid(), **outside.addresses}
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {"admin.token", "ready.json", "server.secret", "headend.db"}


def test_hang_up_reloads(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert app.run(loaded(tmp_path), None, Outside(signal.SIGHUP, signal.SIGTERM)) == 0
    assert "INFO settings reloaded: nothing changed" in capsys.readouterr().err


def test_companion_that_fails_stops_the_server(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async def fail(server: Server) -> None:
        raise ZeroDivisionError

    with pytest.raises(BaseExceptionGroup):
        app.run(loaded(tmp_path), None, fail)
    assert capsys.readouterr().err.splitlines()[-1].endswith("INFO stopped")


def test_ready_file_that_cannot_be_written_is_an_error_and_the_server_stops(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "missing" / "ready.json"
    with pytest.raises(SettingsError, match=f"--ready-file {path}: No such file"):
        app.run(loaded(tmp_path), path)
    assert capsys.readouterr().err.splitlines()[-1].endswith("INFO stopped")


def test_limit_of_open_files_is_raised_as_far_as_it_goes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(soft, hard, 200), hard))
    process._raise_descriptor_limit()
    assert resource.getrlimit(resource.RLIMIT_NOFILE) == (hard, hard)
    process._raise_descriptor_limit()

    def refuse(*arguments: Any) -> None:
        raise ValueError("not allowed to raise maximum limit")

    resource.setrlimit(resource.RLIMIT_NOFILE, (min(soft, hard, 200), hard))
    monkeypatch.setattr(resource, "setrlimit", refuse)
    process._raise_descriptor_limit()


# ---------------------------------------------------------------------- exit codes


def serve(data: Path, *flags: str, http: str = "off") -> list[str]:
    listen = ("--rtmp", "127.0.0.1:0", "--tls", "off", "--http", http)
    return ["serve", *listen, "--data", str(data), *flags]


def test_wrong_setting_is_one_line_and_exit_code_2(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main.run(serve(tmp_path, "--set", "limits.idle_s=soon")) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("headend: ")
    assert "limits.idle_s" in line


def test_settings_file_that_cannot_be_read_is_one_line_and_exit_code_2(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for path in (tmp_path / "missing.toml", tmp_path):
        assert main.run(serve(tmp_path, "-c", str(path))) == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert str(path) in line


def test_port_in_use_is_one_line_and_exit_code_1(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        address = f"127.0.0.1:{other.getsockname()[1]}"
        assert main.run(serve(tmp_path, http=address)) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line == (
        f"headend: cannot listen on {address}: Address already in use; another program listens "
        "there, stop it or choose another port"
    )


@pytest.mark.parametrize("what", ["file instead of folder", "folder instead of file", "empty file"])
def test_data_folder_that_cannot_be_used_is_one_line_and_exit_code_2(
    what: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = tmp_path / "data"
    if what == "file instead of folder":
        data.write_text("")
    elif what == "folder instead of file":
        (data / "admin.token").mkdir(parents=True)
    else:
        data.mkdir()
        (data / "admin.token").write_text("")
    assert main.run(serve(data)) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert str(data) in line


def test_ready_file_that_cannot_be_written_is_said_last_and_exit_code_2(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main.run(serve(tmp_path, "--ready-file", str(tmp_path))) == 2
    assert capsys.readouterr().err.splitlines()[-1].startswith(f"headend: --ready-file {tmp_path}")


def test_server_with_its_own_database_keeps_its_name_on_another_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a container that is made anew: it finds its relays and its history again."""

    def names(*settings: str) -> set[str]:
        loaded = load_settings(None, [f"data={tmp_path}", *settings], environ={})
        found = set()
        for host in ("c0ffee", "decade"):
            monkeypatch.setattr(socket, "gethostname", lambda host=host: host)
            found.add(parts.node(loaded.settings))
        return found

    assert len(names()) == 1
    assert len(names("auth.database=postgresql://ann:secret@db/headend")) == 2
