"""Relays as the rest of the server sees them."""

from collections.abc import Collection, Sequence
from typing import Literal, Protocol, TypedDict

from headend.decisions import Address

State = Literal["connecting", "live", "retrying", "failed"]
Direction = Literal["out", "in"]


class TargetStatus(TypedDict):
    """One stream of a relay.

    Keys: stream: `APP/NAME` here; url: where to or from, secrets hidden; state: connecting, live,
    retrying or failed; reason: of the state, for people, may be empty; since: when the state began,
    Unix seconds; tries: connections begun; bit_rate: bit/s now; bytes: so far; lag_s: how far a
    destination is behind, as far as we know; drops: how often it lost media because it was late;
    warnings: what to look at.
    """

    stream: str
    url: str
    state: State
    reason: str
    since: float
    tries: int
    bit_rate: int
    bytes: int
    lag_s: float
    drops: int
    warnings: list[str]


class RelayStatus(TypedDict):
    """One relay, as settings or the API name it.

    Keys: id; direction: out or in; match: patterns of streams; url: where to or from, secrets
    hidden; preset: platform, or empty; on_demand: of a relay in; has_key; source: settings or api;
    targets: its streams.
    """

    id: str
    direction: Direction
    match: list[str]
    url: list[str]
    preset: str
    on_demand: bool
    has_key: bool
    source: Literal["settings", "api"]
    targets: list[TargetStatus]


class Relays(Protocol):
    """The relays of a server."""

    def status(self) -> Sequence[RelayStatus]:
        """Describe all of them."""

    async def add(self, direction: Direction, spec: dict[str, object]) -> str:
        """Add one, and keep it over a restart; return its id.

        Args:
            direction: out or in.
            spec: As in the settings.

        Raises:
            SettingsError: It makes no sense; says why.
            DatabaseError: It can't be kept now.
        """

    async def remove(self, id: str) -> bool:
        """End one, and forget it; false: there is none that the API added.

        Raises:
            DatabaseError: It can't be forgotten now.
        """

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

    def fetched_from(self, path: str) -> Collection[str]:
        """Return the ids of the servers that a stream is fetched from just now, or asked for."""
