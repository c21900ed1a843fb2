"""What libsrt tells of a connection, as plain values."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Figures:
    """How the network treats a connection; totals since it began.

    Attributes:
        rtt_ms: Round-trip time.
        bandwidth: Of the way, bit/s, as libsrt estimates it.
        latency_ms: In which a lost packet can be sent again, as both ends have agreed.
        buffer_ms: Of media that wait: for their time, or to be acknowledged.
        packets_sent: Of data, those sent again among them.
        packets_received: Of data.
        lost: Packets reported lost, of which most were sent again.
        resent: Packets sent again by us.
        dropped: Packets that came too late, or would have.
        advice: What to do about losses of the last seconds, a line each.
    """

    rtt_ms: float
    bandwidth: int
    latency_ms: int
    buffer_ms: int
    packets_sent: int
    packets_received: int
    lost: int
    resent: int
    dropped: int
    advice: tuple[str, ...] = ()
