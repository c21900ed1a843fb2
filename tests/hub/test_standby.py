"""Tests of headend.hub.standby, and how the registry switches sources by it."""

import pytest
from tests.defaults import names, stream_settings
from tests.hub.fakes import AVC, FakePublisher, FakeSink, inter, key

from headend.errors import Rejected
from headend.hub.publication import PRIMARY, Place, Publication
from headend.hub.registry import Registry
from headend.hub.standby import FallbackSettings, Standbys
from headend.hub.stream import StreamState

PATH = "live/cam1"
BACKUP = Place(1)
FALLBACK = FallbackSettings(after_s=1.5, steady_s=3, hold_s=60)


class OnDemand(FakePublisher):
    """A source that brings media only on air."""

    def __init__(self, rank: int = 5) -> None:
        super().__init__("slate")
        self.place = Place(rank, self._set)

    def _set(self, is_on_air: bool) -> None:
        self.calls.append("on air" if is_on_air else "off air")


def registry() -> Registry:
    settings = names(stream=stream_settings(reconnect_window_s=60), fallback=FALLBACK)
    return Registry(settings, lambda _path, _error: None)


class Scene:
    """A stream with a viewer, whose primary publisher is there since 0 s."""

    def __init__(self) -> None:
        self.hub = registry()
        self.primary = self.publish()
        self.sink = FakeSink()
        self.primary.stream.attach("a", self.sink)
        self.primary.push([AVC, key(0)], 0)

    def publish(self, place: Place = PRIMARY, publisher: FakePublisher | None = None,
                now: float = 0, key_shown: str | None = None) -> Publication:  # fmt: skip
        return self.hub.publish(PATH, publisher or FakePublisher(), key_shown, now, place)

    def on_demand(self, now: float = 0) -> tuple[OnDemand, Publication]:
        source = OnDemand()
        return source, self.publish(source.place, source, now)

    def heard(self) -> list[str]:
        """What the viewer got since the last time."""
        calls, self.sink.calls = self.sink.calls, []
        return calls


def test_backup_stands_by_and_is_not_watched() -> None:
    scene = Scene()
    publisher = FakePublisher("backup")
    backup = scene.publish(BACKUP, publisher)
    scene.heard()
    backup.push([AVC, key(0)], 0.1)
    assert scene.heard() == []
    assert not backup.is_current
    assert not backup.is_over
    assert publisher.calls == ["unwatched"]
    assert scene.hub.standbys(PATH) == [backup]


def test_first_publisher_is_on_air_whatever_its_rank() -> None:
    hub = registry()
    assert hub.publish(PATH, FakePublisher(), None, 0, BACKUP).is_current
    assert hub.standbys(PATH) == []


def test_backup_goes_on_air_at_a_keyframe_when_the_primary_is_silent() -> None:
    scene = Scene()
    backup = scene.publish(BACKUP)
    scene.heard()
    backup.push([AVC, key(5000), inter(5033)], 1.0)
    scene.hub.sweep(1.4)
    assert scene.heard() == []
    scene.hub.sweep(1.6)
    assert scene.heard() == ["interrupt", "start", "resume", "h1", "K20", "v53"]
    assert backup.is_current
    backup.push([inter(5066)], 1.7)
    assert scene.heard() == ["v86"]


def test_silence_leaves_a_stream_alone_while_nobody_else_has_media() -> None:
    scene = Scene()
    scene.publish(BACKUP)
    scene.heard()
    scene.hub.sweep(1.6)
    assert scene.heard() == []
    assert scene.primary.is_current


def test_lost_primary_is_replaced_at_once() -> None:
    scene = Scene()
    backup = scene.publish(BACKUP)
    backup.push([AVC, key(0)], 0.9)
    scene.primary.lose(1)
    assert backup.is_current
    assert scene.hub.standbys(PATH) == []


def test_primary_that_ends_leaves_the_stream_to_a_backup_that_has_no_media_yet() -> None:
    scene = Scene()
    backup = scene.publish(BACKUP)
    scene.primary.end(1)
    assert backup.is_current
    backup.end(2)
    assert backup.stream.state is StreamState.ENDED


