"""What workers say to each other, in the supervisor: the directory of names, and a switchboard.

    worker 1 ── claim ──► table of names ── claimed ──► worker 1
                                └────────── owner ────► all others
    worker 1 ── tell ─────────────────────────────────► worker 0, or all others

A worker that does not read loses what its pipe cannot hold. It is told how all stands as soon as it
reads again, so nothing is out of date for longer.
"""

import logging
import secrets
from collections import deque
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Final, Protocol

from headend.directory.port import Body
from headend.directory.table import NameTable, TableDirectory
from headend.directory.values import Claim, Member, NameWish
from headend.errors import Rejected
from headend.workers.pipe import Notice, Pipe

log = logging.getLogger(__name__)

BOOT_BYTES: Final = 8
MOST_EVENTS: Final = 10_000  # that wait for worker 0


class _Seat(TableDirectory):
    """The place of one worker in the table; what changes goes into its pipe."""

    def __init__(self, table: NameTable, me: Member, pipe: Pipe) -> None:
        super().__init__(table, me)
        self.pipe: Final = pipe
        self.is_behind = False  # something was lost: it must be told how all stands

    def changed(self, path: str) -> None:
        owner = self.find(path)
        boot, epoch = ("", 0) if owner is None else (owner.member.boot, owner.epoch)
        self._send({"kind": "owner", "path": path, "boot": boot, "epoch": epoch})

    def heard(self, sender: Member, kind: str, body: Body) -> None:
        # Messages may be lost: this does not leave the worker behind.
        self.pipe.send({"kind": "heard", "boot": sender.boot, "what": kind, "body": body})

    def members_changed(self, members: Mapping[str, object]) -> None:
        self._send({"kind": "members", "members": list(members.values())})

    def say(self, notice: Notice) -> None:
        """Answer the worker."""
        self._send(notice)

    def _send(self, notice: Notice) -> None:
        if self.is_behind:
            return  # it is told all of it later
        if not self.pipe.send(notice):
            self.is_behind = True
            log.warning("worker %d does not read: its pipe is full", self.me.worker)


class Sockets(Protocol):
    """Knows where workers reach each other."""

    def path(self, worker: int, name: str) -> Path:
        """Return the unix socket of a worker: rtmp or http."""


class TableSwitch:
    """The switchboard, over a table of names.

    Attributes:
        lost: Events for worker 0 that found no room, and are not told yet.
    """

    def __init__(self, ports: "Sockets", node: str) -> None:
        """Prepare.

        Args:
            ports: Has the sockets by which workers reach each other.
            node: Name of the machine, for people.
        """
        self._ports: Final = ports
        self._node: Final = node
        self._table: Final = NameTable()
        self._seats: Final[dict[int, _Seat]] = {}
        self._events: Final[deque[Notice]] = deque()  # that wait for worker 0
        self.lost = 0

    def invite(self, worker: int) -> Member:
        """Return what a worker that is about to start will be to the others."""
        return Member(
            self._node,
            secrets.token_hex(BOOT_BYTES),
            unix=str(self._ports.path(worker, "rtmp")),
            unix_http=str(self._ports.path(worker, "http")),
            worker=worker,
        )

    def began(self, member: Member, pipe: Pipe) -> None:
        """Take note of a worker that was started."""
        self._seats[member.worker] = seat = _Seat(self._table, member, pipe)
        self._tell_members()
        self._tell_all(seat)

    def gone(self, worker: int) -> None:
        """Take note of a worker that has ended: its names are free."""
        seat = self._seats.pop(worker, None)
        if seat is not None:
            self._table.leave(seat.me)
            self._tell_members()

    def tick(self, now: float) -> None:
        """Tell those that were behind and read again how all stands."""
        self._pass_events()
        for seat in self._seats.values():
            if seat.is_behind and not seat.pipe.has_backlog:
                seat.is_behind = False
                self._tell_all(seat)
                log.info("worker %d reads again", seat.me.worker)

    def take(self, worker: int, notice: Notice) -> None:
        """Take what a worker says."""
        seat = self._seats.get(worker)
        if seat is None:
            return
        match notice:
            case {"kind": "claim", "id": id, "wish": wish}:
                seat.say({"id": id, **self._claim(seat, _wish(wish))})
            case {"kind": "release", "path": path, "epoch": epoch}:
                self._table.release(seat.me, Claim(NameWish(path, ""), epoch))
            case {"kind": "event", "event": _}:
                self._pass_event(notice)
            case {"kind": "tell", "to": to, "what": what, "body": body}:
                for other in self._seats.values():
                    if other is not seat and to in ("", other.me.boot):
                        other.heard(seat.me, what, body)
            case _:
                log.error("worker %d said what nobody knows: a bug", worker)

    def _pass_event(self, notice: Notice) -> None:
        """Give an event to worker 0; while it is being started again, a little later."""
        first = self._seats.get(0)
        if first is not None and not self._events and first.pipe.send(notice):
            return
        self._events.append(notice)
        if len(self._events) > MOST_EVENTS:
            self._events.popleft()
            self.lost += 1

    def _pass_events(self) -> None:
        first = self._seats.get(0)
        while first is not None and self._events and first.pipe.send(self._events[0]):
            self._events.popleft()
        if self.lost and not self._events:
            log.error("%d events were lost: worker 0 took none", self.lost)
            self.lost = 0

    def _claim(self, seat: _Seat, wish: NameWish) -> Notice:
        try:
            claim = self._table.claim(seat.me, wish)
        except Rejected as rejected:
            return {"kind": "refused", "text": rejected.description}
        return {"kind": "claimed", "path": wish.path, "epoch": claim.epoch}

    def _tell_members(self) -> None:
        members = {seat.me.boot: asdict(seat.me) for seat in self._seats.values()}
        for seat in self._seats.values():
            seat.members_changed(members)

    def _tell_all(self, seat: _Seat) -> None:
        members = [asdict(other.me) for other in self._seats.values()]
        seat.say({"kind": "all", "members": members, "owners": self.owners()})

    def owners(self) -> dict[str, tuple[str, int]]:
        """Return who has which name: boot and epoch."""
        return {path: (each.member.boot, each.epoch) for path, each in self._table.entries()}


def _wish(document: Notice) -> NameWish:
    rank, priority = document["order"]
    return NameWish(document["path"], document["holder"], (rank, priority), document["takeover"])
