"""Tests of headend.hub.registry."""

import pytest
from tests.defaults import name_settings, names, stream_settings
from tests.hub.fakes import FakeObserver, FakePublisher, FakeSink, key

from headend.errors import Refusal, Rejected
from headend.hub.publication import COPY, PRIMARY, Place, Publication
from headend.hub.registry import (
    NameSettings,
    Registry,
    RegistrySettings,
    Takeover,
)
from headend.hub.stream import Stream, StreamState, no_audience

PATH = "live/cam1"


def registry(takeover: Takeover = "same-key", streams: int = 1000) -> Registry:
    settings = names(streams, stream=stream_settings(reconnect_window_s=60), takeover=takeover)
    return Registry(settings, lambda _path, _error: None)


def test_publisher_holds_the_name_it_was_given() -> None:
    hub = registry()
    publisher = FakePublisher()
    publication = hub.publish(PATH, publisher, "hk_1", 0)
    assert hub.publication(PATH) is publication
    assert publication.is_current
    assert publication.stream is hub.stream(PATH)
    assert publication.stream.is_live
    assert publication.publisher is publisher


def test_name_nobody_knows_has_neither_stream_nor_publication() -> None:
    assert registry().stream(PATH) is None
    assert registry().publication(PATH) is None


def test_player_that_comes_first_and_its_publisher_meet_on_one_stream() -> None:
    hub = registry()
    stream = hub.play(PATH)
    assert stream.state is StreamState.WAITING
    sink = FakeSink()
    stream.attach("a", sink)
    publication = hub.publish(PATH, FakePublisher(), None, 0)
    publication.push([key(0)], 0)
    assert publication.stream is stream
    assert hub.play(PATH) is stream
    assert sink.calls == ["start", "start", "resume", "K0"]


def test_streams_are_listed_in_the_order_of_their_names_first_mention() -> None:
    hub = registry()
    hub.publish("live/b", FakePublisher(), None, 0)
    hub.play("live/a")
    assert [stream.path for stream in hub.streams()] == ["live/b", "live/a"]


# ---------------------------------------------------------------------- takeover


@pytest.mark.parametrize(
    ("takeover", "first_key", "second_key", "is_granted"),
    [
        ("same-key", "hk_1", "hk_1", True),
        ("same-key", "hk_1", "hk_2", False),
        ("same-key", "hk_1", None, False),
        ("same-key", None, "hk_1", False),
        ("same-key", None, None, False),
        ("always", "hk_1", None, True),
        ("always", None, None, True),
        ("never", "hk_1", "hk_1", False),
    ],
)
def test_second_publisher_takes_the_name_over_if_policy_says_so(
    takeover: Takeover, first_key: str | None, second_key: str | None, is_granted: bool
) -> None:
    hub = registry(takeover)
    first, second = FakePublisher("first"), FakePublisher("second")
    holder = hub.publish(PATH, first, first_key, 0)
    if is_granted:
        publication = hub.publish(PATH, second, second_key, 1)
        assert hub.publication(PATH) is publication
        assert not holder.is_current
        assert "replaced" in first.calls
    else:
        with pytest.raises(Rejected) as refusal:
            hub.publish(PATH, second, second_key, 1)
        assert refusal.value.refusal is Refusal.NAME_TAKEN
        assert refusal.value.description == (
            "live/cam1 is already being published; stop the other encoder, or publish both with "
            "the same key to take over"
        )
        assert holder.is_current
        assert "replaced" not in first.calls


@pytest.mark.parametrize("takeover", ["same-key", "always", "never"])
def test_publishers_of_other_priorities_stand_by_and_nobody_is_thrown_off(
    takeover: Takeover,
) -> None:
    hub = registry(takeover)
    publishers = [FakePublisher() for _ in range(3)]
    middle, best, worst = (
        hub.publish(PATH, publisher, f"hk_{priority}", 0, Place(priority=priority))
        for publisher, priority in zip(publishers, (0, 5, -5), strict=True)
    )
    assert middle.is_current
    assert hub.standbys(PATH) == [best, worst]
    assert all("replaced" not in publisher.calls for publisher in publishers)