def test_primary_that_is_back_goes_on_air_once_it_is_steady_at_a_keyframe() -> None:
    scene = Scene()
    backup = scene.publish(BACKUP)
    backup.push([AVC, key(0)], 1)
    scene.primary.lose(1)
    primary = scene.publish(now=2)
    assert not primary.is_current
    for tenths in range(20, 50):
        backup.push([inter(100 * tenths)], tenths / 10)
        primary.push([AVC, key(100 * tenths)], tenths / 10)
    assert backup.is_current
    scene.heard()
    primary.push([inter(5050)], 5)
    assert backup.is_current  # steady, and no keyframe yet
    primary.push([key(5100), inter(5133)], 5.1)
    assert primary.is_current
    (first, *others) = scene.heard()[-3:]
    assert first == "h1"
    assert [call[0] for call in others] == ["K", "v"]
    assert scene.hub.standbys(PATH) == [backup]


def test_silent_primary_goes_back_on_air_without_a_new_connection() -> None:
    scene = Scene()
    backup = scene.publish(BACKUP)
    backup.push([AVC, key(0)], 1.4)
    scene.hub.sweep(1.6)
    assert backup.is_current
    for tenths in range(20, 60):
        backup.push([inter(100 * tenths)], tenths / 10)
        scene.heard()
        scene.primary.push([key(100 * tenths)], tenths / 10)
        if scene.primary.is_current:
            break
    assert scene.heard()[-2:][0] == "h1"  # sent once, before it fell silent


def test_worse_source_with_a_keyframe_changes_nothing() -> None:
    scene = Scene()
    backup = scene.publish(BACKUP)
    for tenths in range(60):
        scene.primary.push([key(100 * tenths)], tenths / 10)
        backup.push([key(100 * tenths)], tenths / 10)
    assert scene.primary.is_current


def test_publisher_that_goes_on_air_without_a_keyframe_begins_with_its_next_one() -> None:
    scene = Scene()
    backup = scene.publish(BACKUP)
    backup.push([AVC, inter(60_000)], 0.9)
    scene.heard()
    scene.primary.lose(1)
    assert backup.is_current
    assert scene.heard() == ["interrupt", "start", "resume"]
    backup.push([inter(60_033)], 1.1)
    assert scene.heard() == []
    backup.push([key(68_000), inter(68_033)], 9)
    assert scene.heard() == ["h1", "K20", "v53"]
    backup.push([inter(68_066)], 9.1)
    assert scene.heard() == ["v86"]


def test_publisher_that_hands_back_without_having_had_a_keyframe_keeps_its_headers() -> None:
    scene = Scene()
    backup = scene.publish(BACKUP)
    backup.push([AVC, inter(0)], 0.9)
    scene.primary.push([inter(33)], 0.1)
    _, slate = scene.on_demand()
    scene.primary.end(1)
    assert backup.is_current
    scene.hub.sweep(2.6)
    assert slate.is_current
    slate.push([key(0)], 2.7)
    scene.heard()
    for tenths in range(27, 60):
        backup.push([inter(100 * tenths)], tenths / 10)
    backup.push([key(9000)], 6)
    assert backup.is_current
    assert scene.heard()[-2:-1] == ["h1"]


def test_publisher_that_is_lost_before_its_keyframe_is_over() -> None:
    scene = Scene()
    backup = scene.publish(BACKUP)
    scene.primary.lose(1)
    backup.lose(2)
    assert backup.is_over
    backup.push([AVC, key(0)], 2)
    assert backup.stream.state is StreamState.INTERRUPTED


def test_source_with_a_keyframe_takes_over_from_nobody_at_once() -> None:
    scene = Scene()
    source, slate = scene.on_demand()
    source.calls.clear()
    scene.primary.lose(1)
    assert slate.is_current
    backup = scene.publish(BACKUP, now=1)
    slate.lose(1.1)
    assert backup.is_current
    source, slate = scene.on_demand(1.2)
    backup.lose(2)
    assert slate.is_current


