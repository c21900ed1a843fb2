"""Tests of headend.app.crew_bans."""

from ipaddress import ip_address
from pathlib import Path

import pytest
from tests.harness import Live, live_server, run

from headend.access.grant import Grant
from headend.app.crew_bans import CrewBans
from headend.decisions import AccessRequest
from headend.directory.table import NameTable, TableDirectory
from headend.directory.values import Member
from headend.errors import Rejected

FAR = ip_address("203.0.113.7")
REQUEST = AccessRequest("publish", "live/a", FAR)


def join(live: Live, table: NameTable, name: str) -> None:
    directory = TableDirectory(table, Member(name, name))
    directory.watch(CrewBans(live.services, directory))


async def is_refused(live: Live, request: AccessRequest, holder: str | None = None) -> bool:
    """Say whether a bar keeps a publisher away."""
    bars, grant = live.services.bars, Grant(request.path, "publish", holder=holder)
    try:
        bars.enter(request, grant)
    except Rejected:
        return True
    bars.leave(grant)
    return False


def test_wrong_attempts_count_whichever_workers_they_come_to(tmp_path: Path) -> None:
    async def main() -> None:
        settings = ("auth.wrong_attempts=4", "auth.ban_s=300")
        async with (
            live_server(tmp_path / "0", *settings) as one,
            live_server(tmp_path / "1", *settings) as two,
        ):
            table = NameTable()
            join(one, table, "0")
            join(two, table, "1")
            guards = [one.services.gate.guard, two.services.gate.guard]
            for number in range(4):
                guards[number % 2].wrong(FAR, one.services.loop.time())
            for live in (one, two):
                with pytest.raises(Rejected, match="too many wrong keys"):
                    live.services.gate.check_ban(REQUEST)
            assert sum(guard.bans for guard in guards) == 1
            guards[0].right(FAR)  # with another key, once the ban is over
            assert [len(guard) for guard in guards] == [0, 0]

    run(main())


def test_encoder_that_is_barred_is_refused_by_all_workers_until_one_lifts_it(
    tmp_path: Path,
) -> None:
    async def main() -> None:
        async with live_server(tmp_path / "0") as one, live_server(tmp_path / "1") as two:
            table = NameTable()
            join(one, table, "0")
            join(two, table, "1")
            one.services.bars.enter(REQUEST, Grant("live/a", "publish"))
            one.services.bars.enter(REQUEST, Grant("live/a", "publish", holder="key:1"))
            one.services.bars.bar("live/a", 600)
            other = AccessRequest("publish", "live/b", FAR)
            for live in (one, two):
                assert await is_refused(live, REQUEST)
                assert await is_refused(live, other)
                assert await is_refused(live, other, "key:1")
                assert not await is_refused(live, other, "key:2")
            assert two.services.bars.lift("live/a")
            assert one.services.bars.left() == {}
            assert not await is_refused(one, REQUEST)

    run(main())