def test_publisher_without_a_difference_of_priority_is_refused() -> None:
    hub = registry()
    hub.publish(PATH, FakePublisher(), "hk_1", 0, Place(priority=5))
    standby = hub.publish(PATH, FakePublisher(), "hk_2", 0, Place(priority=3))
    for priority in (5, 3):
        with pytest.raises(Rejected, match="already being published") as refusal:
            hub.publish(PATH, FakePublisher(), "hk_3", 1, Place(priority=priority))
        assert refusal.value.refusal is Refusal.NAME_TAKEN
    assert hub.standbys(PATH) == [standby]


def test_viewers_stay_through_a_takeover_and_get_only_the_new_publisher_s_media() -> None:
    hub = registry()
    first = hub.publish(PATH, FakePublisher(), "hk_1", 0)
    sink = FakeSink()
    first.stream.attach("a", sink)
    first.push([key(100)], 0)
    second = hub.publish(PATH, FakePublisher(), "hk_1", 1)
    first.push([key(133)], 1)
    second.push([key(0)], 1)
    assert second.stream is first.stream
    assert sink.calls == ["start", "K100", "interrupt", "start", "resume", "K120"]


def test_last_words_of_one_that_was_replaced_change_nothing() -> None:
    hub = registry("always")
    first = hub.publish(PATH, FakePublisher(), None, 0)
    second = hub.publish(PATH, FakePublisher(), None, 1)
    first.lose(2)
    first.end(2)
    assert second.is_current
    assert second.stream.is_live


def test_publisher_that_is_replaced_may_let_go_while_it_is_told() -> None:
    hub = registry("always")

    class Impatient(FakePublisher):
        publication: Publication

        def replaced(self) -> None:
            self.publication.lose(1)

    first = Impatient()
    first.publication = hub.publish(PATH, first, None, 0)
    second = hub.publish(PATH, FakePublisher(), None, 1)
    assert second.is_current
    assert second.stream.is_live


# ---------------------------------------------------------------------- the end


def test_publisher_that_says_it_ends_ends_the_stream_and_frees_the_name() -> None:
    hub = registry()
    publication = hub.publish(PATH, FakePublisher(), None, 0)
    sink = FakeSink()
    publication.stream.attach("a", sink)
    publication.end(1)
    assert sink.calls == ["start", "end"]
    assert hub.publication(PATH) is None
    again = hub.publish(PATH, FakePublisher(), None, 1)
    assert again.stream is not publication.stream
    assert again.stream.is_live


def test_lost_publisher_frees_the_name_and_viewers_wait_for_its_return() -> None:
    hub = registry("never")
    publication = hub.publish(PATH, FakePublisher(), "hk_1", 0)
    sink = FakeSink()
    publication.stream.attach("a", sink)
    publication.lose(5)
    assert sink.calls == ["start", "interrupt"]
    again = hub.publish(PATH, FakePublisher(), "hk_2", 6)
    assert again.stream is publication.stream
    assert sink.calls == ["start", "interrupt", "start", "resume"]


def test_window_of_a_lost_publisher_passes_with_the_sweep() -> None:
    hub = registry()
    publication = hub.publish(PATH, FakePublisher(), None, 0)
    sink = FakeSink()
    publication.stream.attach("a", sink)
    publication.lose(5)
    hub.sweep(64.9)
    assert hub.stream(PATH) is publication.stream
    hub.sweep(65)
    assert sink.calls[-1] == "end"
    assert hub.stream(PATH) is None


def test_silence_is_noticed_by_the_sweep() -> None:
    hub = registry()
    publication = hub.publish(PATH, FakePublisher(), None, 0)
    sink = FakeSink()
    publication.stream.attach("a", sink)
    hub.sweep(4)
    assert sink.calls == ["start", "interrupt"]
    assert hub.stream(PATH) is publication.stream


def test_sweep_forgets_a_name_that_nobody_waits_for_any_more() -> None:
    hub = registry()
    stream = hub.play(PATH)
    stream.attach("a", FakeSink())
    hub.sweep(0)
    assert hub.stream(PATH) is stream
    stream.detach("a")
    hub.sweep(1)
    assert hub.stream(PATH) is None


def test_player_of_an_ended_stream_waits_for_a_new_one() -> None:
    hub = registry()
    publication = hub.publish(PATH, FakePublisher(), None, 0)
    publication.end(1)
    stream = hub.play(PATH)
    assert stream is not publication.stream
    assert stream.state is StreamState.WAITING


