"""Tests of headend.http.stream_metrics."""

from typing import Any

from tests.described import described

from headend.http.stream_metrics import collect
from headend.live.status import StreamStatus


def stream(path: str, **values: Any) -> StreamStatus:
    known = {
        "viewers": 1,
        "skips": 2,
        "bytes_in": 100,
        "repairs": {"wrap_31": 1},
        "viewers_by_protocol": {"rtmp": 1},
        "bit_rate": 1000,
        "bit_rate_out": 2000,
        "keyframe_interval_s": 2.0,
    }
    return described(path, **{**known, **values})


def values(streams: list[StreamStatus], most: int) -> dict[tuple[str, ...], float]:
    """Return what is shown, by name and labels."""
    return {
        (sample.name.removeprefix("headend_stream_"), *sample.labels.values()): sample.value
        for metric in collect(streams, most, lambda _: True)
        for sample in metric.samples
    }


def test_every_number_of_a_stream_is_shown() -> None:
    assert values([stream("live/a")], 10) == {
        ("live", "live/a"): 1,
        ("viewers", "live/a"): 1,
        ("late_viewers", "live/a"): 0,
        ("bit_rate", "live/a"): 1000,
        ("bit_rate_out", "live/a"): 2000,
        ("skips_total", "live/a"): 2,
        ("received_bytes_total", "live/a"): 100,
        ("timestamp_repairs_total", "live/a", "wrap_31"): 1,
        ("viewers_by_protocol", "live/a", "rtmp"): 1,
        ("frame_rate", "live/a"): 25,
        ("keyframe_interval_seconds", "live/a"): 2,
    }


def test_streams_over_the_limit_are_shown_as_one() -> None:
    rest = stream(
        "live/c",
        state="interrupted",
        viewers_by_protocol={"rtmp": 1, "hls": 3},
        frame_rate=10.0,
        keyframe_interval_s=4.0,
    )
    seen = values([stream("live/a"), stream("live/b"), rest], 1)
    assert {name[1] for name in seen} == {"live/a", "*"}
    assert seen["live", "*"] == 1
    assert seen["viewers", "*"] == 2
    assert seen["bit_rate", "*"] == 2000
    assert seen["skips_total", "*"] == 4
    assert seen["timestamp_repairs_total", "*", "wrap_31"] == 2
    assert seen["viewers_by_protocol", "*", "rtmp"] == 2
    assert seen["viewers_by_protocol", "*", "hls"] == 3
    assert seen["frame_rate", "*"] == 10
    assert seen["keyframe_interval_seconds", "*"] == 4


def test_limit_of_none_names_nobody() -> None:
    assert {name[1] for name in values([stream("live/a")], 0)} == {"*"}
    assert values([], 0) == {}


def test_name_that_nobody_published_is_not_shown() -> None:
    waiting = stream("live/x", state="waiting", uptime_s=None, keyframe_interval_s=None)
    seen = values([waiting, stream("live/a")], 1)
    assert {name[1] for name in seen} == {"live/a", "*"}
    assert seen["viewers", "*"] == 1
    assert seen["live", "*"] == 0
    assert ("keyframe_interval_seconds", "*") not in seen
