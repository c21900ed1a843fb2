"""Relays as the rest of the server sees them: what is fetched, and from where."""

from collections.abc import Collection

from headend.decisions import Address
from headend.features.feature import Feature


class Fetching(Feature):
    """A feature that fetches streams from other servers."""

    def want(self, path: str, address: Address | None) -> bool:
        """Somebody wants to watch a stream: it is fetched, if a relay does and nobody publishes it.

        Args:
            path: `APP/NAME`.
            address: Of whoever wants it.

        Returns:
            Whether it is fetched: it is worth waiting, whatever `live.wait_s` says.

        Raises:
            Rejected: No source knows it, as was asked a moment ago; or too many are fetched.
        """
        raise NotImplementedError

    def fetched_from(self, path: str) -> Collection[str]:
        """Return the ids of the servers that a stream is fetched from just now, or asked for."""
        raise NotImplementedError
