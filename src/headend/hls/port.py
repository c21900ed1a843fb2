"""The port of HLS, for the rest of the server: it does not load the packager and FFmpeg."""

from typing import TYPE_CHECKING

from headend.features.feature import Feature

if TYPE_CHECKING:
    from headend.hls.streams import HlsStream


class Packaging(Feature):
    """The feature that packages streams for HLS."""

    def find(self, path: str) -> "HlsStream | None":
        """Return the packaging of a stream; None: it is not packaged."""
        raise NotImplementedError

    def packaged(self) -> "list[HlsStream]":
        """Return the packaging of all streams that are packaged."""
        raise NotImplementedError
