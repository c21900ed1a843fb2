"""What the tests of commands share: a server, and a short FLV file."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.cli.program import Server
from tests.sources.clip import write_clip

from headend.app import running_file


@pytest.fixture(autouse=True)
def alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have commands find no servers that other tests run at the same time."""
    monkeypatch.setattr(running_file, "folders_in_use", list)


@pytest.fixture(scope="session")
def shared_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """See `server`."""
    running = Server(tmp_path_factory.mktemp("server"), "--set", "live.wait_s=1")
    yield running
    assert running.interrupt() == 0


@pytest.fixture
def server(shared_server: Server) -> Server:
    """A server that lets go of a name soon after its publisher is lost; its log begins here."""
    shared_server.begin_log()
    return shared_server


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    """See `write_clip`."""
    return write_clip(tmp_path)
