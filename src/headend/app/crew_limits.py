"""Counts of viewers and streams that workers tell each other, for limits of the sum."""

from dataclasses import asdict
from typing import Any, Final

from headend.directory.port import Body, Directory
from headend.directory.values import Member
from headend.live.limits import Counts, StreamLimits
from headend.live.services import Services

KIND: Final = "counts"  # of a message


class CrewLimits:
    """Tells the other workers what this one counts, and takes what they tell.

    What came within the last second may be over a limit: nobody waits for others to watch.
    """

    def __init__(self, services: Services, directory: Directory) -> None:
        """Begin to tell.

        Args:
            services: What all connections share.
            directory: Passes messages on, and knows the other workers.
        """
        self._directory: Final = directory
        limiters = services.gate.limiters
        self._limits: Final = next(each for each in limiters if isinstance(each, StreamLimits))
        self._told = Counts()
        services.rates.observers.append(self.tell)

    def tell(self, now: float) -> None:
        """Tell how all stands, unless there is nothing and was nothing."""
        there = {each.boot for each in self._directory.members()}
        others = self._limits.others
        self._limits.others = {boot: each for boot, each in others.items() if boot in there}
        told, self._told = self._told, self._limits.counts()
        if self._told != Counts() or told != Counts():
            self._directory.tell(None, KIND, asdict(self._told))

    # ------------------------------------------------------------------ what the directory tells

    def owner_changed(self, path: str) -> None:
        """Do nothing: it is about streams."""

    def message(self, sender: Member, kind: str, body: Body) -> None:
        """Take what another worker counts."""
        if kind == KIND:
            values: Any = body
            self._limits.others[sender.boot] = Counts(**values)
