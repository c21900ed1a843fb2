"""Streams as Prometheus sees them: the first ones by name and the rest as one.

A label for each of thousands of streams would be more than Prometheus likes, and names that come
and go would pile up there.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from itertools import islice
from typing import Final

from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric

from headend.live.status import StreamStatus

REST: Final = "*"  # the label of the rest; no name of a stream holds it


def collect(
    streams: Sequence[StreamStatus], most: int, may_name: Callable[[str], bool]
) -> Iterable[Metric]:
    """Show streams.

    Args:
        streams: Streams, oldest first, so that each keeps its label.
        most: How many streams have a label of their own.
        may_name: Says of a path whether its stream may have a label.
    """
    # Viewers may wait for any name: what nobody has published gets no label.
    begun = (each for each in streams if each.uptime_s is not None)
    named = list(islice((each for each in begun if may_name(each.path)), most))
    groups = [(each.path, [each]) for each in named]
    names = {each.path for each in named}
    if rest := [each for each in streams if each.path not in names]:
        groups.append((REST, rest))
    yield from _numbers(groups)
    yield from _counts(groups)
    yield from _of_video(groups)


Groups = Sequence[tuple[str, Sequence[StreamStatus]]]


def _numbers(groups: Groups) -> Iterable[Metric]:
    """Show what sums up."""
    labels = ["stream"]
    live = GaugeMetricFamily("headend_stream_live", "Published now.", labels=labels)
    viewers = GaugeMetricFamily("headend_stream_viewers", "Viewers now.", labels=labels)
    late = GaugeMetricFamily("headend_stream_late_viewers", "Late viewers now.", labels=labels)
    bit_rate = GaugeMetricFamily(
        "headend_stream_bit_rate", "bit/s published, lately.", labels=labels
    )
    bit_rate_out = GaugeMetricFamily(
        "headend_stream_bit_rate_out", "bit/s given to all viewers, lately.", labels=labels
    )
    skips = CounterMetricFamily(
        "headend_stream_skips", "Skips of late viewers to a keyframe.", labels=labels
    )
    received = CounterMetricFamily(
        "headend_stream_received_bytes", "Bytes of media published.", labels=labels
    )
    for name, group in groups:
        live.add_metric([name], sum(each.state == "live" for each in group))
        viewers.add_metric([name], sum(each.viewers for each in group))
        late.add_metric([name], sum(each.late for each in group))
        bit_rate.add_metric([name], sum(each.bit_rate for each in group))
        bit_rate_out.add_metric([name], sum(each.bit_rate_out for each in group))
        skips.add_metric([name], sum(each.skips for each in group))
        received.add_metric([name], sum(each.bytes_in for each in group))
    yield from (live, viewers, late, bit_rate, bit_rate_out, skips, received)


def _counts(groups: Groups) -> Iterable[Metric]:
    """Show what is counted by cause or protocol."""
    repairs = CounterMetricFamily(
        "headend_stream_timestamp_repairs", "Faults mended.", labels=["stream", "cause"]
    )
    by_protocol = GaugeMetricFamily(
        "headend_stream_viewers_by_protocol", "Viewers now.", labels=["stream", "protocol"]
    )
    for name, group in groups:
        causes: Counter[str] = Counter()
        protocols: Counter[str] = Counter()
        for each in group:
            causes.update(each.repairs)
            protocols.update(each.viewers_by_protocol)
        for cause, count in causes.items():
            repairs.add_metric([name, cause], count)
        for protocol, count in protocols.items():
            by_protocol.add_metric([name, protocol], count)
    yield from (repairs, by_protocol)


def _of_video(groups: Groups) -> Iterable[Metric]:
    """Show what has no sum: of the rest, the slowest and the longest."""
    frame_rate = GaugeMetricFamily(
        "headend_stream_frame_rate", "Pictures a second, lately.", labels=["stream"]
    )
    interval = GaugeMetricFamily(
        "headend_stream_keyframe_interval_seconds", "The newest.", labels=["stream"]
    )
    for name, group in groups:
        frame_rate.add_metric([name], min(each.frame_rate for each in group))
        known = [each.keyframe_interval_s for each in group]
        if intervals := [each for each in known if each is not None]:
            interval.add_metric([name], max(intervals))
    yield from (frame_rate, interval)
