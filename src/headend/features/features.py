"""The features of a running server: told together, found by their class.

A feature that fails is named in the log; the server and the other features go on.
"""

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from headend.errors import SettingsError
from headend.features.feature import Feature, Label, Values
from headend.hub.stream import Stream
from headend.net.runtime import Runtime
from headend.settings import Settings

if TYPE_CHECKING:
    from prometheus_client.metrics_core import Metric

    from headend.features.routes import HttpRoute, Route

log = logging.getLogger(__name__)

F = TypeVar("F")
T = TypeVar("T")

Serve = Callable[["Sequence[HttpRoute]", "Sequence[Route]"], None]


class Features:
    """What a server can do now, in the order of its start; it grows when settings want more."""

    def __init__(self, runtime: Runtime) -> None:
        """Make an empty list; `add` fills it."""
        self._runtime = runtime
        self._features: list[Feature] = []
        self._serving: list[Serve] = []

    def __iter__(self) -> Iterator[Feature]:
        """Go through them in the order of their start."""
        return iter(tuple(self._features))

    def find(self, kind: type[F]) -> F | None:
        """Return the feature of a class; None: this server has none."""
        return next((each for each in self._features if isinstance(each, kind)), None)

    def all(self, kind: type[F]) -> list[F]:
        """Return all features of a class, in the order of their start."""
        return [each for each in self._features if isinstance(each, kind)]

    def __getitem__(self, kind: type[F]) -> F:
        """Return the feature of a class that the server has.

        Raises:
            LookupError: It has none.
        """
        found = self.find(kind)
        if found is None:
            raise LookupError(f"this server has no feature {kind.__name__}")
        return found

    def add(self, feature: Feature, streams: Sequence[Stream]) -> None:
        """Start a feature, and tell it of the streams that are there.

        Raises:
            SettingsError: As `Feature.start`; it is stopped with the others all the same.
        """
        self._features.append(feature)
        feature.start()
        for stream in streams:
            if stream.has_begun:
                self._tell_stream(feature, stream)
        for serve in self._serving:
            self._serve(feature, serve)

    def serve(self, serve: Serve) -> None:
        """Have the routes of all features served, also of those that are added later.

        Args:
            serve: Takes the addresses and the operations of one feature.
        """
        self._serving.append(serve)
        for each in self._features:
            self._serve(each, serve)

    # ------------------------------------------------------------------ told together

    def check(self, settings: Settings) -> None:
        """Have all look at settings; see `Feature.check`.

        Raises:
            SettingsError: One of them cannot use them.
        """
        for each in self._features:
            self._safely(each, partial(each.check, settings), None, SettingsError)

    def configure(self, settings: Settings) -> None:
        """Give all of them settings that have changed."""
        for each in self._features:
            self._safely(each, partial(each.configure, settings), None)

    def reload(self) -> list[str]:
        """Have all read their files again; return what happened."""
        return self._all(lambda each: each.reload())

    def files(self) -> list[Path]:
        """Return the folders of all that are watched."""
        return self._all(lambda each: each.files())

    def stream_began(self, stream: Stream) -> None:
        """Tell all of a stream that has its first publisher."""
        for each in self._features:
            self._tell_stream(each, stream)

    def stream_left(self, stream: Stream) -> None:
        """Tell all of a stream that is published at another server from now on."""
        for each in self._features:
            self._safely(each, partial(each.stream_left, stream), None)

    # ------------------------------------------------------------------ what they give

    def addresses(self) -> dict[str, Sequence[str]]:
        """Return where all of them listen."""
        nowhere: Mapping[str, Sequence[str]] = {}
        told = [self._safely(each, each.addresses, nowhere) for each in self._features]
        return {name: found for each in told for name, found in each.items()}

    def metrics(self, label: Label) -> "list[Metric]":
        """Return the metrics of all."""
        return self._all(lambda each: each.metrics(label))

    def findings(self, stream: Stream) -> list[str]:
        """Say what all of them find of a stream."""
        return self._all(lambda each: each.findings(stream))

    def status(self) -> dict[str, Values]:
        """Describe those that have something to say, by name."""
        silent: Values = {}
        told = {each.name: self._safely(each, each.status, silent) for each in self._features}
        return {name: values for name, values in told.items() if values}

    # ------------------------------------------------------------------ inside

    def _tell_stream(self, feature: Feature, stream: Stream) -> None:
        rules = self._runtime.rules.of(stream.path)
        self._safely(feature, partial(feature.stream_began, stream, rules), None)

    def _serve(self, feature: Feature, serve: Serve) -> None:
        serve(
            self._list(feature, lambda each: each.routes()),
            self._list(feature, lambda each: each.api_routes()),
        )

    def _all(self, call: Callable[[Feature], Sequence[T]]) -> list[T]:
        return [found for each in self._features for found in self._list(each, call)]

    def _list(self, feature: Feature, call: Callable[[Feature], Sequence[T]]) -> Sequence[T]:
        return self._safely(feature, partial(_listed, call, feature), ())

    @staticmethod
    def _safely(
        feature: Feature,
        call: Callable[[], T],
        otherwise: T,
        wanted: type[Exception] | tuple[()] = (),
    ) -> T:
        try:
            return call()
        except wanted:  # this error is an answer
            raise
        except Exception:
            log.exception("feature %s failed: a bug", feature.name)
            return otherwise


def _listed(call: Callable[[Feature], Sequence[T]], feature: Feature) -> Sequence[T]:
    """Call, and go through what comes here: it may be a generator, which fails only then."""
    return list(call(feature))
