"""The port of relays that fetch streams, for the rest of the server."""

from collections.abc import Collection

from headend.decisions import Address
from headend.features.feature import Feature


class Fetching(Feature):
    """A feature that fetches streams from other servers."""

    def want(self, path: str, address: Address | None) -> bool:
        """Fetch a stream that somebody wants to watch, if a relay may and nobody publishes it.

        Args:
            path: `APP/NAME`.
            address: Address of the viewer.

        Returns:
            True: the stream is being fetched: it is worth waiting, whatever `live.wait_s` says.

        Raises:
            Rejected: No source knew the stream a moment ago, or too many streams are fetched.
        """
        raise NotImplementedError

    def fetched_from(self, path: str) -> Collection[str]:
        """Return the ids of the servers that a stream is fetched from, or is asked of, now."""
        raise NotImplementedError