def test_end_of_everything_ends_every_stream_and_frees_every_name() -> None:
    hub = registry()
    publication = hub.publish(PATH, FakePublisher(), None, 0)
    sinks = [FakeSink(), FakeSink()]
    publication.stream.attach("a", sinks[0])
    hub.play("live/cam2").attach("a", sinks[1])
    hub.end_all()
    assert [sink.calls[-1] for sink in sinks] == ["end", "end"]
    assert not publication.is_current
    publication.push([key(0)], 1)
    publication.end(1)
    assert publication.stream.tags_in == 0


# ---------------------------------------------------------------------- limits


def test_a_stream_over_the_limit_is_refused() -> None:
    hub = registry(streams=2)
    hub.publish("live/a", FakePublisher(), None, 0)
    hub.publish("live/b", FakePublisher(), None, 0)
    with pytest.raises(Rejected, match=r"2 streams, its limit \(limits.streams\)") as refusal:
        hub.publish("live/c", FakePublisher(), None, 0)
    assert refusal.value.refusal is Refusal.FULL
    assert hub.publication("live/c") is None
    hub.play("live/a")


def wait(hub: Registry, path: str, asker: str) -> FakeSink:
    """Have somebody wait for a name."""
    sink = FakeSink()
    hub.play(path, asker).attach("a", sink)
    return sink


def test_name_that_is_waited_for_over_the_limit_takes_the_place_of_who_waits_for_most() -> None:
    hub = registry(streams=3)
    one, two = wait(hub, "live/1", "greedy"), wait(hub, "live/2", "greedy")
    other = wait(hub, "live/a", "other")
    third = wait(hub, "live/b", "third")
    assert one.calls[-1] == "end"  # the oldest of those
    assert [two.calls[-1], other.calls[-1], third.calls[-1]] == ["start"] * 3
    wait(hub, "live/3", "greedy")
    assert two.calls[-1] == "end"  # nobody has more, so it pays itself
    assert [s.path for s in hub.streams()] == ["live/a", "live/b", "live/3"]


def test_who_waits_for_a_name_is_told_in_the_words_of_the_server() -> None:
    told: list[str] = []

    def give_up(stream: Stream) -> None:
        told.append(stream.path)
        stream.end()

    settings = names(1)
    hub = Registry(settings, lambda _path, _error: None, give_up=give_up)
    wait(hub, "live/a", "somebody")
    hub.play("live/a", "somebody else")
    assert told == []
    wait(hub, "live/b", "somebody")
    assert told == ["live/a"]


def test_name_that_somebody_publishes_is_never_one_that_gives_way_to_waiting() -> None:
    hub = registry(streams=1)
    hub.publish("live/a", FakePublisher(), None, 0)
    sink = wait(hub, "live/a", "x")
    wait(hub, "live/b", "x")
    wait(hub, "live/c", "x")
    assert sink.calls == ["start"]
    assert [s.path for s in hub.streams()] == ["live/a", "live/c"]


def test_what_stands_by_for_a_name_that_gave_way_is_dismissed() -> None:
    hub = registry(streams=1)
    wait(hub, "live/a", "x")
    calls: list[bool] = []
    publisher = FakePublisher()
    hub.publish("live/a", publisher, None, 0, Place(5, calls.append))
    wait(hub, "live/b", "x")
    hub.sweep(0.5)
    assert hub.standbys("live/a") == []
    assert publisher.calls[-1] == "replaced"
    assert [s.path for s in hub.streams()] == ["live/b"]


# ---------------------------------------------------------------------- names that are only held


def lose(hub: Registry, path: str, now: float, key: str | None = None) -> Stream:
    """Publish a name and lose the publisher at once."""
    publication = hub.publish(path, FakePublisher(), key, now)
    publication.lose(now)
    return publication.stream


def test_name_that_is_only_held_gives_way_to_one_that_is_published_the_oldest_first() -> None:
    hub = registry(streams=2)
    lose(hub, "live/b", 2)
    lose(hub, "live/a", 1)
    assert hub.publish("live/c", FakePublisher(), None, 3).is_current
    assert {s.path for s in hub.streams()} == {"live/b", "live/c"}
    assert hub.publish("live/d", FakePublisher(), None, 4).is_current
    with pytest.raises(Rejected, match=r"limits\.streams"):
        hub.publish("live/e", FakePublisher(), None, 5)