def test_second_backup_is_refused_unless_it_shows_the_same_key() -> None:
    scene = Scene()
    first = FakePublisher("first")
    backup = scene.publish(BACKUP, first, key_shown="hk_1")
    with pytest.raises(Rejected, match="already being published"):
        scene.publish(BACKUP, key_shown="hk_2")
    second = scene.publish(BACKUP, key_shown="hk_1")
    assert first.calls == ["unwatched", "replaced"]
    assert scene.hub.standbys(PATH) == [second]
    assert backup.is_over
    backup.push([key(0)], 1)  # goes nowhere
    backup.lose(1)
    assert scene.hub.standbys(PATH) == [second]
    second.lose(2)
    assert scene.hub.standbys(PATH) == []
    assert scene.primary.is_current


# ---------------------------------------------------------------------- priorities


def test_publisher_of_lower_priority_goes_on_at_its_keyframe_when_the_better_one_is_lost() -> None:
    scene = Scene()
    low, lowest = scene.publish(Place(priority=-1)), scene.publish(Place(priority=-2))
    low.push([AVC, key(9000), inter(9033)], 0.9)
    lowest.push([AVC, key(5000)], 0.9)
    scene.heard()
    scene.primary.lose(1)
    assert low.is_current
    assert scene.heard() == ["interrupt", "start", "resume", "h1", "K20", "v53"]
    low.lose(1.5)
    assert lowest.is_current
    assert scene.hub.standbys(PATH) == []


def test_publisher_of_lower_priority_goes_on_when_the_better_one_says_that_it_ends() -> None:
    scene = Scene()
    low = scene.publish(Place(priority=-1))
    scene.primary.end(1)
    assert low.is_current
    assert low.stream.is_live


def test_publisher_of_higher_priority_goes_on_air_at_a_keyframe_once_it_is_steady() -> None:
    scene = Scene()
    high = scene.publish(Place(priority=5))
    for tenths in range(30):
        scene.primary.push([inter(100 * tenths)], tenths / 10)
        high.push([AVC, key(100 * tenths)], tenths / 10)
    assert scene.primary.is_current
    high.push([inter(3050)], 3.1)
    assert scene.primary.is_current  # steady, and no keyframe yet
    scene.heard()
    high.push([key(3100), inter(3133)], 3.2)
    assert high.is_current
    assert scene.heard()[:4] == ["interrupt", "start", "resume", "h1"]
    assert scene.hub.standbys(PATH) == [scene.primary]
    scene.primary.push([key(9000)], 3.3)  # it is not thrown off, and worth keeping
    high.lose(3.4)
    assert scene.primary.is_current


def test_publisher_of_higher_priority_goes_on_air_when_the_one_on_air_is_silent() -> None:
    scene = Scene()
    high = scene.publish(Place(priority=5))
    high.push([AVC, key(0)], 1.4)
    scene.hub.sweep(1.6)
    assert high.is_current


def test_priority_counts_within_a_rank_only() -> None:
    scene = Scene()
    good = scene.publish(Place(1, priority=7))
    bad = scene.publish(Place(1, priority=6))
    low = scene.publish(Place(priority=-9))
    _, slate = scene.on_demand()
    assert scene.hub.standbys(PATH) == [low, good, bad, slate]
    for tenths in range(60):
        scene.primary.push([inter(100 * tenths)], tenths / 10)
        good.push([key(100 * tenths)], tenths / 10)
    assert scene.primary.is_current


def test_better_publisher_ends_what_a_source_on_demand_stood_in_for() -> None:
    scene = Scene()
    source, slate = scene.on_demand()
    scene.primary.lose(1)
    assert slate.is_current
    low = scene.publish(Place(priority=-1), now=1)
    for tenths in range(10, 50):
        low.push([AVC, key(100 * tenths)], tenths / 10)
    assert low.is_current
    assert source.calls[-1] == "off air"


# ---------------------------------------------------------------------- sources on demand


def test_source_on_demand_is_told_when_it_goes_on_air_and_off_again() -> None:
    scene = Scene()
    source, slate = scene.on_demand()
    assert source.calls == ["unwatched"]
    scene.hub.sweep(1.6)
    assert slate.is_current
    assert source.calls == ["unwatched", "watched", "on air"]
    for tenths in range(20, 60):
        slate.push([key(100 * tenths)], tenths / 10)
        scene.primary.push([AVC, key(100 * tenths)], tenths / 10)
    assert scene.primary.is_current
    assert source.calls[3:] == ["unwatched", "off air"]


