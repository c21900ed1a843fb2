"""All relays of a server: those of its settings, and those that the API adds.

settings, API ─► rules ─┬─► streams that come and go ─► Push, one per stream and destination
                        └─► names that are wanted ────► Pull, one per name
"""

import asyncio
import logging
import secrets
from asyncio import TimerHandle
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from time import time
from typing import TYPE_CHECKING, Final, Literal

from headend.decisions import Address
from headend.errors import DatabaseError, HeadendError, Refusal, Rejected, SettingsError
from headend.features.feature import Label, Values
from headend.hub.shares import gives_way
from headend.hub.stream import Stream
from headend.live.relay_port import Fetching
from headend.live.services import Services
from headend.live.waiting import give_up
from headend.logs import Repeats, shown
from headend.net.buckets import Buckets
from headend.net.groups import Group, group_of
from headend.net.places import Rules
from headend.relay.dialling import Reach
from headend.relay.entries import Entry, identified, parse_spec
from headend.relay.link import Links
from headend.relay.pull import Pull
from headend.relay.push import Push
from headend.relay.status import Direction, RelayStatus
from headend.relay.target import Target
from headend.settings import Settings, StreamRules
from headend.settings.relay import MOST_RELAYS, RelayIn, RelayOut, check_stream

if TYPE_CHECKING:
    from prometheus_client.metrics_core import Metric

    from headend.features.routes import Route
    from headend.store.relay_store import RelayStore

log = logging.getLogger(__name__)

SAMPLE_S: Final = 1.0
DATABASE_S: Final = 3.0  # a person who adds a relay waits no longer
ID_PREFIX: Final = "rl_"
MOST_ASKED: Final = 100  # names at once that sources were asked for and have not sent yet
ASKS_PER_S: Final = 10.0  # of one address, and MOST_ASKED at once: each is a connection to a source
MOST_UNKNOWN: Final = 10_000  # names that are remembered because no source knows them

Kind = Literal["sent", "always fetched", "fetched on demand"]


