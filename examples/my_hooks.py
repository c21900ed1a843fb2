"""Python hooks: who may publish and watch, and a line for each session that is over.

    headend serve --set hooks=my_hooks -c headend.toml

with this file beside headend.toml, or anywhere on PYTHONPATH.
"""

import logging

import headend
from headend.hooks import Allow, Decision, Deny, PlayRequest, PublishRequest, Redirect, SessionEnded

log = logging.getLogger("my_hooks")

TITLES = {"ann": "the morning show", "bob": "the evening news"}


@headend.on_publish
async def check_publisher(request: PublishRequest) -> Decision:
    """Take known names only, for four hours at most; tests go where nobody watches."""
    if request.name.startswith("test"):
        return Allow(stream=f"rehearsal/{request.name}")
    if request.name not in TITLES:
        return Deny(f"nobody called {request.name} has a show here")
    return Allow(max_duration_s=4 * 3600, tags=(("title", TITLES[request.name]),))


@headend.on_play
def check_viewer(request: PlayRequest) -> Redirect | None:
    """Send those who ask for the archive to another server."""
    if request.app == "archive":
        return Redirect(f"rtmp://archive.example/{request.stream}")
    return None


@headend.on(SessionEnded)
def note_session(event: SessionEnded) -> None:
    """Write what a bill could be made of."""
    log.info(
        "%s of %s by %s: %d bytes in %.1f s (%s)",
        event.action,
        event.stream,
        event.address,
        event.bytes,
        event.duration_s,
        event.reason,
    )
