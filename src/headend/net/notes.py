"""What each address makes the server write: so much one by one, and a count of the rest.

    session, fault ─┬─► within the address's budget: log, events, and so audit trail and history
                    └─► over it: counted; once a minute one `peer.noisy` tells of all

Without it one connection fills log and database with what it asks for in vain, or as whom: other
names, other values of Host and User-Agent, wrong keys. A refusal is worth little once there were
many, a session is worth its line for long; so each kind has a budget of its own.
"""

import logging
from asyncio import AbstractEventLoop
from collections.abc import Mapping
from dataclasses import dataclass
from time import time
from typing import Final, Literal

from headend.decisions import Address
from headend.events import Events, PeerNoisy
from headend.net.buckets import Buckets
from headend.net.groups import Group, group_of
from headend.net.peer import Peer
from headend.net.pseudonyms import Pseudonyms

log = logging.getLogger(__name__)

Kind = Literal["refusal", "shut out", "session"]

# How much of each kind an address may have written at once, and how much more a second.
BUDGETS: Final[Mapping[Kind, tuple[float, float]]] = {
    "refusal": (60, 0.2),  # and any other fault
    "shut out": (1, 1 / 60),  # of requests that are refused unheard, which come in floods
    "session": (2000, 5.0),  # publishes and plays: many people may have one address
}
# The same of all addresses together, for one person may have many; a server for thousands of
# viewers has sessions by the thousand at once.
OF_ALL: Final = (2000, 10.0)  # refusals and other faults
SESSIONS_OF_ALL: Final = (50_000, 500.0)
PERIOD_S: Final = 60.0  # between two summaries of an address
NOISY: Final = 100  # addresses with a summary of their own in a period; the others share one

_ALL: Final = "all"  # the group of everybody


@dataclass(slots=True)
class _LeftOut:
    """What was not written of an address.

    Attributes:
        address: As it is shown; None: several, a unix socket, or one that is not shown.
        since: When the first one was left out, monotonic seconds.
        refusals: How many refusals were not written.
        sessions: How many sessions were not written.
        last: What the last one was, as the log would have told it.
    """

    address: str | None
    since: float
    refusals: int = 0
    sessions: int = 0
    last: str = ""


class Notes:
    """What may be written of each address; `tick` about once a second, `close` once."""

    def __init__(self, events: Events, loop: AbstractEventLoop, pseudonyms: Pseudonyms) -> None:
        self._events: Final = events
        self._loop: Final = loop
        self._pseudonyms: Final = pseudonyms
        self._budgets: Final = {kind: Buckets() for kind in BUDGETS}
        self._total: Final = Buckets(1)
        self._all_sessions: Final = Buckets(1)
        self._left_out: dict[Group, _LeftOut] = {}

    def may_write(self, kind: Kind, address: Address | None, what: str) -> bool:
        """Say whether something is written that a peer did; if not, it is counted.

        Args:
            kind: Of its budget.
            address: Of the peer.
            what: What it did, as one line for people.
        """
        now, group = self._loop.time(), group_of(address)
        may = self._budgets[kind].take(group, now, *BUDGETS[kind])
        if may and kind == "session":
            may = self._all_sessions.take(_ALL, now, *SESSIONS_OF_ALL)
        elif may:
            may = self._total.take(_ALL, now, *OF_ALL)
        if not may:
            self._leave_out(kind, group, self._pseudonyms.show(address), what, now)
        return may

    def fault(
        self, peer: Peer, line: str, level: int = logging.WARNING, kind: Kind = "refusal"
    ) -> bool:
        """Log a refusal or another fault of a peer, or count it; say which by true or false."""
        may = self.may_write(kind, peer.address, line)
        if may:
            log.log(level, "%s", line)
        return may

    def tick(self, now: float) -> None:
        """Tell of what was left out a period ago or longer; `now` in monotonic seconds."""
        due = [group for group, each in self._left_out.items() if now - each.since >= PERIOD_S]
        for group in due:
            self._tell(self._left_out.pop(group), now)

    def close(self) -> None:
        """Tell of what was left out and not told yet."""
        left_out, self._left_out = self._left_out, {}
        for each in left_out.values():
            self._tell(each, self._loop.time())

    def _leave_out(
        self, kind: Kind, group: Group, address: str | None, what: str, now: float
    ) -> None:
        found = self._left_out.get(group)
        if found is None and len(self._left_out) >= NOISY:
            group, address = _ALL, None
            found = self._left_out.get(group)
        if found is None:
            found = self._left_out[group] = _LeftOut(address, now)
        if kind == "session":
            found.sessions += 1
        else:
            found.refusals += 1
        found.last = what

    def _tell(self, left_out: _LeftOut, now: float) -> None:
        event = PeerNoisy(
            time=time(),
            address=left_out.address,
            refusals=left_out.refusals,
            sessions=left_out.sessions,
            period_s=round(now - left_out.since, 1),
        )
        # The last one is for the log only: it may name others, whom nobody could erase there.
        log.warning("%s", f"{summary(event)}, the last: {left_out.last}")
        self._events.emit(event)


def summary(event: PeerNoisy) -> str:
    """Tell in one line of what was not written one by one."""
    counts = [
        f"{count} {what}"
        for count, what in ((event.refusals, "refusals and faults"), (event.sessions, "sessions"))
        if count
    ]
    who = event.address or "some addresses"
    return f"{who}: {' and '.join(counts)} more in {event.period_s:g} s, not told one by one"
