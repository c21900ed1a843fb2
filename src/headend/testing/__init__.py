"""Tests of programs that publish or play: a real server, peers, faults, checks.

The pytest plugin (`headend.pytest_plugin`) makes fixtures of it; it works without pytest too.

    with ServerThread() as server:
        recording = ...
"""

from headend.testing.clip import Clip, make_clip
from headend.testing.faults import Fault, Faults
from headend.testing.peers import PeerPlaying, PeerPublishing, Peers
from headend.testing.recording import Recording
from headend.testing.server import ServerThread

__all__ = [
    "Clip",
    "Fault",
    "Faults",
    "PeerPlaying",
    "PeerPublishing",
    "Peers",
    "Recording",
    "ServerThread",
    "make_clip",
]
