"""Tests of how the flags of `serve` become settings."""

from pathlib import Path
from typing import Any

import pytest

from headend.cli.main import run
from headend.settings import LoadedSettings


class Served:
    """Takes the place of `headend.app.run` and keeps what it was called with."""

    def __init__(self) -> None:
        self.loaded: Any = None
        self.ready_file: Path | None = None

    def __call__(self, loaded: LoadedSettings, ready_file: Path | None = None) -> int:
        self.loaded, self.ready_file = loaded, ready_file
        return 0


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Served:
    served = Served()
    monkeypatch.setattr("headend.app.run", served)
    monkeypatch.chdir(tmp_path)
    return served


def test_every_flag_reaches_its_setting(served: Served, tmp_path: Path) -> None:
    arguments = ["serve", "--rtmp", "127.0.0.1:0", "--rtmp", "unix:/s", "--tls", "off"]
    arguments += [
        "--http",
        "off",
        "--data",
        "/d",
        "--set",
        "live.wait_s=3",
        "--set",
        "live.log_s=4",
    ]
    arguments += ["--ready-file", "/r", "--log-format", "json", "--log-level", "warning"]
    assert run(arguments) == 0
    settings = served.loaded.settings
    assert [str(address) for address in settings.rtmp.listen] == ["127.0.0.1:0", "unix:/s"]
    assert (settings.tls.listen, settings.http.listen) == ((), ())
    assert settings.data == Path("/d")
    assert (settings.live.wait_s, settings.live.log_s) == (3, 4)
    assert (settings.log.format, settings.log.level) == ("json", "warning")
    assert served.ready_file == Path("/r")
    assert served.loaded.sources["rtmp.listen"] == "flag --rtmp"
    assert served.loaded.sources["data"] == "flag --data"


def test_without_flags_the_defaults_are_served(served: Served) -> None:
    assert run(["serve"]) == 0
    assert set(served.loaded.sources.values()) == {"default"}
    assert served.loaded.path is None
    assert served.ready_file is None


def test_settings_file_of_the_working_folder_is_read(served: Served, tmp_path: Path) -> None:
    (tmp_path / "headend.toml").write_text("[live]\nwait_s = 7\n")
    assert run(["serve"]) == 0
    assert served.loaded.settings.live.wait_s == 7
    assert served.loaded.sources["live.wait_s"] == "file headend.toml"


def test_named_settings_file_is_read_instead(served: Served, tmp_path: Path) -> None:
    (tmp_path / "headend.toml").write_text("[live]\nwait_s = 7\n")
    (tmp_path / "other.toml").write_text("[live]\nlog_s = 8\n")
    assert run(["serve", "-c", "other.toml"]) == 0
    assert (served.loaded.settings.live.wait_s, served.loaded.settings.live.log_s) == (30, 8)


def test_named_settings_file_that_is_missing_is_an_error(
    served: Served, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["serve", "-c", "no.toml"]) == 2
    assert capsys.readouterr().err == "headend: no.toml: No such file or directory\n"


def test_empty_address_is_wrong_usage(served: Served, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["serve", "--rtmp", ""]) == 2
    assert capsys.readouterr().err.startswith('headend: rtmp.listen = "": an address is missing')
