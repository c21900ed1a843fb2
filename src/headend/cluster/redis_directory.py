"""The directory of a cluster, in Redis.

    renew, every third of a lease ─► lease of this member, and of those that are over
    news ─► Mirror ─► find: from memory
    claim, release ─► scripts of Redis, each one step

When Redis is away, what runs goes on: the mirror says what was known last, and new names follow
`cluster.on_directory_error`. When it is back, every claim is made again, and one that another
member took meanwhile is lost. A Redis that comes back empty is filled again by its members; until a
lease has passed, names that were known before count as taken.
"""

import asyncio
import json
import logging
import time
from collections.abc import Callable, Coroutine, Mapping, Sequence, Set
from contextlib import suppress
from typing import Final, Literal, NamedTuple

from headend.cluster.mirror import Mirror, OwnedName, owned_name
from headend.cluster.records import read_record, write_record
from headend.cluster.redis_line import DirectoryAway, RedisLine
from headend.cluster.scripts import CLAIM, LEAVE, RELEASE, RENEW, prefix_of
from headend.directory.port import Body, DirectoryWatcher
from headend.directory.table import taken
from headend.directory.values import UNCONFIRMED, Claim, Member, NameWish, StreamOwner, may_take
from headend.errors import Refusal, Rejected
from headend.logs import shown

log = logging.getLogger(__name__)

RENEWALS: Final = 3.3  # in one lease
RETRY_S: Final = 0.5  # from one try to reach Redis to the next
AT_ONCE: Final = 500  # claims that are made again at once
MOST_MESSAGE: Final = 65_536  # characters of a message between members
MOST_WAITING: Final = 20_000  # releases and messages that Redis has not answered yet


class LeaseSettings(NamedTuple):
    """How a member keeps its names.

    Attributes:
        lease_s: Seconds after which a member that gives no sign is gone.
        on_error: Whether streams may begin while Redis does not answer.
    """

    lease_s: float = 10
    on_error: Literal["allow", "deny"] = "allow"


