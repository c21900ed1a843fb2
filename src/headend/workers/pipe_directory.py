"""The directory of a worker: what the supervisor says of the names that other workers have."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Final

from headend.directory.port import Body, DirectoryWatcher
from headend.directory.values import Claim, Member, NameWish, StreamOwner
from headend.errors import Refusal, Rejected
from headend.workers.pipe import Notice
from headend.workers.tether import Tether

ANSWER_S: Final = 5.0  # a supervisor that says nothing for so long is away
MOST_UNTOLD: Final = 100_000  # names to be released that the pipe had no room for


class PipeDirectory:
    """A `Directory` over the pipe to the supervisor.

    Attributes:
        me: This worker.
        is_away: The supervisor did not answer lately.
    """

    def __init__(self, me: Member, tether: Tether) -> None:
        """Prepare; knows nobody until the supervisor says who is there."""
        self.me: Final = me
        self.is_away = False
        self._tether: Final = tether
        self._watchers: Final[list[DirectoryWatcher]] = []
        self._members: dict[str, Member] = {me.boot: me}
        self._owners: dict[str, StreamOwner] = {}
        self._asked: Final[dict[int, asyncio.Future[Notice]]] = {}
        self._claims: Final[dict[str, Claim]] = {}
        self._untold: list[Notice] = []
        self._last = 0
        for kind in ("claimed", "refused"):
            tether.on(kind, self._answered)
        tether.on("owner", self._owner)
        tether.on("members", self._take_members)
        tether.on("all", self._all)
        tether.on("heard", self._heard)

    def watch(self, watcher: DirectoryWatcher) -> None:
        """See `Directory`."""
        self._watchers.append(watcher)

    def keep(self, held: Callable[[], Sequence[Claim]]) -> None:
        """See `Directory`; a supervisor that is gone takes its workers along."""

    async def claim(self, wish: NameWish) -> Claim:
        """See `Directory`."""
        self._last += 1
        number = self._last
        answer = self._asked[number] = asyncio.get_running_loop().create_future()
        try:
            if not self._tether.send({"kind": "claim", "id": number, "wish": asdict(wish)}):
                raise self._undecided(wish)
            async with asyncio.timeout(ANSWER_S):
                notice = await answer
        except TimeoutError:
            raise self._undecided(wish) from None
        finally:
            del self._asked[number]
        self.is_away = False
        if notice["kind"] == "refused":
            raise Rejected(Refusal.NAME_TAKEN, notice["text"])
        claim = self._claims[wish.path] = Claim(wish, notice["epoch"])
        self._owners.pop(wish.path, None)
        return claim

    def _undecided(self, wish: NameWish) -> Rejected:
        self.is_away = True
        text = f"nobody can say now whether {wish.path} is free: the supervisor does not answer"
        return Rejected(Refusal.UNDECIDED, text)

    def release(self, claim: Claim) -> None:
        """See `Directory`."""
        path = claim.wish.path
        if self._claims.get(path) == claim:
            del self._claims[path]
        self._release(path, claim.epoch)

    def _release(self, path: str, epoch: int) -> None:
        notice = {"kind": "release", "path": path, "epoch": epoch}
        if not self._tether.send(notice) and len(self._untold) < MOST_UNTOLD:
            self._untold.append(notice)

    def find(self, path: str) -> StreamOwner | None:
        """See `Directory`."""
        return self._owners.get(path)

    def members(self) -> Sequence[Member]:
        """See `Directory`."""
        return list(self._members.values())

    def tell(self, member: Member | None, kind: str, body: Body) -> None:
        """See `Directory`."""
        to = "" if member is None else member.boot
        self._tether.send({"kind": "tell", "to": to, "what": kind, "body": body})

    # ------------------------------------------------------------------ what the supervisor says

    def _answered(self, notice: Notice) -> None:
        answer = self._asked.get(notice["id"])
        if answer is not None and not answer.done():
            answer.set_result(notice)
        elif notice["kind"] == "claimed":  # nobody waits for it any more
            self._release(notice["path"], notice["epoch"])
        untold, self._untold = self._untold, []
        for each in untold:
            if not self._tether.send(each):
                self._untold.append(each)

    def _owner(self, notice: Notice) -> None:
        path, member = notice["path"], self._members.get(notice["boot"])
        self._put(path, None if member is None else StreamOwner(member, notice["epoch"]))

    def _put(self, path: str, owner: StreamOwner | None) -> None:
        if self._owners.get(path) == owner:
            return
        if owner is None:
            del self._owners[path]
        else:
            self._owners[path] = owner
            self._claims.pop(path, None)
        for watcher in self._watchers:
            watcher.owner_changed(path)

    def _take_members(self, notice: Notice) -> None:
        self._members = {each["boot"]: Member(**each) for each in notice["members"]}

    def _all(self, notice: Notice) -> None:
        """Take how all stands: what was said meanwhile may be lost."""
        self._take_members(notice)
        owners = notice["owners"]
        for path in [path for path in self._owners if path not in owners]:
            self._put(path, None)
        for path, (boot, epoch) in owners.items():
            if boot != self.me.boot and boot in self._members:
                self._put(path, StreamOwner(self._members[boot], epoch))

    def _heard(self, notice: Notice) -> None:
        sender = self._members.get(notice["boot"])
        if sender is not None:
            for watcher in self._watchers:
                watcher.message(sender, notice["what"], notice["body"])
