"""What the losses of a connection mean, in words."""

import pytest

from headend.libsrt.loss import SAMPLES, LossWatch
from headend.net.figures import Figures


def figures(
    received: int, lost: int = 0, dropped: int = 0, *, rtt_ms: float = 120, latency_ms: int = 120
) -> Figures:
    return Figures(
        rtt_ms=rtt_ms,
        bandwidth=100_000_000,
        latency_ms=latency_ms,
        buffer_ms=0,
        packets_sent=0,
        packets_received=received,
        lost=lost,
        resent=0,
        dropped=dropped,
    )


def findings(*samples: Figures | None) -> list[str]:
    watch = LossWatch()
    for each in samples:
        watch.sample(each)
    return watch.findings()


def test_much_loss_at_little_latency_says_how_much_latency_helps() -> None:
    assert findings(figures(0), figures(1000, 40)) == [
        "loss 4 %: raise latency to 4 × RTT = 480 ms"
    ]


def test_a_loss_that_latency_has_mended_is_no_finding() -> None:
    assert findings(figures(0, latency_ms=480), figures(1000, 40, latency_ms=480)) == []


def test_loss_in_spite_of_latency_asks_for_fewer_bits() -> None:
    (text,) = findings(figures(0, rtt_ms=1), figures(1000, 100, 60, rtt_ms=1))
    assert text == (
        "loss 9.4 %, 60 packets in 1 s for good: lower the bit rate, or raise latency above 120 ms"
    )


@pytest.mark.parametrize(
    "samples",
    [
        [],
        [figures(1000, 40)],
        [None, figures(1000, 40)],
        [figures(0), figures(1000, 5)],
        [figures(0), figures(50, 40)],
    ],
    ids=["nothing", "one", "none and one", "little loss", "few packets"],
)
def test_what_says_nothing_yet_is_no_finding(samples: list[Figures | None]) -> None:
    assert findings(*samples) == []


def test_old_losses_are_forgotten() -> None:
    later = [figures(1000 * number, 40) for number in range(2, SAMPLES + 2)]
    assert findings(figures(0), figures(1000, 40), *later) == []
