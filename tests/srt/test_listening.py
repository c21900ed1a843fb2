"""SRT listeners of a server, where they can be there and where not."""

from pathlib import Path

import pytest
from tests.harness import live_server

from headend.errors import HeadendError
from headend.libsrt import library
from headend.settings import Srt, parse_address

LOOPBACK = "srt.listen=127.0.0.1:0"


async def test_without_libsrt_a_line_names_the_package_and_the_server_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(library, "NAMES", ("libsrt-that-is-not-there.so",))
    async with live_server(tmp_path, LOOPBACK) as live:
        assert live.server.addresses["srt"] == []
    (line,) = [line for line in caplog.messages if line.startswith("srt ")]
    assert "libsrt1.5-openssl" in line


async def test_servers_of_one_process_listen_side_by_side_and_one_after_the_other(
    tmp_path: Path,
) -> None:
    for _ in range(2):
        async with (
            live_server(tmp_path / "a", LOOPBACK) as one,
            live_server(tmp_path / "b", LOOPBACK) as other,
        ):
            _skip_without(one.server.addresses["srt"])
            assert one.server.addresses["srt"] != other.server.addresses["srt"]


async def test_a_port_in_use_stops_the_start_if_the_settings_name_it(tmp_path: Path) -> None:
    async with live_server(tmp_path / "a", LOOPBACK) as one:
        _skip_without(one.server.addresses["srt"])
        taken = one.server.addresses["srt"][0]
        with pytest.raises(HeadendError, match=r"cannot listen on 127.0.0.1:\d+ \(UDP\)"):
            async with live_server(tmp_path / "b", f"srt.listen={taken}"):
                pass


async def test_a_default_port_in_use_is_a_line_of_the_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async with live_server(tmp_path / "a", LOOPBACK) as one:
        _skip_without(one.server.addresses["srt"])
        taken = one.server.addresses["srt"][0]
        default = Srt(listen=(taken,))  # type: ignore[arg-type]
        assert default.listen == (parse_address(taken),)
        monkeypatch.setattr("headend.srt.listening.Srt", lambda: default)
        async with live_server(tmp_path / "b", f"srt.listen={taken}") as other:
            assert other.server.addresses["srt"] == []
    assert any("srt does not listen: cannot listen" in line for line in caplog.messages)


def _skip_without(addresses: list[str]) -> None:
    if not addresses:
        pytest.skip("libsrt is not installed")
