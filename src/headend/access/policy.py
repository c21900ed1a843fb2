"""This module is the one place where a request to publish or to play is decided."""

from fnmatch import fnmatchcase
from typing import Final

from headend.access.decisions import AccessRequest
from headend.errors import Rejected
from headend.settings import Auth, Rtmp

PLAY_FAILED: Final = "NetStream.Play.Failed"

# For the log: what the operator can do about it.
HOW_TO_PUBLISH: Final = 'to allow it set auth.publish = "open", or publish from the server itself'


class Policy:
    """Decides by the settings."""

    def __init__(self, auth: Auth, rtmp: Rtmp | None = None, rtmps: str = "rtmps://") -> None:
        """Make a policy.

        Args:
            auth: The settings of that section.
            rtmp: Likewise; says who must come over TLS. None: nobody.
            rtmps: What a peer that must is told to use.
        """
        self._auth = auth
        self._rtmp = rtmp or Rtmp()
        self._rtmps = rtmps

    def decide(self, request: AccessRequest) -> None:
        """Return if the request is granted.

        Raises:
            Rejected: It is not; holds the code and the reason for the peer.
        """
        if self._must_be_secure(request) and not request.is_secure:
            raise Rejected(
                "NetStream.Publish.Denied" if request.action == "publish" else PLAY_FAILED,
                f"plain RTMP is not taken here; use {self._rtmps}",
            )
        if request.action == "play":
            return
        if self._auth.certificates and request.certificate is not None:
            return
        mode = self._auth.publish
        if mode == "open" or (mode == "loopback" and request.is_local):
            return
        raise Rejected(
            "NetStream.Publish.Denied",
            "publishing needs a valid publish key here"
            if mode == "key"
            else "publishing from another machine needs a publish key",
        )

    def _must_be_secure(self, request: AccessRequest) -> bool:
        """Say whether the settings want TLS for this."""
        required = self._rtmp.require_tls
        if required == "always" or (required == "publish" and request.action == "publish"):
            return True
        return any(fnmatchcase(request.path, pattern) for pattern in self._rtmp.tls_only)
