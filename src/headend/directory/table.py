"""A directory in memory: the table of names, and the members that share it.

The rules are those that the script of Redis follows too. A table has no clock and no network: it is
for the members of one process, such as servers in a test, and for a supervisor to hold.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from headend.directory.port import Body, DirectoryWatcher
from headend.directory.values import Claim, Member, NameWish, StreamOwner, may_take
from headend.errors import Refusal, Rejected


@dataclass(frozen=True, slots=True)
class TakenName:
    """A name that is taken."""

    member: Member
    wish: NameWish
    epoch: int


class NameTable:
    """Names, members and epochs."""

    def __init__(self) -> None:
        """Make it empty."""
        self._names: dict[str, TakenName] = {}
        self._epoch = 0
        self.members: dict[str, TableDirectory] = {}  # by boot

    def claim(self, member: Member, wish: NameWish) -> Claim:
        """Take a name for a member; see `Directory.claim`."""
        known = self._names.get(wish.path)
        is_elsewhere = known is not None and known.member != member
        if known is not None and is_elsewhere:
            wanted = known.wish
            if not may_take(wish, wanted.holder, wanted.order):
                raise taken(wish, known.member)
        self._epoch += 1
        self._names[wish.path] = TakenName(member, wish, self._epoch)
        self._tell(wish.path, member)
        return Claim(wish, self._epoch)

    def release(self, member: Member, claim: Claim) -> None:
        """Give a name back; a claim that is not the newest one changes nothing."""
        path = claim.wish.path
        known = self._names.get(path)
        if known is not None and known.member == member and known.epoch == claim.epoch:
            del self._names[path]
            self._tell(path, member)

    def leave(self, member: Member) -> None:
        """Forget a member that is gone, and all that it has."""
        self.members.pop(member.boot, None)
        for path in [path for path, each in self._names.items() if each.member == member]:
            del self._names[path]
            self._tell(path, member)

    def entry(self, path: str) -> TakenName | None:
        """Return who has a name."""
        return self._names.get(path)

    def entries(self) -> Iterable[tuple[str, TakenName]]:
        """Go through all names that are taken, and who has them."""
        return self._names.items()

    def _tell(self, path: str, cause: Member) -> None:
        for each in list(self.members.values()):
            if each.me != cause:
                each.changed(path)


class TableDirectory:
    """The directory of one member of a table."""

    is_away = False

    def __init__(self, table: NameTable, me: Member) -> None:
        """Join a table."""
        self._table = table
        self.me = me
        self._watchers: list[DirectoryWatcher] = []
        table.members[me.boot] = self

    def watch(self, watcher: DirectoryWatcher) -> None:
        """See `Directory`."""
        self._watchers.append(watcher)

    def keep(self, held: Callable[[], Sequence[Claim]]) -> None:
        """See `Directory`; a table is never away."""

    async def claim(self, wish: NameWish) -> Claim:
        """See `Directory`."""
        return self._table.claim(self.me, wish)

    def release(self, claim: Claim) -> None:
        """See `Directory`."""
        self._table.release(self.me, claim)

    def find(self, path: str) -> StreamOwner | None:
        """See `Directory`."""
        known = self._table.entry(path)
        if known is None or known.member == self.me:
            return None
        return StreamOwner(known.member, known.epoch)

    def members(self) -> Sequence[Member]:
        """See `Directory`."""
        return [each.me for each in self._table.members.values()]

    def tell(self, member: Member | None, kind: str, body: Body) -> None:
        """See `Directory`."""
        for each in list(self._table.members.values()):
            if each is not self and member in (None, each.me):
                each.heard(self.me, kind, body)

    def changed(self, path: str) -> None:
        """Tell the watchers of a change."""
        for watcher in self._watchers:
            watcher.owner_changed(path)

    def heard(self, sender: Member, kind: str, body: Body) -> None:
        """Tell the watchers of a message."""
        for watcher in self._watchers:
            watcher.message(sender, kind, body)


def taken(wish: NameWish, owner: Member) -> Rejected:
    """Return the refusal of a publisher whose name another member has."""
    return Rejected(
        Refusal.NAME_TAKEN,
        f"{wish.path} is already being published, at {owner.label}; stop the other encoder, or "
        "publish both with the same key to take over",
    )
