"""What the losses of a connection mean for its operator, in words."""

import math
from collections import deque
from typing import Final

from headend.net.figures import Figures

SAMPLES: Final = 11  # one a second: ten seconds
LEAST_PACKETS: Final = 100  # in them; fewer say nothing
MUCH: Final = 0.01  # of all packets
ROUND_TRIPS: Final = 4  # that latency should last: a loss is reported and mended twice
STEP_MS: Final = 10  # to which an advice is rounded up


class LossWatch:
    """The figures of the last seconds of one connection."""

    def __init__(self) -> None:
        self._figures: deque[Figures] = deque(maxlen=SAMPLES)

    def sample(self, figures: Figures | None) -> None:
        """Take what libsrt tells now; called once a second."""
        if figures is not None:
            self._figures.append(figures)

    def findings(self) -> list[str]:
        """Say what an operator should do; nothing if all is well."""
        if len(self._figures) < 2:
            return []
        then, now = self._figures[0], self._figures[-1]
        lost, dropped = now.lost - then.lost, now.dropped - then.dropped
        packets = (
            now.packets_received - then.packets_received + now.packets_sent - then.packets_sent
        )
        if packets + dropped < LEAST_PACKETS:
            return []
        share = max(lost, dropped) / (packets + dropped)
        wanted_ms = math.ceil(ROUND_TRIPS * now.rtt_ms / STEP_MS) * STEP_MS
        loss = f"loss {100 * share:.2g} %"
        if (share >= MUCH or dropped) and now.latency_ms < wanted_ms:
            return [f"{loss}: raise latency to {ROUND_TRIPS} × RTT = {wanted_ms} ms"]
        if dropped:
            return [
                f"{loss}, {dropped} packets in {len(self._figures) - 1} s for good: lower the bit "
                f"rate, or raise latency above {now.latency_ms} ms"
            ]
        return []
