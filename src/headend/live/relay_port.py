"""Relays as the rest of the server sees them."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Annotated, Literal, Protocol

from pydantic import ConfigDict, Field

from headend.decisions import Address

State = Literal["connecting", "live", "retrying", "failed"]
Direction = Literal["out", "in"]
Source = Literal["settings", "api"]


@dataclass(frozen=True, slots=True)
class TargetStatus:
    """One stream of a relay."""

    __pydantic_config__ = ConfigDict(title="RelayTarget", extra="forbid")

    stream: str
    url: Annotated[str, Field(description="Where to or from; secrets are hidden.")]
    state: State
    reason: Annotated[str, Field(description="Why, for people; may be empty.")]
    since: Annotated[float, Field(description="When this state began, Unix seconds.")]
    tries: Annotated[int, Field(description="Connections begun.")]
    bit_rate: Annotated[int, Field(description="bit/s now.")]
    bytes: Annotated[int, Field(description="Bytes of media so far.")]
    lag_s: Annotated[float, Field(description="Seconds that a destination is behind.")]
    drops: Annotated[int, Field(description="How often it lost media because it was late.")]
    warnings: Annotated[list[str], Field(description="What to look at, for people.")]


@dataclass(frozen=True, slots=True)
class RelayStatus:
    """Streams that are sent to another server, or fetched from one."""

    __pydantic_config__ = ConfigDict(title="Relay", extra="forbid")

    id: str
    direction: Direction
    match: Annotated[list[str], Field(description="Patterns of streams.")]
    url: Annotated[
        list[str],
        Field(description="Where to, or from in this order; secrets are hidden."),
    ]
    preset: Annotated[str, Field(description="Platform; empty: none.")]
    on_demand: Annotated[bool, Field(description="Fetched while somebody watches.")]
    has_key: Annotated[bool, Field(description="It has a stream key, which is never shown.")]
    source: Source
    targets: list[TargetStatus]


class RelayPort(Protocol):
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
