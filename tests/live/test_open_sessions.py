"""Tests of headend.live.open_sessions."""

from typing import Any, cast

from headend.live.open_sessions import OpenSessions
from headend.net.runtime import Counters


class FakeSession:
    def __init__(self, id: int) -> None:
        self.id = id


def test_sessions_are_listed_in_the_order_in_which_they_began() -> None:
    sessions = OpenSessions(Counters())
    made = [cast(Any, FakeSession(sessions.next_id())) for _ in range(5)]
    sessions.add(made[1])
    sessions.connections[made[2]] = None
    sessions.add(made[0])  # entered late
    sessions.connections[made[3]] = None
    sessions.add(made[4])
    assert sessions.all() == made
    assert set(sessions) == set(made)
    sessions.discard(made[1])
    sessions.discard(made[1])
    assert sessions.all() == [made[0], *made[2:]]