class Relays(Fetching):
    """The feature: streams that are sent to other servers, and fetched from them."""

    name = "relays"

    def __init__(self, services: Services, node: str, *, fetches_always: bool = True) -> None:
        """Prepare.

        Args:
            services: What all connections share.
            node: Name of this server among those that share its database.
            fetches_always: Fetch streams that nobody watches, where a relay wants that; false:
                another worker does.
        """
        self._services = services
        self._node = node
        self._fetches_always = fetches_always
        self._restoring: asyncio.Task[None] | None = None
        self._is_asking = False  # the database, what relays there were
        self._entries: dict[str, Entry] = {}
        self._targets: dict[tuple[str, str], Target] = {}
        self._links = Links(services)
        self._asks: Final = Buckets()
        self._unknown: dict[str, float] = {}  # names no source knows, until when
        self._refusals = Repeats(log, "relays not begun")
        self._ending: set[asyncio.Task[None]] = set()
        self._timer: TimerHandle | None = None

    def start(self) -> None:
        """Begin with the relays of the settings."""
        self.configure(self._services.settings)
        self._sample()
        self._restoring = self._services.loop.create_task(self._restore())

    async def stop(self) -> None:
        """Tell the other servers that the streams end, and end all relays."""
        if self._timer is not None:
            self._timer.cancel()
        if self._restoring is not None:
            # A question that is cancelled leaves a thread of SQLite behind that still answers.
            await asyncio.wait([self._restoring], timeout=DATABASE_S if self._is_asking else 0)
            self._restoring.cancel()
        targets, self._targets = list(self._targets.values()), {}
        await asyncio.gather(*(target.stop() for target in targets), *self._ending)
        await self._links.close()

    # ------------------------------------------------------------------ relays come and go

    def configure(self, settings: Settings) -> None:
        """Take other settings: relays that stay the same are not disturbed."""
        wanted = identified(settings)
        for id, entry in list(self._entries.items()):
            if entry.source == "settings" and wanted.get(id) != entry:
                self._drop(id)
        for id, entry in wanted.items():
            if id not in self._entries:
                self._take(id, entry)

    def hide(self, texts: Iterable[str]) -> None:
        """Have the log hide the secrets of a relay."""
        self._services.runtime.secrets.protect(texts)

    async def add(self, direction: Direction, spec: dict[str, object]) -> str:
        """Add a relay, and keep it over a restart; return its id.

        Args:
            direction: out or in.
            spec: As in the settings.

        Raises:
            SettingsError: The relay makes no sense; the text says why.
            DatabaseError: The relay cannot be stored now.
        """
        rule = parse_spec(direction, spec)
        if isinstance(rule, RelayOut):
            check_stream(rule)
        if len(self._entries) >= MOST_RELAYS:
            raise SettingsError(f"there are {MOST_RELAYS} relays, the most there may be")
        id = ID_PREFIX + secrets.token_hex(6)
        store = await self._store()
        from headend.store.relay_store import StoredRelay

        await store.keep(StoredRelay(id, direction, spec), time())
        self.hide(rule.secrets)
        self._take(id, Entry(rule, "api"))
        return id

    async def remove(self, id: str) -> bool:
        """End and delete a relay that the API added; false: there is none.

        Raises:
            DatabaseError: The relay cannot be deleted now.
        """
        entry = self._entries.get(id)
        if entry is None or entry.source != "api":
            return False
        await (await self._store()).forget(id)
        if id in self._entries:  # nobody else was faster
            self._drop(id)
        return True

    async def _store(self) -> "RelayStore":
        """Return where relays are kept, once the database is open."""
        # Not loaded by a server to which the API adds none.
        from headend.store.relay_store import RelayStore

        access = self._services.access
        try:
            async with asyncio.timeout(DATABASE_S):
                database = await access.database()
        except TimeoutError:
            raise DatabaseError(f"database: no answer within {DATABASE_S:g} s") from None
        return RelayStore(database, access.secret, self._node)

    def read_again(self) -> None:
        """Read again which relays the API has added: at another worker some came or went."""
        if self._restoring is not None and self._restoring.done():
            self._restoring = self._services.loop.create_task(self._restore())

    async def _restore(self) -> None:
        """Go on with the relays that the API added before this start, or at another worker."""
        await self._services.access.database()
        self._is_asking = True
        known = [id for id, entry in self._entries.items() if entry.source == "api"]
        try:
            stored = await (await self._store()).relays()
            ids = {each.id for each in stored}
            for id in known:
                if id not in ids:
                    self._drop(id)
            for each in stored:
                if each.id in self._entries:  # added meanwhile
                    continue
                rule = parse_spec("out" if each.direction == "out" else "in", each.spec)
                self.hide(rule.secrets)
                self._take(each.id, Entry(rule, "api"))
        except HeadendError as error:
            log.error("relays that the API added are not taken up again: %s", error)
        finally:
            self._is_asking = False

    def _take(self, id: str, entry: Entry) -> None:
        self._entries[id] = entry
        if isinstance(entry.rule, RelayIn):
            if not entry.rule.on_demand and self._fetches_always:
                for path in entry.rule.match:
                    if self._has_room("always fetched", path):
                        self._fetch(id, entry.rule, path)
            return
        for stream in list(self._services.registry.streams()):
            if stream.has_begun and not stream.is_copy:
                self._send(id, entry, stream.path)

    def _drop(self, id: str) -> None:
        del self._entries[id]
        for key in [key for key in self._targets if key[0] == id]:
            self._end(self._targets.pop(key))

    def _end(self, target: Target) -> None:
        task = self._services.loop.create_task(target.stop())
        self._ending.add(task)
        task.add_done_callback(self._ending.discard)

    # ------------------------------------------------------------------ streams come and go

    def stream_began(self, stream: Stream, rules: StreamRules) -> None:
        """Begin to send a stream to the destinations that relays name for it."""
        for id, entry in self._entries.items():
            self._send(id, entry, stream.path)

    def stream_left(self, stream: Stream) -> None:
        """End what another server sends from now on."""
        for key, target in list(self._targets.items()):
            if target.path == stream.path and isinstance(target, Push):
                self._end(self._targets.pop(key))

    def _send(self, id: str, entry: Entry, path: str) -> None:
        """Send a stream, if the relay does and has not begun."""
        if not isinstance(entry.rule, RelayOut) or not entry.rule.matches(path):
            return
        known = self._targets.get((id, path))
        if (known is not None and not known.is_over) or not self._has_room("sent", path):
            return
        push = Push(self._services, id, path, entry.rule, self._links, self._reach(entry))
        self._targets[id, path] = push
        push.start()

    def _has_room(self, kind: Kind, path: str) -> bool:
        """Say whether one more may begin; each kind has its own room, not to take the others'."""
        self._forget()
        most = self._services.settings.limits.relays
        if sum(kind_of(each) == kind for each in self._targets.values()) < most:
            return True
        self._refusals.add(
            f"relay of {path} not begun: {most} streams are {kind} (limits.relays)",
            self._services.loop.time(),
        )
        return False

    def _forget(self) -> None:
        """Forget what is over."""
        for key in [key for key, target in self._targets.items() if target.is_over]:
            del self._targets[key]

    def _reach(self, entry: Entry) -> Reach:
        """Say where a relay may go: a setting's own place is allowed, the API's may not be."""
        rules = Rules.of(self._services.settings.auth.outgoing)
        return Reach(None if entry.source == "settings" else rules, rules)

    # ------------------------------------------------------------------ names that are wanted

    def want(self, path: str, address: Address | None) -> bool:
        """See `relay_port.Fetching`."""
        stream = self._services.registry.stream(path)
        if stream is not None and stream.has_begun:
            return False
        for id, entry in self._entries.items():
            if isinstance(entry.rule, RelayIn) and entry.rule.matches(path):
                if entry.rule.on_demand:
                    self._fetch_wanted(id, entry.rule, path, address)
                return True
        return False

    def fetched_from(self, path: str) -> Collection[str]:
        """See `relay_port.Fetching`."""
        pulls = (each for each in self._targets.values() if isinstance(each, Pull))
        return [hop for pull in pulls if pull.path == path for hop in pull.hops]

    def _fetch_wanted(self, id: str, rule: RelayIn, path: str, address: Address | None) -> None:
        known = self._targets.get((id, path))
        if known is not None and not known.is_over:
            return
        now, group = self._services.loop.time(), group_of(address)
        if self._unknown.get(path, 0.0) > now:
            raise Rejected(Refusal.NOT_FOUND, f"nobody publishes {path}")
        if not self._asks.take(group, now, MOST_ASKED, ASKS_PER_S):
            text = "too many streams are asked for from your address; try again in a moment"
            raise Rejected(Refusal.BUSY, text)
        self._make_room(path, group)
        what = f"fetch of {shown(path)}"
        is_told = self._services.notes.may_write("session", address, what)
        self._fetch(id, rule, path, group, is_told=is_told)

    def _make_room(self, path: str, group: Group) -> None:
        """Have a name that was asked for in vain so far, or is not watched, give way to another.

        Raises:
            Rejected: So many are fetched on demand as `limits.relays` allows, all are watched.
        """
        self._forget()
        pulls = self._on_demand()
        asked = [(pull, pull.asker) for pull in pulls if pull.is_asking]
        if len(asked) >= MOST_ASKED:
            self._give_way(gives_way(asked, group))
        elif len(pulls) >= self._services.settings.limits.relays:
            if idle := self.idle_fetches():
                self._give_way(min(idle, key=lambda pull: pull.idle_since or 0.0))
            elif asked:
                self._give_way(gives_way(asked, group))
            elif not self._has_room("fetched on demand", path):
                raise Rejected(
                    Refusal.BUSY, "the server fetches as many streams as it may (limits.relays)"
                )

    def _on_demand(self) -> list[Pull]:
        targets = self._targets.values()
        return [each for each in targets if isinstance(each, Pull) and each.is_on_demand]

    def idle_fetches(self) -> list[Pull]:
        """Return the fetches whose streams nobody watches any more."""
        return [pull for pull in self._on_demand() if pull.idle_since is not None]

    def _give_way(self, pull: Pull) -> None:
        """End a fetch, and tell the viewers that wait for its stream."""
        del self._targets[pull.relay, pull.path]
        self._end(pull)
        self._give_up(pull.path)

    def _give_up(self, path: str) -> None:
        stream = self._services.registry.stream(path)
        if stream is not None:
            give_up(stream)

    def _fetch(
        self, id: str, rule: RelayIn, path: str, asker: Group = None, *, is_told: bool = True
    ) -> None:
        services, reach = self._services, self._reach(self._entries[id])
        pull = Pull(services, id, path, rule, self._links, reach, asker, is_told=is_told)
        self._targets.pop((id, path), None)  # the newest comes last
        self._targets[id, path] = pull
        pull.start(lambda: self._fetched(pull))

    def _fetched(self, pull: Pull) -> None:
        """Take note that a fetch is over; if no source knows the name, tell those that wait."""
        if pull.is_unknown:
            self._remember_unknown(pull.path, self._services.loop.time())
            self._give_up(pull.path)

    def _end_idle(self, pull: Pull, now: float) -> None:
        """End a fetch that nobody watches."""
        if not pull.is_over and pull.is_idle(now):
            del self._targets[pull.relay, pull.path]
            self._end(pull)

    def _remember_unknown(self, path: str, now: float) -> None:
        if len(self._unknown) >= MOST_UNKNOWN:
            self._unknown = {name: end for name, end in self._unknown.items() if end > now}
        if len(self._unknown) < MOST_UNKNOWN:
            self._unknown[path] = now + self._services.settings.relay.unknown_s

    # ------------------------------------------------------------------ what goes on

    def _sample(self) -> None:
        self._timer = self._services.loop.call_later(SAMPLE_S, self._sample)
        now = self._services.loop.time()
        for target in list(self._targets.values()):
            target.sample()
            if isinstance(target, Pull):
                self._end_idle(target, now)
        self._forget()

    def api_routes(self) -> "Sequence[Route]":
        """Return the operations that list, add and remove relays."""
        from headend.relay.api import routes

        return routes(self)

    def metrics(self, label: Label) -> "Sequence[Metric]":
        """Return the metrics of all streams of all relays."""
        from headend.relay.metrics import collect

        return collect(self.described(), label)

    def status(self) -> Values:
        """Count the relays, and their streams by state."""
        told: dict[str, int] = Counter(each.state for each in self._targets.values())
        return {"relays": len(self._entries), **told}

    def described(self) -> Sequence[RelayStatus]:
        """Describe all relays."""
        return [self._describe(id, entry) for id, entry in self._entries.items()]

    def _describe(self, id: str, entry: Entry) -> RelayStatus:
        rule = entry.rule
        targets = [t for (relay, _), t in self._targets.items() if relay == id and not t.is_over]
        is_out = isinstance(rule, RelayOut)
        return RelayStatus(
            id=id,
            direction="out" if is_out else "in",
            match=list(rule.match),
            url=[rule.shown_url] if isinstance(rule, RelayOut) else list(rule.shown_urls),
            preset=rule.preset if isinstance(rule, RelayOut) else "",
            on_demand=isinstance(rule, RelayIn) and rule.on_demand,
            has_key=isinstance(rule, RelayOut) and rule.key is not None,
            source=entry.source,
            targets=[target.status() for target in targets],
        )


def kind_of(target: Target) -> Kind:
    """Return the kind of a relay's stream, for `limits.relays`, which bounds each kind."""
    if not isinstance(target, Pull):
        return "sent"
    return "fetched on demand" if target.is_on_demand else "always fetched"
