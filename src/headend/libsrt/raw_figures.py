"""What libsrt tells of a connection, as it lies in memory.

Source: libsrt 1.5, docs/API/statistics.md; struct CBytePerfMon of srt.h.
"""

import ctypes
from ctypes import c_double, c_int, c_int64, c_uint64

from headend.net.figures import Figures


class RawFigures(ctypes.Structure):
    """CBytePerfMon up to what is told of a connection."""

    _fields_ = (
        *((name, c_int64) for name in ("time", "sent_total", "received_total")),
        *(
            (name, c_int)
            for name in (
                "send_lost_total", "receive_lost_total", "resent_total", "acks_sent",
                "acks_received", "naks_sent", "naks_received",
            )
        ),
        ("send_duration", c_int64),
        *(
            (name, c_int)
            for name in ("send_dropped_total", "receive_dropped_total", "undecrypted_total")
        ),
        *((f"bytes_{number}", c_uint64) for number in range(7)),
        # Since the last reading.
        ("sent", c_int64), ("received", c_int64),
        *((f"local_{number}", c_int) for number in range(8)),
        ("send_rate", c_double), ("receive_rate", c_double),
        ("local_duration", c_int64), ("reorder", c_int), ("belated_average", c_double),
        ("belated", c_int64), ("send_dropped", c_int), ("receive_dropped", c_int),
        ("undecrypted", c_int),
        *((f"local_bytes_{number}", c_uint64) for number in range(7)),
        # Now.
        ("send_period", c_double), ("flow_window", c_int), ("congestion_window", c_int),
        ("flight", c_int), ("rtt", c_double), ("bandwidth", c_double),
        ("send_room", c_int), ("receive_room", c_int), ("most_bandwidth", c_double),
        ("unit", c_int),
        *((f"send_{name}", c_int) for name in ("packets", "bytes", "ms", "latency_ms")),
        *((f"receive_{name}", c_int) for name in ("packets", "bytes", "ms", "latency_ms")),
        # The structure goes on, and that of later versions still further.
        ("rest", ctypes.c_byte * 1024),
    )  # fmt: skip

    def figures(self) -> Figures:
        """Return what is told of a connection."""
        return Figures(
            rtt_ms=round(self.rtt, 3),
            bandwidth=round(self.bandwidth * 1_000_000),
            latency_ms=max(self.send_latency_ms, self.receive_latency_ms),
            buffer_ms=max(self.send_ms, self.receive_ms),
            packets_sent=self.sent_total,
            packets_received=self.received_total,
            lost=self.send_lost_total + self.receive_lost_total,
            resent=self.resent_total,
            dropped=self.send_dropped_total + self.receive_dropped_total,
        )