def test_stream_that_gives_way_is_told_as_one_whose_publisher_did_not_come_back() -> None:
    observer = FakeObserver()
    settings = names(1)
    hub = Registry(settings, lambda _path, _error: None, observer)
    lose(hub, "live/a", 0)
    hub.publish("live/b", FakePublisher(), None, 1)
    assert observer.told == [
        "created", "connected", "disconnected lost", "ended lost", "created", "connected",
    ]  # fmt: skip


def test_name_that_somebody_watches_is_held_whoever_else_publishes() -> None:
    hub = registry(streams=1)
    lose(hub, "live/a", 0).attach("a", FakeSink())
    with pytest.raises(Rejected, match=r"limits\.streams"):
        hub.publish("live/b", FakePublisher(), None, 1)
    assert hub.publish("live/a", FakePublisher(), None, 2).is_current


def test_sinks_that_are_there_for_nobody_hold_no_name() -> None:
    hub = registry(streams=1)
    viewers = 1
    stream = lose(hub, "live/a", 0)
    stream.attach("hls", FakeSink(), is_patient=True, audience=lambda: viewers)
    stream.attach("relay", FakeSink(), audience=no_audience)
    with pytest.raises(Rejected, match=r"limits\.streams"):
        hub.publish("live/b", FakePublisher(), None, 1)
    viewers = 0
    assert hub.publish("live/b", FakePublisher(), None, 2).is_current


def test_name_that_only_a_stand_in_holds_gives_way_too() -> None:
    hub = registry(streams=1)
    publication = hub.publish("live/a", FakePublisher(), None, 0)
    hub.publish("live/a", FakePublisher(), None, 0, Place(5, lambda _is_on_air: None))
    with pytest.raises(Rejected, match=r"limits\.streams"):
        hub.publish("live/b", FakePublisher(), None, 1)
    publication.lose(2)
    stream = hub.stream("live/a")
    assert stream is not None
    assert stream.is_live
    assert hub.publish("live/b", FakePublisher(), None, 3).is_current
    assert hub.stream("live/a") is None


def test_name_whose_publisher_stands_by_is_not_only_held() -> None:
    hub = registry(streams=1)
    hub.publish("live/a", FakePublisher(), None, 0, Place(0, lambda _is_on_air: None))
    hub.sweep(0.5)
    hub.publish("live/a", FakePublisher(), "hk_1", 1, Place(1))
    with pytest.raises(Rejected, match=r"limits\.streams"):
        hub.publish("live/b", FakePublisher(), None, 1)


def test_stream_that_is_over_takes_no_place() -> None:
    hub = registry(streams=1)
    hub.publish("live/a", FakePublisher(), None, 0).end(0)
    assert hub.publish("live/b", FakePublisher(), None, 0).is_current


def test_name_that_was_waited_for_counts_once_it_is_published() -> None:
    hub = registry(streams=2)
    for name in "ab":
        wait(hub, f"live/{name}", name)
    hub.configure(names(1))
    hub.publish("live/a", FakePublisher(), None, 0)
    with pytest.raises(Rejected, match=r"limits\.streams"):
        hub.publish("live/b", FakePublisher(), None, 0)


def test_stream_knows_whose_it_was_last_and_what_stands_in_is_nobody() -> None:
    hub = registry("always")
    stream = lose(hub, "live/a", 0, "hk_1")
    assert stream.holder == "hk_1"
    hub.publish("live/a", FakePublisher(), None, 1, Place(5, lambda _is_on_air: None))
    hub.sweep(2)
    assert stream.is_live
    assert stream.holder == "hk_1"
    publication = hub.publish("live/a", FakePublisher(), "hk_2", 3)
    for now in (3.0, 3.9, 4.8, 5.7, 6.6):
        publication.push([key(round(1000 * now))], now)
    assert publication.is_current
    assert stream.holder == "hk_2"


def test_names_that_are_only_waited_for_keep_no_publisher_out() -> None:
    hub = registry(streams=2)
    hub.play("live/a")
    hub.play("live/b")
    hub.publish("live/c", FakePublisher(), None, 0)
    hub.publish("live/a", FakePublisher(), None, 0)


def test_so_many_publishers_stand_by_for_one_name() -> None:
    hub = registry()
    for priority in range(17):
        hub.publish(PATH, FakePublisher(), f"hk_{priority}", 0, Place(priority=priority))
    with pytest.raises(Rejected, match="16 publishers stand by for live/cam1") as refusal:
        hub.publish(PATH, FakePublisher(), "hk_17", 0, Place(priority=17))
    assert refusal.value.refusal is Refusal.FULL
    hub.publish(PATH, FakePublisher(), "hk_16", 0, Place(priority=16))  # in its own place
    hub.publish(PATH, FakePublisher(), None, 0, Place(5, lambda _is_on_air: None))
    assert len(hub.standbys(PATH)) == 17


