"""Metrics of recordings: how many there are, what waits, and what went to the store."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric

if TYPE_CHECKING:
    from headend.record.recordings import Recordings


def collect(recordings: "Recordings") -> Sequence[Metric]:
    """Return the metrics of all recordings of a server."""
    deleted = CounterMetricFamily(
        "headend_recordings_deleted", "Recordings that were deleted.", labels=["reason"]
    )
    for reason, count in recordings.removal.deleted.items():
        deleted.add_metric([reason], count)
    found: list[Metric] = [
        deleted,
        GaugeMetricFamily(
            "headend_recordings_waiting",
            "Files and segments that wait for the database.",
            recordings.index.waiting,
        ),
        *_of_store(recordings),
    ]
    disk = recordings.disk_seen
    if disk is not None:
        text = "Bytes of all recordings."
        found.append(GaugeMetricFamily("headend_recordings_bytes", text, disk.used))
        if disk.free is not None:
            text = "Bytes that are free where recordings are."
            found.append(GaugeMetricFamily("headend_recordings_free_bytes", text, disk.free))
    return found


def _of_store(recordings: "Recordings") -> Sequence[Metric]:
    """Return what goes to the store and from it, if there is one."""
    uploads = recordings.uploads
    if not recordings.services.settings.record.store:
        return ()
    return (
        CounterMetricFamily(
            "headend_recording_uploads", "Files of recordings in the store.", uploads.files
        ),
        CounterMetricFamily(
            "headend_recording_uploaded_bytes", "Bytes of those files.", uploads.bytes
        ),
        CounterMetricFamily(
            "headend_recording_upload_failures", "Failures of the store.", uploads.failures
        ),
        CounterMetricFamily(
            "headend_recording_objects_deleted", "Objects deleted there.", uploads.deleted
        ),
        GaugeMetricFamily(
            "headend_recording_uploads_waiting", "Files that wait for the store.", uploads.waiting
        ),
        GaugeMetricFamily(
            "headend_recording_store_up", "1: the store works; 0: it fails.", not uploads.fault
        ),
    )
