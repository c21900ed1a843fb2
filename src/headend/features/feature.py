"""The port of a feature: what the server tells it, and what it gives to others.

    server ─► start ─► configure, reload, stream_began … ─► stop
    others ─► routes, api_routes, metrics, findings, status

A feature is one class in a folder of its own and one line in `headend/app/features.py`. All methods
do nothing here, so that a feature has only those that it needs.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from headend.hub.stream import Stream
from headend.settings import Settings, StreamRules

if TYPE_CHECKING:
    from prometheus_client.metrics_core import Metric

    from headend.features.routes import HttpRoute, Route

# Returns the label of a stream in metrics: its path, or `*` for one that is not to be named.
Label = Callable[[str], str]
Values = Mapping[str, int | float | str | bool]


class Feature:
    """One thing that a server can do, such as relays or HLS.

    The server calls all methods in its loop. None but `stop` may wait: what takes time is a task of
    the feature, and what blocks a thread or a process of it.

    Attributes:
        name: For the log and the API, in one word.
        ends_last: It writes down how everything else ended, and is stopped after all of that. The
            database is open until all features have stopped.
    """

    name: ClassVar[str]
    ends_last: ClassVar[bool] = False

    # ------------------------------------------------------------------ what the server tells

    def start(self) -> None:
        """Begin, before the server takes connections.

        Raises:
            SettingsError: The settings make no sense together; the server does not start.
        """

    def check(self, settings: Settings) -> None:
        """Look at settings before they are taken: at all that can be wrong outside of them.

        Raises:
            SettingsError: They cannot be used; all stays as it is.
        """

    def configure(self, settings: Settings) -> None:
        """Take settings that have changed and passed `check`; what holds for streams included."""

    def reload(self) -> Sequence[str]:
        """Read again what lies in files, because somebody asks for it or one of them changed.

        Returns:
            What happened, as logged; nothing where nothing changed.
        """
        return ()

    def files(self) -> Sequence[Path]:
        """Return the folders that are watched: `reload` is called when a file there changes."""
        return ()

    def stream_began(self, stream: Stream, rules: StreamRules) -> None:
        """Take note of a stream that has its first publisher.

        A feature that is made while the server runs is told of the streams that are there.

        Args:
            stream: As it begins: no media came yet. A `Sink` may be attached to it, and is told of
                its end.
            rules: What the settings say of it now; `Runtime.rules` says so later on.
        """

    def stream_left(self, stream: Stream) -> None:
        """Take note of a stream that is published at another server from now on.

        Its viewers here stay, and are given a copy. What a stream has once, such as its recording,
        ends here and begins there.
        """

    async def stop(self) -> None:
        """End, within the time that is left of `limits.shutdown_s`; then it is cancelled.

        Streams have ended by now.
        """

    # ------------------------------------------------------------------ what it gives to others

    def addresses(self) -> Mapping[str, Sequence[str]]:
        """Return where it listens, by listener; asked for once, after its start."""
        return {}

    def routes(self) -> "Sequence[HttpRoute]":
        """Return the addresses that it answers over HTTP; asked for once, after its start."""
        return ()

    def api_routes(self) -> "Sequence[Route]":
        """Return its operations of the API; asked for once, after its start."""
        return ()

    def metrics(self, label: Label) -> "Sequence[Metric]":
        """Return what Prometheus is told, as it is now."""
        return ()

    def findings(self, stream: Stream) -> Sequence[str]:
        """Say what an operator should look at of a stream, a line each."""
        return ()

    def status(self) -> Values:
        """Describe it in a few values, for the API and the console; empty: it says nothing."""
        return {}
