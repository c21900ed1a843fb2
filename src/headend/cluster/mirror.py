"""The names of a cluster as one member knows them: a copy of what Redis holds, kept by its news.

    names, all at once ─► replace ─┐
    news: C claimed, R released ───┴─► find: no round trip

Epochs grow, so what is old is told from what is new, in whatever order both come.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import Final, NamedTuple

from headend.directory.values import Member


class OwnedName(NamedTuple):
    """Who has a name."""

    boot: str
    epoch: int
    order: tuple[int, int]
    holder: str

    @property
    def text(self) -> str:
        """As Redis has it."""
        return " ".join((self.boot, str(self.epoch), *map(str, self.order), self.holder or "-"))


def owned_name(text: str) -> OwnedName:
    """Read an entry of Redis.

    Raises:
        ValueError: It is none.
    """
    boot, epoch, rank, priority, holder = text.split(" ")
    return OwnedName(boot, int(epoch), (int(rank), int(priority)), holder.replace("-", ""))


class Mirror:
    """Names and members.

    Attributes:
        members: By boot; this one too.
        epoch: The highest that was seen.
    """

    def __init__(self) -> None:
        """Make it empty."""
        self.members: Final[dict[str, Member]] = {}
        self.epoch = 0
        self._names: dict[str, OwnedName] = {}
        self._owned: defaultdict[str, set[str]] = defaultdict(set)

    def __len__(self) -> int:
        return len(self._names)

    def find(self, path: str) -> OwnedName | None:
        """Return who has a name."""
        return self._names.get(path)

    def owned(self, boot: str) -> list[str]:
        """Return the names of a member."""
        return list(self._owned.get(boot, ()))

    def claimed(self, path: str, entry: OwnedName) -> bool:
        """Take note of a claim; false: a newer one is known."""
        known = self._names.get(path)
        self.epoch = max(self.epoch, entry.epoch)
        if known is not None and known.epoch >= entry.epoch:
            return False
        if known is not None:
            self._owned[known.boot].discard(path)
        self._names[path] = entry
        self._owned[entry.boot].add(path)
        return True

    def released(self, path: str, epoch: int) -> bool:
        """Take note that a claim is over; false: it was not the newest one."""
        known = self._names.get(path)
        if known is None or known.epoch > epoch:
            return False
        del self._names[path]
        self._owned[known.boot].discard(path)
        return True

    def gone(self, boot: str) -> list[str]:
        """Take note that a member is gone; return the names that it had."""
        self.members.pop(boot, None)
        paths = list(self._owned.pop(boot, ()))
        for path in paths:
            del self._names[path]
        return paths

    def replace(self, names: Mapping[str, OwnedName], kept: Iterable[str] = ()) -> Iterator[str]:
        """Take all names as they are now; name those that have another owner than before.

        Args:
            names: All names.
            kept: Names that are not forgotten, though Redis has them no more.
        """
        keep = set(kept)
        for path in [each for each in self._names if each not in names and each not in keep]:
            self.released(path, self._names[path].epoch)
            yield path
        for path, entry in names.items():
            known = self._names.get(path)
            if known is not None and known.epoch > entry.epoch and path not in keep:
                self.released(path, known.epoch)  # Redis has forgotten the newest
            if self.claimed(path, entry) and (known is None or known.boot != entry.boot):
                yield path
