"""Viewers over HLS without HTTP, for tests of what counts them."""

from headend.access.grant import Grant
from headend.decisions import AccessRequest
from headend.hls.streams import HlsStream
from headend.hls.viewers import HlsViewer
from headend.net.peer import Peer


def hls_viewer(
    packaged: HlsStream, peer: Peer, program: str = "one", subject: str | None = None
) -> HlsViewer:
    """Have a viewer ask for a stream."""
    path = packaged.stream.path
    asked = AccessRequest("play", path, peer.address, protocol="hls", user_agent=program)
    viewer = packaged.audience.note(asked, Grant(path, "play", subject=subject), peer)
    assert viewer is not None
    return viewer
