"""Tests of headend.hub.decoding: pictures that come with the times at which they are shown."""

from collections.abc import Iterable, Sequence
from itertools import pairwise

import pytest
from tests.defaults import names, stream_settings
from tests.hub.fakes import AVC, FakePublisher, FakeSink, sound
from tests.media.bitstring import bits
from tests.wire import wire

from headend.hub.decoding import MOST_HELD, DecodingOrder
from headend.hub.registry import Registry
from headend.media.codecs import parse_video_header, video_tag
from headend.media.tag import VIDEO, Tag

WRAP = 1 << 32
LEGACY = ("17 01 000000", "27 01 000000")
HEVC_X = ("93 68766331", "a3 68766331")  # without a composition time
HEVC = ("91 68766331 000000", "a1 68766331 000000")
# Pictures in the order of decoding, by their place in that of showing.
IPBB = (0, 3, 1, 2)
PYRAMID = (0, 4, 2, 1, 3)


def pictures(
    order: Sequence[int], *, groups: int = 20, step: int = 40, start: int = 0, heads: Iterable[str]
) -> list[Tag]:
    """Return pictures in the order of decoding with times of showing; a keyframe comes first."""
    key, inter = (wire(head) for head in heads)
    places, size = [order[0]], len(order) - 1
    for group in range(groups):
        places += [place + group * size for place in order[1:]]
    return [
        video_tag((start + step * place) % WRAP, (inter if number else key) + b"\x41\x9a")
        for number, place in enumerate(places)
    ]


def header(codec: str, reordered: int) -> Tag:
    """Return a sequence header that says how many pictures are held back."""
    number = ("1", "010", "011")[reordered]
    if codec == "avc1":
        sps = bits(f"1 1 011 010 0 1 1 1 1 0 1 0 0 0 0 0 0 0 0 1 1 1 1 1 1 {number} 1")
        sps = wire("67 4d001e") + sps
        record = wire("01 4d001e ff e1") + len(sps).to_bytes(2, "big") + sps + b"\0"
    else:
        plain = f"0000 000 0 {'0' * 96} 1 010 0001000 000010001 0 1 1 1 0 1"
        sps = wire("4201") + bits(f"{plain} {number} 1 1")
        record = wire("01 01 60000000 b00000000000 5d f000fcfdf8f800000f 01 21 0001")
        record += len(sps).to_bytes(2, "big") + sps
    return video_tag(0, b"\x90" + codec.encode() + record)


def times(tags: Iterable[Tag]) -> list[tuple[int, int]]:
    """Return decoding times, and times of showing."""
    found = []
    for tag in tags:
        composition = parse_video_header(tag.body).tracks[0].composition_time
        found.append((tag.timestamp, (tag.timestamp + composition) % WRAP))
    return found


def begun() -> DecodingOrder:
    """Return one that knows that pictures come out of order."""
    decoding = DecodingOrder()
    decoding.begin()
    return decoding


@pytest.mark.parametrize("heads", [LEGACY, HEVC, HEVC_X])
@pytest.mark.parametrize("order", [IPBB, PYRAMID, (0, 2, 1)])
@pytest.mark.parametrize("start", [0, WRAP - 1000])
def test_pictures_are_shown_when_they_say_and_decoded_in_order(
    order: Sequence[int], heads: tuple[str, str], start: int
) -> None:
    came = pictures(order, heads=heads, start=start)
    sent = begun().mend(came)
    assert [shown for _, shown in times(sent)] == [tag.timestamp for tag in came]
    decoded = [(time - start) % WRAP for time, _ in times(sent)]
    assert all(later >= earlier for earlier, later in pairwise(decoded[len(order) :]))
    assert len(set(decoded[len(order) :])) == len(decoded[len(order) :])
    assert {parse_video_header(tag.body).packet_type for tag in sent} == {1}
    assert [parse_video_header(tag.body).frame_type for tag in sent] == [
        parse_video_header(tag.body).frame_type for tag in came
    ]
    assert all(tag.body.endswith(b"\x41\x9a") for tag in sent)


def test_messages_of_one_picture_keep_one_time() -> None:
    came = pictures(IPBB, groups=2, heads=LEGACY)
    sent = begun().mend([tag for tag in came for _ in range(3)])
    assert sent[::3] == sent[1::3] == sent[2::3]


def test_clock_that_begins_anew_is_followed() -> None:
    decoding = begun()
    decoding.mend(pictures(IPBB, start=60_000, heads=LEGACY))
    again = pictures(IPBB, heads=LEGACY)
    assert [shown for _, shown in times(decoding.mend(again))] == [tag.timestamp for tag in again]


