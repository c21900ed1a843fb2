"""Tests of headend.live.bars."""

from ipaddress import ip_address

import pytest

from headend.access.grant import Grant
from headend.decisions import AccessRequest
from headend.errors import Rejected
from headend.live import bars as bars_module
from headend.live.bars import Bars

FAR = "203.0.113.7"


class Gate:
    """Asks bars as the gate does, at a time of its own."""

    def __init__(self) -> None:
        self.now = 0.0
        self.bars = Bars(lambda: self.now)

    def publish(self, path: str, holder: str | None = None, address: str = FAR) -> Grant:
        grant = Grant(path, "publish", holder=holder)
        self.bars.enter(AccessRequest("publish", path, ip_address(address)), grant)
        return grant

    def is_refused(self, path: str, holder: str | None = None, address: str = FAR) -> bool:
        try:
            self.bars.leave(self.publish(path, holder, address))
        except Rejected as rejected:
            return "an administrator has ended this; publish again in" in str(rejected)
        return False


def test_nobody_publishes_a_name_that_is_barred_until_its_time_is_over() -> None:
    gate = Gate()
    gate.bars.bar("live/a", 60)
    assert gate.bars.left() == {"live/a": 60}
    assert gate.is_refused("live/a")
    assert gate.is_refused("live/a", "key:1", "192.0.2.1")
    assert not gate.is_refused("live/b")
    gate.now = 60
    assert not gate.is_refused("live/a")
    assert gate.bars.left() == {}


def test_key_of_a_barred_encoder_publishes_no_other_name() -> None:
    gate = Gate()
    gate.publish("live/a", "key:1")
    gate.publish("live/b", "key:2")
    gate.bars.bar("live/a", 60)
    assert gate.is_refused("live/c", "key:1", "192.0.2.1")
    assert not gate.is_refused("live/c", "key:2")


def test_address_of_an_encoder_without_key_publishes_no_other_name() -> None:
    gate = Gate()
    gate.publish("live/a")
    gate.bars.bar("live/a", 60)
    assert gate.is_refused("live/c")
    assert not gate.is_refused("live/c", "key:2")
    assert not gate.is_refused("live/c", address="192.0.2.1")


def test_encoders_on_this_machine_are_known_by_the_name_alone() -> None:
    gate = Gate()
    gate.publish("live/a", address="127.0.0.1")
    gate.bars.bar("live/a", 60)
    assert gate.is_refused("live/a", address="127.0.0.1")
    assert not gate.is_refused("live/c", address="127.0.0.1")


def test_bar_is_lifted() -> None:
    gate = Gate()
    gate.bars.bar("live/a", 60)
    assert gate.bars.lift("live/a")
    assert not gate.bars.lift("live/a")
    assert not gate.is_refused("live/a")


def test_viewers_are_not_barred() -> None:
    gate = Gate()
    gate.bars.bar("live/a", 60)
    grant = Grant("live/a", "play")
    gate.bars.enter(AccessRequest("play", "live/a", ip_address(FAR)), grant)
    gate.bars.leave(grant)


def test_bars_that_end_soonest_give_way_to_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bars_module, "MOST", 2)
    gate = Gate()
    for path, seconds in (("live/a", 50), ("live/b", 20), ("live/c", 90)):
        gate.bars.bar(path, seconds)
    assert set(gate.bars.left()) == {"live/a", "live/c"}
