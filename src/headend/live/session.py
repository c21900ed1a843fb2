"""The session as all protocols share it, for the API and the console."""

from collections.abc import Collection
from typing import Protocol, runtime_checkable

from headend.access.session_record import Client
from headend.net.figures import Figures
from headend.net.transport import Transport


class Session(Client, Protocol):
    """One peer that publishes or watches, over whatever protocol."""

    @property
    def started(self) -> float:
        """When the session began, monotonic seconds."""

    @property
    def publishing(self) -> list[str]:
        """Paths of the streams it publishes."""

    @property
    def playing(self) -> list[str]:
        """Paths of the streams it plays or waits for."""

    @property
    def watching(self) -> list[str]:
        """Paths of the streams it plays and has not paused."""

    @property
    def bytes_in(self) -> int:
        """Bytes received from the peer."""

    @property
    def bytes_out(self) -> int:
        """Bytes given to the peer."""

    @property
    def is_over(self) -> bool:
        """The session is over; its connection may stay open for another moment."""

    def kick(self) -> None:
        """Close the session because an administrator wants it so."""

    def stop(self) -> None:
        """Tell the peer that the server stops, and close the session."""

    def abort(self) -> None:
        """Close the session at once."""


class RtmpPeer(Session, Protocol):
    """A session over RTMP or RTMPS."""

    @property
    def transport(self) -> Transport:
        """The transport of its connection."""

    @property
    def hops(self) -> Collection[str]:
        """Ids of the servers through which its streams came."""

    @property
    def may_move(self) -> bool:
        """It can be asked to go on at another server."""

    def ask_to_move(self, place: str) -> None:
        """Ask the peer to connect anew at a server, a URL without a path."""

    @property
    def is_member(self) -> bool:
        """It is another server of the cluster, or another worker, that fetches a stream."""


@runtime_checkable
class Measured(Protocol):
    """A session whose protocol measures the network."""

    @property
    def figures(self) -> Figures | None:
        """How the network treats it, if that is known."""