def test_nonsense_holds_back_no_more_pictures_than_a_decoder_does() -> None:
    decoding = begun()
    came = [video_tag(1000 - time, wire("27 01 000000 41 9a")) for time in range(100)]
    assert all(decoded == shown for decoded, shown in times(decoding.mend(came)))
    late = times(decoding.mend(pictures((0, 1), start=1200, step=20, heads=LEGACY)))
    assert late[-1][1] - late[-1][0] == MOST_HELD * 20


def test_publisher_that_sends_composition_times_is_believed() -> None:
    decoding = begun()
    came = [
        video_tag(0, wire("17 01 000028 65 88")),
        video_tag(40, wire("27 01 000078 41 9a")),
        video_tag(20, wire("27 01 000000 01 9a")),
    ]
    assert decoding.mend(came) == came
    assert not decoding.is_needed
    decoding.begin()
    assert not decoding.is_needed


@pytest.mark.parametrize(
    "body", ["22 01 000000 00", "91 61763031 12 00", "26 01", "", "27 02 000000 00"]
)
def test_what_has_no_composition_time_stays_as_it_is(body: str) -> None:
    came = [video_tag(40, wire(body)), sound(20), AVC]
    assert begun().mend(came) == came


@pytest.mark.parametrize(("order", "step"), [(IPBB, 40), (PYRAMID, 33), (IPBB, 100)])
@pytest.mark.parametrize("heads", [LEGACY, HEVC_X])
def test_viewers_get_a_publishers_pictures_in_order(
    order: Sequence[int], step: int, heads: tuple[str, str]
) -> None:
    errors: list[object] = []
    registry = Registry(
        names(stream=stream_settings(reconnect_window_s=60)), lambda *error: errors.append(error)
    )
    publication = registry.publish("live/a", FakePublisher(), None, 0)
    sink = FakeSink()
    publication.stream.attach("viewer", sink)
    came = pictures(order, step=step, heads=heads)
    for number, tag in enumerate(came):
        publication.push([tag], number * step / 1000)
    learnt = 5 * len(order)
    sent = times(tag for tag in sink.tags if tag.kind is VIDEO)[learnt:]
    shown = [time for _, time in sent]
    apart = {came_at.timestamp - time for came_at, time in zip(came[learnt:], shown, strict=True)}
    assert len(apart) == 1, "one offset for all"
    assert all(later > earlier for (earlier, _), (later, _) in pairwise(sent))
    assert errors == []


@pytest.mark.parametrize(("order", "held"), [(IPBB, 1), (PYRAMID, 2), ((0, 2, 1), 1)])
@pytest.mark.parametrize(("codec", "heads"), [("avc1", LEGACY), ("hvc1", HEVC), ("hvc1", HEVC_X)])
def test_first_pictures_are_in_order_if_the_header_says_how_many_are_held_back(
    codec: str, heads: tuple[str, str], order: Sequence[int], held: int
) -> None:
    registry = Registry(names(stream=stream_settings()), lambda *_: None)
    publication = registry.publish("live/a", FakePublisher(), None, 0)
    sink = FakeSink()
    publication.stream.attach("viewer", sink)
    came = pictures(order, heads=heads)
    publication.push([header(codec, held)], 0.0)
    for number, tag in enumerate(came):
        publication.push([tag], number * 0.04)
    sent = times(tag for tag in sink.tags if not tag.is_sequence_header)
    assert [shown for _, shown in sent] == [tag.timestamp for tag in came]
    decoded = [time for time, _ in sent]
    assert decoded[: held + 1] == [0] * (held + 1)
    assert decoded[held:] == sorted(set(decoded))
    assert sum(publication.stream.timeline.repairs.values()) == 0


@pytest.mark.parametrize(("reordered", "composition"), [(0, 0), (0, 40), (1, 40)])
def test_decoding_times_of_an_encoder_that_sends_them_stay(
    reordered: int, composition: int
) -> None:
    decoding = DecodingOrder()
    head = f"01 {composition:06x}"
    early = video_tag(0, wire("27 01 000000 019a"))  # of a B frame, this says nothing
    came = [
        header("avc1", reordered),
        early,
        *pictures(IPBB, groups=2, heads=(f"17 {head}", f"27 {head}")),
    ]
    assert decoding.mend(came) == came
    assert not decoding.is_needed


def test_damaged_header_says_nothing() -> None:
    decoding = DecodingOrder()
    heads = ("17 00 000000 01", "90 61766331", "96 01", "90 61763031 81040000")
    came = [*(video_tag(0, wire(head)) for head in heads), *pictures(IPBB, heads=LEGACY)]
    assert decoding.mend(came) == came
    assert not decoding.is_needed
