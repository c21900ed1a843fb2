"""The test signal of `headend demo`, in real time and with the clock of the wall."""

import time
from collections.abc import Generator
from datetime import datetime

from headend.codec.signal import Draw, SignalEncoder, SignalFormat
from headend.media.tag import Tag


def batches(draw: Draw | None = None) -> Generator[list[Tag], None, None]:
    """Draw and encode in real time, for ever; blocks.

    Args:
        draw: Draws the Y plane of a frame; None: as `SignalPicture.luma` does.
    """
    form = SignalFormat()
    encoder = SignalEncoder(form, draw)
    started = time.monotonic()
    number = 0
    while True:
        # A machine that is too slow leaves frames out, and stays in time.
        number = max(number + 1, int((time.monotonic() - started) * form.frame_rate))
        time.sleep(max(0.0, started + number / form.frame_rate - time.monotonic()))
        clock = datetime.now().isoformat(timespec="milliseconds")[11:]
        yield encoder.encode(number, clock)
