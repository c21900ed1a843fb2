"""Tests of headend.embed.server: a server inside another program."""

import asyncio
import gc
import logging
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import uvloop
from tests.e2e.wait import wait_for
from tests.harness import KEYFRAME, VIDEO_HEADER, run, until

from headend import Server, Settings
from headend.client import TlsOptions, play, publish
from headend.errors import HeadendError, ProtocolError, SettingsError, UsageError
from headend.media.tag import VIDEO, Tag
from headend.settings import load_settings

HEADER = Tag(VIDEO, 0, VIDEO_HEADER, False, True)
PICTURE = Tag(VIDEO, 0, KEYFRAME, True, False)
EVERYTHING = {"rtmp.listen": "127.0.0.1:0", "tls.listen": "127.0.0.1:0", "http.listen": "[::1]:0"}


class Left:
    """What a program has open: to compare before and after."""

    def __init__(self) -> None:
        gc.collect()
        self.descriptors = len(os.listdir("/proc/self/fd"))
        # Those of the loop's own pool, asyncio_0 and so on, stay until the loop is closed.
        names = [thread.name for thread in threading.enumerate()]
        self.threads = [name for name in names if not name.startswith("asyncio_")]
        self.tasks = len(asyncio.all_tasks())

    def assert_same(self) -> None:
        now = Left()
        assert (now.descriptors, now.threads, now.tasks) == (
            self.descriptors,
            self.threads,
            self.tasks,
        )


@pytest.mark.parametrize("loop", [asyncio.new_event_loop, uvloop.new_event_loop])
def test_runs_in_any_loop_and_serves_over_all_listeners(
    loop: Callable[[], asyncio.AbstractEventLoop],
) -> None:
    async def main() -> None:
        async with Server(EVERYTHING) as server:
            trust = TlsOptions(insecure=True)
            async with play(server.url("live/a", "rtmps"), tls=trust) as player:
                async with publish(server.url("live/a")) as out:
                    await out.write(HEADER)
                    await out.write(PICTURE)
                assert [tag async for tag in player] == [HEADER, PICTURE]
            assert [stream["path"] for stream in server.streams()] in (["live/a"], [])

    with asyncio.Runner(loop_factory=loop) as runner:
        runner.run(asyncio.wait_for(main(), 20))


async def test_process_stays_as_it_was(tmp_path: Path) -> None:
    handlers = list(logging.getLogger().handlers), list(logging.getLogger("headend").handlers)
    level, limits = logging.getLogger("headend").level, gc.get_threshold()
    numbers = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
    actions = [signal.getsignal(number) for number in numbers]
    async with Server(EVERYTHING, data=tmp_path) as server:
        server.reload(live={"wait_s": 1}, log={"level": "debug"})
        assert list(logging.getLogger().handlers) == handlers[0]
        assert list(logging.getLogger("headend").handlers) == handlers[1]
        assert logging.getLogger("headend").level == level
        assert gc.get_threshold() == limits
        assert [signal.getsignal(number) for number in numbers] == actions


async def test_state_lies_in_a_folder_that_goes_with_the_server_unless_one_is_named(
    tmp_path: Path,
) -> None:
    async with Server(EVERYTHING) as server:
        folder = server.settings.data
        assert (folder / "admin.token").read_text().strip() == server.admin_token
    assert not folder.exists()
    async with Server(data=tmp_path / "kept") as server:
        assert server.settings.data == tmp_path / "kept"
    assert (tmp_path / "kept" / "admin.token").exists()


async def test_urls_and_addresses_are_those_that_work() -> None:
    async with Server(EVERYTHING) as server:
        rtmp, tls, http = (server.addresses[name][0] for name in ("rtmp", "tls", "http"))
        assert server.url("live/a") == f"rtmp://{rtmp}/live/a"
        assert server.url("live/a", "rtmps") == f"rtmps://{tls}/live/a"
        assert server.url("live/ä", "http-flv") == f"http://{http}/live/%C3%A4.flv"
        assert server.url("live/a", "wss-flv") == f"wss://{tls}/live/a.flv"
        assert server.url("live/a", "hls") == f"http://{http}/live/a/index.m3u8"
        assert server.url("live/a", "https-watch") == f"https://{tls}/watch/live/a"
        with pytest.raises(ProtocolError):
            server.url("live/")
    async with Server() as server:
        with pytest.raises(SettingsError, match=r"rtmps needs tls.listen, and it is off"):
            server.url("live/a", "rtmps")
    with pytest.raises(UsageError, match="the server does not run"):
        server.url("live/a")


async def test_two_servers_pass_a_stream_from_one_to_the_other() -> None:
    async def relay(one: Server, other: Server) -> None:
        async with one.stream("live/a") as source, publish(other.url("live/a")) as out:
            async for tag in source:
                await out.write(tag)

    async with Server() as one, Server(EVERYTHING) as other:
        relaying = asyncio.create_task(relay(one, other))
        async with other.stream("live/a") as player:
            async with one.publish("live/a") as out:
                await until(lambda: out.is_watched)
                for number in range(100):
                    await out.write(PICTURE._replace(timestamp=number))
            seen = [tag.timestamp async for tag in player]
        assert seen == list(range(100))
        await relaying
        # What one counts and holds the other knows nothing of.
        assert one.services.counters.publishes == other.services.counters.publishes == 1
        assert one.services.counters.sessions == 2  # its own
        assert one.settings.data != other.settings.data