class RedisDirectory:
    """The directory of one member; see `Directory`.

    Attributes:
        me: This member.
        is_away: Redis does not answer.
        settings: How it keeps its names; may be changed.
        claims, refusals, failures: How many there were.
    """

    def __init__(self, line: RedisLine, me: Member, secret: bytes, settings: LeaseSettings) -> None:
        """Prepare; `start` follows.

        Args:
            line: Connections to Redis.
            me: This member.
            secret: What all members share.
            settings: How it keeps its names.
        """
        self.me: Final = me
        self.is_away = True
        self.settings = settings
        self._held: Callable[[], Sequence[Claim]] = list
        self.claims = self.refusals = self.failures = 0
        self._line: Final = line
        self._secret: Final = secret
        self._prefix: Final = prefix_of(secret)
        self._record: Final = write_record(me, secret)
        self._mirror: Final = Mirror()
        self._watchers: list[DirectoryWatcher] = []
        self._filling = ""  # of Redis; another one means that it was emptied
        self._stale: dict[str, OwnedName] = {}  # names of before it was emptied
        self._stale_until = 0.0
        self._learning: Final = asyncio.Lock()
        self._known_conflicts: set[str] = set()  # boots that are called as this member is
        self._retires = ""  # boot of this server's last start
        self._is_synced = asyncio.Event()
        self._is_closing = False
        self._tasks: list[asyncio.Task[None]] = []
        self._errands: set[asyncio.Task[None]] = set()

    # ------------------------------------------------------------------ life

    def start(self) -> None:
        """Take up the lease, and listen to the news."""
        loop = asyncio.get_running_loop()
        self._tasks = [
            loop.create_task(self._renew_always()),
            loop.create_task(self._hear_always()),
        ]

    async def close(self) -> None:
        """Give everything back, and leave."""
        self._is_closing = True
        running = set(self._tasks)
        while running:  # a library may take a cancellation for an answer that came too late
            for task in running:
                task.cancel()
            _, running = await asyncio.wait(running, timeout=0.2)
        if self._errands:
            await asyncio.wait(self._errands, timeout=1.0)
        with suppress(DirectoryAway):
            if not self.is_away:
                await self._line.run(LEAVE, self._prefix, self.me.boot)
        await self._line.close()

    def watch(self, watcher: DirectoryWatcher) -> None:
        """See `Directory`."""
        self._watchers.append(watcher)

    def keep(self, held: Callable[[], Sequence[Claim]]) -> None:
        """See `Directory`."""
        self._held = held

    # ------------------------------------------------------------------ names

    def find(self, path: str) -> StreamOwner | None:
        """See `Directory`."""
        entry = self._mirror.find(path)
        if entry is None or entry.boot == self.me.boot:
            return None
        member = self._mirror.members.get(entry.boot)
        return None if member is None else StreamOwner(member, entry.epoch)

    async def claim(self, wish: NameWish) -> Claim:
        """See `Directory`."""
        self.claims += 1
        try:
            return await self._claim(wish)
        except DirectoryAway as error:
            self.failures += 1
            self._lose(error)  # so that the claim is made again
            return self._claim_without(wish, error)

    async def _claim(self, wish: NameWish, again: Claim | None = None) -> Claim:
        """Claim a name.

        Args:
            wish: What a publisher wants.
            again: A claim from before Redis was away, which takes a name from nobody else.

        Raises:
            Rejected: Another member has the name.
            DirectoryAway: Redis does not answer.
        """
        if self.is_away:
            raise DirectoryAway("Redis does not answer")
        path = wish.path
        rank, priority = wish.order
        before = "" if again is not None else self._taken_before(path)
        again_of = "" if again is None else str(again.epoch)
        arguments = (
            path, self.me.boot, wish.holder or "-", rank, priority, wish.takeover,
            self._mirror.epoch, before, again_of,
        )  # fmt: skip
        status, *told = await self._line.run(CLAIM, self._prefix, *arguments)
        if status == -1:  # the lease ran out, and the renewal has not seen it yet
            await self._renew()
            status, *told = await self._line.run(CLAIM, self._prefix, *arguments)
        if status == 0:
            self.refusals += 1
            member = self._mirror.members.get(told[0]) or Member("another server", told[0])
            raise taken(wish, member)
        if status != 1:
            raise DirectoryAway("Redis does not keep the lease of this server")
        epoch = int(told[0])
        self._mirror.claimed(path, OwnedName(self.me.boot, epoch, wish.order, wish.holder))
        return Claim(wish, epoch)

    def _taken_before(self, path: str) -> str:
        """Return who had a name before Redis lost its data and may not have told it again yet."""
        entry = self._stale.get(path)
        is_over = entry is None or time.monotonic() > self._stale_until
        return "" if entry is None or is_over or entry.boot == self.me.boot else entry.text

    def _claim_without(self, wish: NameWish, error: DirectoryAway) -> Claim:
        """Claim a name while Redis is away, as far as that is known and allowed."""
        entry, owner = self._mirror.find(wish.path), self.find(wish.path)
        if owner is not None and entry is not None:
            if not may_take(wish, entry.holder, entry.order):
                raise taken(wish, owner.member)
        elif self.settings.on_error == "deny":
            text = "the directory of the cluster does not answer; try again in a moment"
            raise Rejected(Refusal.UNDECIDED, text, str(error))
        log.warning(
            "stream %s begins without the directory of the cluster: %s", shown(wish.path), error
        )
        return Claim(wish, UNCONFIRMED)

    def release(self, claim: Claim) -> None:
        """See `Directory`."""
        path = claim.wish.path
        entry = self._mirror.find(path)
        if entry is not None and entry.boot == self.me.boot:
            self._mirror.released(path, entry.epoch)
        self._run_errand(self._release(path, claim.epoch))

    async def _release(self, path: str, epoch: int) -> None:
        with suppress(DirectoryAway):  # then the name is freed by `_reclaim`
            await self._line.run(RELEASE, self._prefix, path, self.me.boot, epoch)

    # ------------------------------------------------------------------ members

    def members(self) -> Sequence[Member]:
        """See `Directory`."""
        others = [each for boot, each in self._mirror.members.items() if boot != self.me.boot]
        return [self.me, *others]

    def owned(self, member: Member) -> Sequence[str]:
        """Return the names that a member has."""
        return self._mirror.owned(member.boot)

    def tell(self, member: Member | None, kind: str, body: Body) -> None:
        """See `Directory`."""
        text = json.dumps([kind, self.me.boot, "" if member is None else member.boot, body])
        if len(text) <= MOST_MESSAGE:
            self._run_errand(self._send(f"B {text}"))

    async def _send(self, text: str) -> None:
        with suppress(DirectoryAway):
            await self._line.send(f"{self._prefix}:news", text)

    def _run_errand(self, errand: Coroutine[None, None, None]) -> None:
        if len(self._errands) >= MOST_WAITING:
            errand.close()
            return
        task = asyncio.get_running_loop().create_task(errand)
        self._errands.add(task)
        task.add_done_callback(self._errands.discard)

    # ------------------------------------------------------------------ the lease

    async def _renew_always(self) -> None:
        while not self._is_closing:
            try:
                await self._renew()
            except DirectoryAway as error:
                self._lose(error)
                await asyncio.sleep(RETRY_S)
            except Exception:
                log.exception("the lease of this server could not be renewed: a bug")
                await asyncio.sleep(RETRY_S)
            else:
                await asyncio.sleep(self.settings.lease_s / RENEWALS)

    def _lose(self, error: DirectoryAway) -> None:
        if not self.is_away:
            self.is_away = True
            log.error("cluster: %s; streams that run go on", error)

    async def _renew(self) -> None:
        lease = int(self.settings.lease_s * 1000)
        retires = self._retires
        is_good, filling = await self._line.run(
            RENEW, self._prefix, self.me.boot, lease, self._record, retires
        )
        self._retires = ""
        was_away, self.is_away = self.is_away, False
        if was_away or not is_good or filling != self._filling:
            await self._meet(filling)

    async def _meet(self, filling: str) -> None:
        """Learn what Redis holds, and make this member's claims again."""
        if self._filling and filling != self._filling:
            self._stale = {
                path: each for path in self._known() if (each := self._mirror.find(path))
            }
            self._stale_until = time.monotonic() + self.settings.lease_s
            log.warning("cluster: Redis has lost its data, and gets it again from the servers")
        self._filling = filling
        await self._learn()
        await self._reclaim()
        self._is_synced.set()
        log.info("cluster: %d servers, %d streams", len(self.members()), len(self._mirror))

    def _known(self) -> list[str]:
        return [path for boot in self._mirror.members for path in self._mirror.owned(boot)]

    async def _learn(self) -> None:
        """Read members and names."""
        async with self._learning:
            with self._mirror.reading() as told:
                records = await self._line.hash(f"{self._prefix}:members")
                names = await self._line.hash(f"{self._prefix}:names")
            self._take(records, names, told)

    def _take(self, records: Mapping[str, str], names: Mapping[str, str], told: Set[str]) -> None:
        """Take members and names as Redis had them, but for those that news told of meanwhile."""
        is_stale = time.monotonic() <= self._stale_until
        for boot in self._mirror.members.keys() - records.keys() - told:
            if not is_stale:
                self._gone(boot)
        for boot, record in records.items():
            if boot not in told:
                self._met(boot, record)
        read = {}
        for path, text in names.items():
            with suppress(ValueError):
                read[path] = owned_name(text)
        for path in list(self._mirror.replace(read, self._stale if is_stale else (), told)):
            self._changed(path)

    async def _reclaim(self) -> None:
        """Claim again what this member has, and give back what it has no more."""
        held = list(self._held())
        for start in range(0, len(held), AT_ONCE):
            await asyncio.gather(
                *(self._claim_again(each) for each in held[start : start + AT_ONCE])
            )
        mine = {claim.wish.path for claim in self._held()}
        for path in self._mirror.owned(self.me.boot):
            if path not in mine:
                self._mirror.released(path, self._mirror.epoch)
                await self._release(path, 0)

    async def _claim_again(self, claim: Claim) -> None:
        path = claim.wish.path
        try:
            await self._claim(claim.wish, again=claim)
        except Rejected as rejected:
            log.warning("cluster: %s", rejected.description)
            self._changed(path)

    # ------------------------------------------------------------------ news

    async def _hear_always(self) -> None:
        while not self._is_closing:
            try:
                async for text in self._line.listen(f"{self._prefix}:news"):
                    if text is None:  # what was said before is not known
                        if not self.is_away:
                            await self._learn()
                    else:
                        self._hear(text)
            except DirectoryAway as error:
                self._lose(error)
            except Exception:
                log.exception("news of the cluster could not be heard: a bug")
            await asyncio.sleep(RETRY_S)

    def _hear(self, text: str) -> None:
        kind, _, rest = text.partition(" ")
        if kind == "C":
            *fields, path = rest.split(" ", 5)
            with suppress(ValueError):
                entry, known = owned_name(" ".join(fields)), self._mirror.find(path)
                is_other = known is None or known.boot != entry.boot
                is_new = self._mirror.claimed(path, entry)
                if is_new and is_other and entry.boot != self.me.boot:
                    self._changed(path)
        elif kind == "R":
            epoch, _, path = rest.partition(" ")
            known = self._mirror.find(path)
            is_new = epoch.isdigit() and self._mirror.released(path, int(epoch))
            if is_new and known is not None and known.boot != self.me.boot:
                self._changed(path)
        elif kind == "M":
            boot, _, record = rest.partition(" ")
            self._mirror.tell(boot)
            self._met(boot, record)
        elif kind == "G":
            self._mirror.tell(rest)
            self._gone(rest)
        elif kind == "B" and len(rest) <= MOST_MESSAGE:
            self._take_message(rest)

    def _met(self, boot: str, record: str) -> None:
        member = read_record(record, boot, self._secret)
        if member is None:
            if boot not in self._known_conflicts:
                self._known_conflicts.add(boot)
                log.error("cluster: a record of a server is forged or damaged, and is ignored")
            return
        if boot == self.me.boot:
            return
        is_new = boot not in self._mirror.members
        self._mirror.members[boot] = member
        if is_new and (member.node, member.worker) == (self.me.node, self.me.worker):
            self._meet_namesake(member)
        if is_new:
            for path in self._mirror.owned(boot):
                self._changed(path)

    def _meet_namesake(self, member: Member) -> None:
        if member.rtmp == self.me.rtmp and not self._known_conflicts:
            # This server before it was started again: its names are free at once.
            self._retires = member.boot
            self._run_errand(self._retire())
        elif member.boot not in self._known_conflicts:
            log.error(
                "cluster: another server at %s is called %s too; give each a cluster.node of "
                "its own",
                member.rtmp,
                member.node,
            )
        self._known_conflicts.add(member.boot)

    async def _retire(self) -> None:
        with suppress(DirectoryAway):
            await self._renew()

    def _gone(self, boot: str) -> None:
        if boot == self.me.boot:
            return  # the next renewal finds out, and makes all claims again
        for path in self._mirror.gone(boot):
            self._changed(path)

    def _take_message(self, text: str) -> None:
        with suppress(ValueError, TypeError):
            kind, sender, to, body = json.loads(text)
            member = self._mirror.members.get(sender)
            if member is not None and to in ("", self.me.boot) and isinstance(body, dict):
                for watcher in self._watchers:
                    watcher.message(member, str(kind), body)

    def _changed(self, path: str) -> None:
        for watcher in self._watchers:
            watcher.owner_changed(path)
