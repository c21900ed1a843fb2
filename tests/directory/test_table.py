"""Tests of headend.directory.table, and of the rules in headend.directory.values."""

import pytest

from headend.directory.port import Body
from headend.directory.table import NameTable, TableDirectory
from headend.directory.values import Member, NameWish, StreamOwner, Takeover, may_take
from headend.errors import Rejected

ONE, TWO = Member("one", "b1"), Member("two", "b2", worker=1)


class Ears:
    """Hears what a directory tells."""

    def __init__(self) -> None:
        self.heard: list[object] = []

    def owner_changed(self, path: str) -> None:
        self.heard.append(path)

    def message(self, sender: Member, kind: str, body: Body) -> None:
        self.heard.append((sender, kind, body))


def two() -> tuple[NameTable, TableDirectory, TableDirectory]:
    table = NameTable()
    return table, TableDirectory(table, ONE), TableDirectory(table, TWO)


async def test_name_is_found_by_others_until_it_is_released() -> None:
    _, one, other = two()
    claim = await one.claim(NameWish("live/a", "x"))
    assert other.find("live/a") == StreamOwner(ONE, claim.epoch)
    assert one.find("live/a") is None
    one.release(claim)
    assert other.find("live/a") is None


async def test_claim_that_was_taken_over_is_not_released() -> None:
    _, one, other = two()
    old = await one.claim(NameWish("live/a", "x"))
    new = await other.claim(NameWish("live/a", "x"))
    assert new.epoch > old.epoch
    one.release(old)
    assert one.find("live/a") == StreamOwner(TWO, new.epoch)


async def test_others_are_told_of_each_change_and_message() -> None:
    table, one, other = two()
    ears = Ears()
    other.watch(ears)
    claim = await one.claim(NameWish("live/a", "x"))
    one.release(claim)
    await other.claim(NameWish("live/b", "x"))
    one.tell(TWO, "hello", {})
    one.tell(None, "all", {})
    other.tell(TWO, "itself", {})
    await one.claim(NameWish("live/c", "x"))
    table.leave(ONE)
    assert ears.heard == [
        "live/a", "live/a", (ONE, "hello", {}), (ONE, "all", {}), "live/c", "live/c",
    ]  # fmt: skip
    assert other.members() == [TWO]


async def test_refusal_names_the_member_that_has_the_name() -> None:
    _, one, other = two()
    await other.claim(NameWish("live/a", "x"))
    with pytest.raises(Rejected, match="live/a is already being published, at two/1"):
        await one.claim(NameWish("live/a", "y"))


@pytest.mark.parametrize(
    ("takeover", "holder", "order", "may"),
    [
        ("same-key", "x", (0, 0), True),
        ("same-key", "y", (0, 0), False),
        ("same-key", "", (0, 0), False),
        ("always", "y", (0, 0), True),
        ("never", "x", (0, 0), False),
        ("never", "y", (0, -1), True),  # a higher priority
        ("always", "x", (1, 0), False),  # a backup
    ],
)
def test_name_goes_to_a_better_publisher_and_among_equals_as_settings_say(
    takeover: Takeover, holder: str, order: tuple[int, int], may: bool
) -> None:
    assert may_take(NameWish("live/a", holder, order, takeover), "x", (0, 0)) is may
    if not holder:
        assert not may_take(NameWish("live/a", "", order, takeover), "", (0, 0))
