"""The names of a cluster as one member knows them: a copy of what Redis holds, kept by its news.

    names, all at once ─► replace ─┐
    news: C claimed, R released ───┴─► find: no round trip

Epochs grow, so what is old is told from what is new, in whatever order both come.
"""

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
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
        self._told: set[str] | None = None

    @contextmanager
    def reading(self) -> Iterator[set[str]]:
        """Collect the paths and boots that news tell of while Redis is read, one reader at a time.

        News may be heard before an older answer is: what it says of these is not the newest.
        """
        told = self._told = set[str]()
        try:
            yield told
        finally:
            self._told = None

    def tell(self, name: str) -> None:
        """Take note that news told of a path or of a boot."""
        if self._told is not None:
            self._told.add(name)

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
        self.tell(path)
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
        self.tell(path)
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

    def replace(
        self,
        names: Mapping[str, OwnedName],
        kept: Collection[str] = (),
        told: Collection[str] = (),
    ) -> Iterator[str]:
        """Take all names as they are now; name those that have another owner than before.

        Args:
            names: All names.
            kept: Names that are not forgotten, though Redis has them no more.
            told: Names that news told of while these were read.
        """
        keep, newer = set(kept), set(told)
        gone = self._names.keys() - names.keys() - keep - newer
        for path in gone:
            self.released(path, self._names[path].epoch)
            yield path
        for path, entry in names.items():
            if path in newer:
                continue
            known = self._names.get(path)
            if known is not None and known.epoch > entry.epoch and path not in keep:
                self.released(path, known.epoch)  # Redis has forgotten the newest
            if self.claimed(path, entry) and (known is None or known.boot != entry.boot):
                yield path
