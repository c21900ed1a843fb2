"""The pytest plugin: fixtures for tests of programs that publish or play.

pytest loads it by its entry point; a project that does not use it pays for this module alone.
"""

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from headend.testing import Clip, PeerPlaying, PeerPublishing, Peers, ServerThread

MARKER = (
    "headend(section={...}): settings of the server of headend_server, such as "
    'headend(live={"wait_s": 1})'
)


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", MARKER)


@pytest.fixture
def headend_settings() -> dict[str, object]:
    """Settings of `headend_server`, by section or key; override it in a conftest or a module."""
    return {}


@pytest.fixture
def headend_server_factory() -> "Iterator[Callable[..., ServerThread]]":
    """Start any number of servers: `headend_server_factory(live={"wait_s": 1})`.

    Each has its listeners on free ports of loopback, and a thread and a loop of its own.
    """
    from contextlib import ExitStack

    from headend.testing import ServerThread

    with ExitStack() as running:

        def start(settings: Any = None, /, **sections: Any) -> ServerThread:
            return running.enter_context(ServerThread(settings, **sections))

        yield start


@pytest.fixture
def headend_server(
    request: pytest.FixtureRequest,
    headend_settings: dict[str, object],
    headend_server_factory: "Callable[..., ServerThread]",
) -> "ServerThread":
    """A server that runs: for tests with and without an event loop, and for other programs.

    Its settings are those of `headend_settings`, and of the marker `headend` on top.
    """
    marks = list(request.node.iter_markers("headend"))
    sections = {key: value for mark in reversed(marks) for key, value in mark.kwargs.items()}
    return headend_server_factory(headend_settings, **sections)


@pytest.fixture
def rtmp_peers(headend_server: "ServerThread") -> "Iterator[Peers]":
    """Publishers and players of `headend_server`; those that are left end with the test."""
    from headend.testing import Peers

    peers = Peers(headend_server)
    yield peers
    peers.close()


@pytest.fixture
def rtmp_publisher(rtmp_peers: "Peers") -> "Callable[..., PeerPublishing]":
    """Publish generated H.264 and AAC in the background: `rtmp_publisher("live/a")`.

    See `headend.testing.Peers.publish` for what else it takes.
    """
    return rtmp_peers.publish


@pytest.fixture
def rtmp_player(rtmp_peers: "Peers") -> "Callable[..., PeerPlaying]":
    """Play in the background, and keep what comes: `rtmp_player("live/a").wait_media(2000)`.

    See `headend.testing.Peers.play` for what else it takes.
    """
    return rtmp_peers.play


@pytest.fixture(scope="session")
def rtmp_clip() -> "Clip":
    """The clip that `rtmp_publisher` publishes unless it is given another one."""
    from headend.testing import make_clip

    return make_clip()
