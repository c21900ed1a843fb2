"""HLS as the rest of the server sees it, without what packages: that loads FFmpeg."""

from typing import TYPE_CHECKING

from headend.features.feature import Feature

if TYPE_CHECKING:
    from headend.hls.streams import HlsStream


class Packaging(Feature):
    """The feature that packages streams for HLS."""

    def find(self, path: str) -> "HlsStream | None":
        """Return a stream that is packaged."""
        raise NotImplementedError

    def packaged(self) -> "list[HlsStream]":
        """Return all that are packaged."""
        raise NotImplementedError
