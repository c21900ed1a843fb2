"""What all sessions have in common, for the API and the console."""

from typing import Protocol

from headend.access.session_record import Client


class Session(Client, Protocol):
    """One peer that publishes or watches, over whatever protocol."""

    @property
    def started(self) -> float:
        """When it began, monotonic seconds."""

    @property
    def publishing(self) -> list[str]:
        """Paths of the streams it publishes."""

    @property
    def playing(self) -> list[str]:
        """Paths of the streams it plays or waits for."""

    @property
    def watching(self) -> list[str]:
        """Those of them that it has not paused."""

    @property
    def bytes_in(self) -> int:
        """Bytes received."""

    @property
    def bytes_out(self) -> int:
        """Bytes given to it."""

    @property
    def is_over(self) -> bool:
        """It was told that it ends; its connection may be there for a moment yet."""

    def kick(self) -> None:
        """Close it because an administrator wants it so."""

    def stop(self) -> None:
        """Tell it that the server stops, and close."""

    def abort(self) -> None:
        """Close it at once."""
