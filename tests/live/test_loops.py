"""Tests of headend.live.loops."""

from pathlib import Path

import pytest
from tests.harness import live_server

from headend.errors import Rejected
from headend.live.loops import check_play, check_publish, route_of

OTHERS = tuple(f"{number:016x}" for number in range(8))


async def test_stream_that_has_been_here_or_came_too_far_is_refused(tmp_path: Path) -> None:
    async with live_server(tmp_path) as live:
        services = live.services
        check_publish(services, "live/a", OTHERS[:7])
        check_play(services, "live/a", OTHERS[:7])
        for hops in (OTHERS, (OTHERS[0], services.server_id)):
            with pytest.raises(Rejected, match="relay loop"):
                check_publish(services, "live/a", hops)
            with pytest.raises(Rejected, match="relay loop"):
                check_play(services, "live/a", hops)


async def test_stream_is_not_given_to_where_it_came_from(tmp_path: Path) -> None:
    async with live_server(tmp_path) as live:
        assert route_of(live.services, "live/a") == ()
        await live.publisher("a")
        publication = live.services.registry.publication("live/a")
        assert publication is not None
        publication.publisher.hops = OTHERS[:1]  # type: ignore[attr-defined]
        assert route_of(live.services, "live/a") == OTHERS[:1]
        check_play(live.services, "live/a", OTHERS[1:2])
        with pytest.raises(Rejected, match="from where it comes from"):
            check_play(live.services, "live/a", OTHERS[:1])