def test_settings_may_be_replaced_for_names_to_come() -> None:
    hub = registry("never")
    hub.publish(PATH, FakePublisher(), None, 0)
    hub.configure(names(takeover="always"))
    assert hub.publish(PATH, FakePublisher(), None, 1).is_current


def test_observer_is_told_of_take_over_and_of_the_stop_of_the_server() -> None:
    observer = FakeObserver()
    settings = names(takeover="always")
    hub = Registry(settings, lambda _path, _error: None, observer)
    hub.publish(PATH, FakePublisher(), None, 0)
    hub.publish(PATH, FakePublisher(), None, 1)
    hub.end_all()
    assert observer.told == [
        "created",
        "connected",
        "disconnected replaced",
        "connected",
        "disconnected stopped",
        "ended stopped",
    ]


def test_each_name_may_have_settings_of_its_own() -> None:
    def of(path: str) -> NameSettings:
        return name_settings(takeover="always" if path == PATH else "never")

    hub = Registry(RegistrySettings(1000, of), lambda _path, _error: None)
    for path in (PATH, "live/b"):
        hub.publish(path, FakePublisher(), None, 0)
    assert hub.publish(PATH, FakePublisher(), None, 1).is_current
    with pytest.raises(Rejected, match="already being published"):
        hub.publish("live/b", FakePublisher(), None, 1)


def test_stream_that_is_there_takes_changed_settings() -> None:
    hub = registry()
    lose(hub, PATH, 0)
    hub.configure(names(stream=stream_settings(reconnect_window_s=5)))
    hub.sweep(6)
    stream = hub.stream(PATH)
    assert stream is None or stream.state is StreamState.ENDED


def copied(hub: Registry, now: float = 0) -> FakePublisher:
    """Have a copy of the stream on air; return who brings it."""
    publisher = FakePublisher()
    publication = hub.publish(PATH, publisher, None, now, COPY)
    publication.push([key(0)], now)
    return publisher


def test_stream_that_moves_keeps_its_viewers_and_tells_its_publishers() -> None:
    observer = FakeObserver()
    settings = names(10, stream=stream_settings(reconnect_window_s=60))
    hub = Registry(settings, lambda _path, _error: None, observer)
    first, second = FakePublisher(), FakePublisher()
    hub.publish(PATH, first, "hk_1", 0).push([key(0)], 0)
    hub.publish(PATH, second, "hk_2", 0, Place(1))
    stream, sink = hub.play(PATH), FakeSink()
    stream.attach("a", sink)
    assert hub.move(PATH, 1)
    assert "replaced" in first.calls
    assert "replaced" in second.calls
    assert hub.publication(PATH) is None
    assert hub.standbys(PATH) == []
    assert stream.is_copy
    copied(hub, 2)
    assert hub.stream(PATH) is stream
    assert sink.calls[-3:] == ["start", "resume", sink.calls[-1]]


def test_stream_that_is_not_published_here_does_not_move() -> None:
    hub = registry()
    assert not hub.move(PATH, 0)
    hub.play(PATH)
    assert not hub.move(PATH, 0)
    copied(hub)
    assert not hub.move(PATH, 0)


def test_stream_whose_publisher_is_lost_moves_too() -> None:
    hub = registry()
    publication = hub.publish(PATH, FakePublisher(), "hk_1", 0)
    publication.lose(0)
    assert hub.move(PATH, 1)


@pytest.mark.parametrize("place", [PRIMARY, Place(3), Place(priority=-5)])
def test_publisher_takes_the_place_of_a_copy_whatever_its_rank(place: Place) -> None:
    hub = registry("never")
    copy = copied(hub)
    publication = hub.publish(PATH, FakePublisher(), "hk_1", 1, place)
    assert publication.is_current
    assert "replaced" in copy.calls
    assert not publication.stream.is_copy


def test_copy_takes_no_name_from_a_publisher() -> None:
    hub = registry("never")
    hub.publish(PATH, FakePublisher(), "hk_1", 0)
    with pytest.raises(Rejected):
        hub.publish(PATH, FakePublisher(), None, 0, COPY)
