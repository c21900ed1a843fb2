"""What the end-to-end tests share: servers, peers and media."""

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import imageio_ffmpeg  # type: ignore[import-untyped]
import pytest

pytest.register_assert_rewrite("tests.e2e.media")

from tests.e2e import media  # noqa: E402
from tests.e2e.peers import Peers  # noqa: E402
from tests.e2e.server import Server  # noqa: E402

if TYPE_CHECKING:
    from playwright.sync_api import Browser
    from tests.e2e.browser import OpenTab

StartServer = Callable[..., Server]


@pytest.fixture
def workers() -> int:
    """How many processes of a server serve together; a module or a test may say otherwise."""
    return int(os.environ.get("E2E_WORKERS", "1"))


@pytest.fixture
def start_server(tmp_path: Path, workers: int) -> Iterator[StartServer]:
    """Start servers with settings of their own; they are killed if the test leaves them running."""
    servers: list[Server] = []

    def start(*settings: str, **options: Any) -> Server:
        folder = tmp_path / f"server{len(servers)}"
        folder.mkdir()
        server = Server(folder, *settings, **{"workers": workers, **options})
        servers.append(server)
        return server

    yield start
    for server in servers:
        server.process.kill()
        server.look_for_secrets()


@pytest.fixture
def server(start_server: StartServer) -> Server:
    """A server with default settings."""
    return start_server()


@pytest.fixture(scope="module")
def browser() -> Iterator["Browser"]:
    """Chromium; for one module at a time, as its driver keeps a loop running."""
    from tests.e2e.browser import chromium

    with chromium() as browser:
        yield browser


@pytest.fixture
def open_tab(browser: "Browser") -> Iterator["OpenTab"]:
    """Open pages in Chromium."""
    from tests.e2e.browser import tabs

    with tabs(browser) as open_tab:
        yield open_tab


@pytest.fixture
def peers(tmp_path: Path) -> Iterator[Peers]:
    """Start programs that publish and play."""
    running = Peers(tmp_path)
    yield running
    running.close()


@pytest.fixture(scope="session")
def ffmpeg() -> str:
    """The system's ffmpeg."""
    if shutil.which("ffmpeg") is None:
        pytest.skip("ffmpeg is not installed")
    return "ffmpeg"


@pytest.fixture(scope="session")
def new_ffmpeg() -> str:
    """An FFmpeg that knows all of Enhanced RTMP."""
    return str(imageio_ffmpeg.get_ffmpeg_exe())


@pytest.fixture(scope="session")
def media_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("media")


@pytest.fixture(scope="session")
def clip(ffmpeg: str, media_folder: Path) -> Path:
    """H.264 with B frames, and AAC; 2.4 s."""
    inputs = (*media.picture(2.4), *media.tone(2.4))
    return media.make(ffmpeg, media_folder / "clip.flv", *inputs, *media.H264, *media.AAC)


@pytest.fixture(scope="session")
def other_clip(ffmpeg: str, media_folder: Path) -> Path:
    """Like `clip`, with a picture of another size."""
    inputs = (*media.picture(2, "320x176"), *media.tone(2))
    return media.make(ffmpeg, media_folder / "other.flv", *inputs, *media.H264, *media.AAC)


@pytest.fixture(scope="session")
def video_clip(ffmpeg: str, media_folder: Path) -> Path:
    """H.264 alone; 2 s."""
    return media.make(ffmpeg, media_folder / "video.flv", *media.picture(2), *media.H264)


@pytest.fixture(scope="session")
def audio_clip(ffmpeg: str, media_folder: Path) -> Path:
    """AAC alone; 2 s."""
    return media.make(ffmpeg, media_folder / "audio.flv", *media.tone(2), *media.AAC)
