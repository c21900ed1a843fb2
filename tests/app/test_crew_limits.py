"""Tests of headend.app.crew_limits."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from ipaddress import ip_address
from pathlib import Path

import pytest
from tests.harness import Live, live_server, run

from headend.access.grant import Grant
from headend.app.crew_limits import CrewLimits
from headend.decisions import AccessRequest, Action
from headend.directory.table import NameTable, TableDirectory
from headend.directory.values import Member
from headend.errors import Rejected
from headend.live.limits import StreamLimits

PATH = "live/a"


class Worker:
    """One of two servers whose limits count the sum."""

    def __init__(self, live: Live, table: NameTable, name: str) -> None:
        self.member = Member(name, name)
        directory = TableDirectory(table, self.member)
        self.crew = CrewLimits(live.services, directory)
        directory.watch(self.crew)
        limiters = live.services.gate.limiters
        self.limits = next(each for each in limiters if isinstance(each, StreamLimits))
        self._now = live.services.loop.time
        self._last = 0

    def enter(self, action: Action, path: str = PATH, most: int | None = None) -> Grant:
        """Count a publisher or a viewer from an address of its own, and tell the other worker."""
        self._last += 1
        address = ip_address(f"192.0.{self.member.boot}.{self._last}")
        grant = Grant(path, action, holder="key:1", max_viewers=most)
        self.limits.enter(AccessRequest(action, path, address), grant)
        self.crew.tell(self._now())
        return grant

    def leave(self, grant: Grant) -> None:
        self.limits.leave(grant)
        self.crew.tell(self._now())


@asynccontextmanager
async def two(path: Path, *settings: str) -> AsyncIterator[tuple[Worker, Worker, NameTable]]:
    async with (
        live_server(path / "1", *settings) as one,
        live_server(path / "2", *settings) as other,
    ):
        table = NameTable()
        yield Worker(one, table, "1"), Worker(other, table, "2"), table


@pytest.mark.parametrize(
    ("setting", "text"),
    [
        ("limits.viewers_per_stream=2", "this stream has reached its limit of viewers"),
        ("limits.viewers=2", "this server has reached its limit of viewers"),
    ],
)
def test_viewers_of_all_workers_are_counted(tmp_path: Path, setting: str, text: str) -> None:
    async def main() -> None:
        async with two(tmp_path, setting) as (one, other, _):
            first = one.enter("play")
            other.enter("play")
            for worker in (one, other):
                with pytest.raises(Rejected, match=text):
                    worker.enter("play")
            one.leave(first)
            other.enter("play")

    run(main())


def test_limit_of_a_publisher_holds_for_viewers_at_other_workers(tmp_path: Path) -> None:
    async def main() -> None:
        async with two(tmp_path) as (one, other, _):
            published = one.enter("publish", most=1)
            other.enter("play")
            for worker in (one, other):
                with pytest.raises(Rejected, match="this stream has reached its limit of viewers"):
                    worker.enter("play")
            one.leave(published)
            other.enter("play")

    run(main())


def test_key_publishes_no_more_streams_at_all_workers_than_at_one(tmp_path: Path) -> None:
    async def main() -> None:
        async with two(tmp_path, "limits.streams_per_key=2") as (one, other, _):
            one.enter("publish", "live/a")
            other.enter("publish", "live/b")
            other.enter("publish", "live/a")  # the same stream, which moves
            with pytest.raises(Rejected, match="this key publishes 2 streams"):
                other.enter("publish", "live/c")

    run(main())


def test_viewers_of_a_worker_that_is_gone_are_forgotten(tmp_path: Path) -> None:
    async def main() -> None:
        async with two(tmp_path, "limits.viewers=1") as (one, other, table):
            one.enter("play")
            table.leave(one.member)
            other.crew.tell(0)
            other.enter("play")

    run(main())