async def test_reload_changes_what_needs_no_restart_and_says_what_does(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with Server(EVERYTHING) as server:
        assert server.reload(limits={"idle_s": 7}) == ["settings reloaded: limits.idle_s"]
        assert server.reload({"live.wait_s": 3}) == ["settings reloaded: live.wait_s"]
        assert server.services.settings.limits.idle_s == server.settings.limits.idle_s == 7
        assert server.reload() == ["settings reloaded: nothing changed"]
        with pytest.raises(SettingsError, match=r"live\.wait_s"):
            server.reload(live={"wait_s": "soon"})
        assert server.settings.live.wait_s == 3
        (line,) = server.reload(rtmp={"chunk_size": 4096})
        assert line == "settings that need a restart: rtmp.chunk_size"
        with pytest.raises(SettingsError, match=r"missing\.pem"):
            server.reload(tls={"certificates": [{"cert": "missing.pem", "key": "k.pem"}]})


def test_file_is_watched_if_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "headend.toml"
    listen = "[rtmp]\nlisten='off'\n[tls]\nlisten='off'\n[http]\nlisten='off'\n"
    path.write_text(listen)

    async def main() -> None:
        loaded = load_settings(path, [f"data={tmp_path / 'data'}"], environ={})
        async with Server(loaded, watch_files=True) as server:

            def changed() -> bool:
                path.write_text(listen + "[limits]\nidle_s = 7\n")
                return server.settings.limits.idle_s == 7

            await until(changed)

    before = threading.active_count()
    run(main())
    wait_for(lambda: threading.active_count() == before, "the end of the watching thread")


# ---------------------------------------------------------------------- the end


async def test_exception_and_cancellation_close_everything() -> None:
    async def failing() -> None:
        async with Server(EVERYTHING) as server, server.stream("live/a"), server.publish("live/a"):
            raise ZeroDivisionError

    async def waiting(begun: asyncio.Event) -> None:
        async with Server(EVERYTHING) as server, server.stream("live/a") as player:
            begun.set()
            await anext(player)

    async def failing_once() -> None:
        with pytest.raises(ZeroDivisionError):
            await failing()

    await failing_once()
    before = Left()
    await failing_once()
    before.assert_same()
    begun = asyncio.Event()
    task = asyncio.create_task(waiting(begun))
    await begun.wait()
    task.cancel()
    await asyncio.wait([task])
    assert task.cancelled()
    before.assert_same()


async def test_peers_that_stay_are_closed_in_time() -> None:
    before = Left()
    async with Server(EVERYTHING, limits={"shutdown_s": 4}) as server:
        host, _, port = server.addresses["rtmp"][0].rpartition(":")
        deaf = [socket.create_connection((host, int(port))) for _ in range(3)]
        host, _, port = server.addresses["tls"][0].rpartition(":")
        deaf += [socket.create_connection((host, int(port))) for _ in range(3)]
        await until(lambda: len(server.services.sessions.connections) >= 3)
        started = time.monotonic()
    assert time.monotonic() - started < 45
    for sock in deaf:
        sock.close()
    before.assert_same()


async def test_stop_that_is_cancelled_closes_everything_too() -> None:
    before = Left()
    server = Server(EVERYTHING)
    await server.start()
    host, _, port = server.addresses["rtmp"][0].rpartition(":")
    with socket.create_connection((host, int(port))):
        await until(lambda: server.services.sessions.connections)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await server.stop()
    before.assert_same()


@pytest.mark.parametrize("listener", ["rtmp", "tls", "http"])
async def test_port_that_is_taken_leaves_nothing_open(listener: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        before = Left()
        taken = f"127.0.0.1:{other.getsockname()[1]}"
        server = Server(EVERYTHING | {f"{listener}.listen": taken})
        with pytest.raises(HeadendError, match="cannot listen on"):
            await server.start()
        before.assert_same()
    await server.start()  # now that the port is free
    await server.stop()
    before_again = Left()
    await server.stop()  # once more is no fault
    before_again.assert_same()


async def test_certificate_that_is_wrong_leaves_nothing_open(tmp_path: Path) -> None:
    (tmp_path / "cert.pem").write_text("nonsense")
    pair = {"cert": str(tmp_path / "cert.pem"), "key": str(tmp_path / "cert.pem")}

    async with Server(EVERYTHING):
        pass  # modules are loaded
    before = Left()
    with pytest.raises(SettingsError, match=r"cert\.pem"):
        await Server(EVERYTHING, data=tmp_path, tls={"certificates": [pair]}).start()
    before.assert_same()


async def test_twenty_starts_and_stops_leave_nothing_behind() -> None:
    async def once() -> None:
        async with Server(EVERYTHING) as server, server.stream("live/a") as player:
            server.events()
            async with publish(server.url("live/a")) as out:
                await out.write(PICTURE)
                await anext(player)

    await once()
    before = Left()
    for _ in range(20):
        await once()
    before.assert_same()


async def test_start_of_a_running_server_is_an_error() -> None:
    async with Server() as server:
        with pytest.raises(UsageError, match="the server runs already"):
            await server.start()


# ---------------------------------------------------------------------- the package


def test_package_costs_nothing_until_the_server_is_asked_for() -> None:
    code = (
        "import sys, headend\n"
        "loaded = [name for name in sys.modules if name.startswith('headend.')]\n"
        "assert loaded == [], loaded\n"
        "assert 'asyncio' not in sys.modules and 'pydantic' not in sys.modules\n"
        "headend.on_publish, headend.on_play, headend.on\n"
        "assert 'aiohttp' not in sys.modules and 'av' not in sys.modules\n"
        "headend.Server\n"
        "assert 'aiohttp' not in sys.modules and 'av' not in sys.modules\n"
        "try:\n"
        "    headend.nothing\n"
        "except AttributeError as error:\n"
        "    print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "module 'headend' has no attribute 'nothing'"


def test_public_names_are_there() -> None:
    import headend

    assert headend.Settings is Settings
    assert all(hasattr(headend, name) for name in headend.__all__)
