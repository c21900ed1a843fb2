"""Relays as plain values, for the API and for metrics."""

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import ConfigDict, Field

from headend.net.figures import Figures

State = Literal["connecting", "live", "retrying", "failed"]
Direction = Literal["out", "in"]
Source = Literal["settings", "api"]


@dataclass(frozen=True, slots=True)
class TargetStatus:
    """One stream of a relay."""

    __pydantic_config__ = ConfigDict(title="RelayTarget", extra="forbid")

    stream: str
    url: Annotated[str, Field(description="URL of the other server; secrets are hidden.")]
    state: State
    reason: Annotated[str, Field(description="Why it is in this state, for people; may be empty.")]
    since: Annotated[float, Field(description="When this state began, Unix seconds.")]
    tries: Annotated[int, Field(description="Connections begun.")]
    bit_rate: Annotated[int, Field(description="bit/s now.")]
    bytes: Annotated[int, Field(description="Bytes of media so far.")]
    lag_s: Annotated[float, Field(description="Seconds that a destination is behind.")]
    drops: Annotated[int, Field(description="How often it lost media because it was late.")]
    warnings: Annotated[list[str], Field(description="What an operator should look at.")]
    network: Annotated[
        Figures | None, Field(description="How the network treats it; null: not known (only SRT).")
    ] = None


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
