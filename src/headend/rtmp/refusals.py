"""Codes with which RTMP refuses: its own for each kind of refusal, and the form of all of them."""

import re
from typing import Final, Literal

from headend.errors import Refusal, Rejected

CONNECT_REJECTED: Final = "NetConnection.Connect.Rejected"
PUBLISH_DENIED: Final = "NetStream.Publish.Denied"
PLAY_FAILED: Final = "NetStream.Play.Failed"

_OF_PUBLISH: Final = {
    Refusal.NAME_TAKEN: "NetStream.Publish.BadName",
    Refusal.FULL: "NetStream.Publish.BadName",
    Refusal.STOPPING: "NetStream.Publish.Failed",
}
_OF_PLAY: Final = {Refusal.NOT_FOUND: "NetStream.Play.StreamNotFound"}
_FORM: Final = re.compile(r"NetStream\.(?:Publish|Play)\.[A-Za-z]{1,40}")


def code_of(refusal: Refusal, action: Literal["publish", "play"]) -> str:
    """Return the status code with which a publish or a play is refused or ended."""
    if action == "publish":
        return _OF_PUBLISH.get(refusal, PUBLISH_DENIED)
    return _OF_PLAY.get(refusal, PLAY_FAILED)


def told_code(rejected: Rejected, action: Literal["publish", "play"]) -> str:
    """Return the code that a peer is told: one that a program has chosen, or our own."""
    return rejected.code or code_of(rejected.refusal, action)


def is_code(text: str) -> bool:
    """Say whether a text has the form of a code for a publish or a play."""
    return _FORM.fullmatch(text) is not None