def test_source_that_brings_nothing_is_followed_by_the_next_and_left_alone_for_a_while() -> None:
    scene = Scene()
    _, broken = scene.on_demand()
    good = OnDemand(6)
    slate = scene.publish(good.place, good)
    scene.hub.sweep(1.6)
    assert broken.is_current
    scene.hub.sweep(3.2)
    assert slate.is_current
    scene.hub.sweep(4.8)  # neither brings anything, and both failed lately
    assert slate.is_current
    scene.hub.sweep(13.3)
    assert broken.is_current


def test_primary_that_ends_ends_a_stream_that_only_a_source_on_demand_could_hold() -> None:
    scene = Scene()
    source, slate = scene.on_demand()
    scene.primary.end(1)
    assert scene.primary.stream.state is StreamState.ENDED
    assert source.calls[-1] == "replaced"
    assert scene.hub.publication(PATH) is None
    assert scene.hub.standbys(PATH) == []
    slate.lose(2)


def test_source_on_demand_holds_a_stream_without_a_publisher_for_so_long() -> None:
    scene = Scene()
    source, slate = scene.on_demand()
    scene.primary.lose(1)
    for second in range(2, 64):
        slate.push([key(1000 * second)], second)
        scene.hub.sweep(second)
        if second < 62:
            assert slate.stream.is_live
    assert slate.stream.state is StreamState.ENDED
    assert source.calls[-1] == "replaced"


def test_publisher_that_stands_by_keeps_the_stream_from_ending() -> None:
    scene = Scene()
    _, slate = scene.on_demand()
    scene.primary.lose(1)
    scene.publish(now=1.5)
    scene.hub.sweep(2)
    for second in range(3, 70):
        slate.push([key(1000 * second)], second)
        scene.hub.sweep(second)
    assert slate.stream.is_live


def test_source_on_demand_takes_an_interrupted_stream() -> None:
    scene = Scene()
    scene.primary.lose(1)
    _, slate = scene.on_demand(2)
    assert not slate.is_current
    scene.hub.sweep(2.1)
    assert slate.is_current


def test_end_by_an_administrator_ends_everything() -> None:
    scene = Scene()
    source, _ = scene.on_demand()
    scene.publish(BACKUP)
    assert scene.hub.end(PATH)
    assert scene.primary.stream.state is StreamState.ENDED
    assert source.calls[-1] == "replaced"
    assert not scene.hub.end(PATH)
    assert not scene.hub.end("live/unknown")


def test_stream_that_ended_by_itself_lets_its_sources_go() -> None:
    scene = Scene()
    source, _ = scene.on_demand()
    scene.primary.stream.end()
    scene.hub.sweep(1)
    assert source.calls[-1] == "replaced"
    assert scene.hub.standbys(PATH) == []


def test_stop_of_the_server_lets_all_sources_go() -> None:
    scene = Scene()
    source, _ = scene.on_demand()
    backup = FakePublisher()
    scene.publish(BACKUP, backup)
    scene.hub.end_all()
    assert source.calls[-1] == "replaced"
    assert backup.calls == ["unwatched"]  # its session is told by the server


# ---------------------------------------------------------------------- the choice


def test_standbys_are_in_the_order_of_their_ranks_and_priorities() -> None:
    hub = registry()
    stream = hub.play(PATH)
    places = Place(3), Place(1, priority=4), Place(2), Place(1, priority=5)
    many = [Publication(hub, stream, FakePublisher(), None, place) for place in places]
    standbys = Standbys()
    for each in many:
        standbys.add(each)
    assert list(standbys) == [many[3], many[1], many[2], many[0]]
    assert standbys.has_publisher
    assert standbys.best(0, 1) is None  # nothing is in reserve
    assert standbys.remove(many[0])
    assert not standbys.remove(many[0])
    assert len(standbys) == 3
