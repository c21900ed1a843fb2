"""Mutated streams of every codec, packaged in a child with a time limit.

To see one again: python -m tests.fuzz.packaging CODEC CONTAINER NUMBER 1
"""

import subprocess
import sys

import pytest
from hypothesis import settings
from tests.fuzz.packaging import AUDIO_CODECS, VIDEO_CODECS

STREAMS = (
    8 if (settings.default or settings()).max_examples <= 1000 else 2000
)  # `make fuzz` tries more
START_S = 60.0  # to encode the clean stream, on a machine that does other things too
STREAM_S = 5.0  # packaging one takes a few hundredths


@pytest.mark.parametrize("container", ["fmp4", "mpegts"])
@pytest.mark.parametrize("codec", [*VIDEO_CODECS, *AUDIO_CODECS])
def test_mutated_streams_neither_crash_nor_hang_packaging(codec: str, container: str) -> None:
    command = [sys.executable, "-m", "tests.fuzz.packaging", codec, container, "0", str(STREAMS)]
    limit = START_S + STREAM_S * STREAMS
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=limit)
    except subprocess.TimeoutExpired as expired:
        printed = (expired.stdout or b"").decode().split()
        pytest.fail(f"stream {printed[-1:]} of {codec} in {container} hangs packaging")
    printed = done.stdout.split()
    assert done.returncode == 0, f"stream {printed[-1:]}: {done.stderr[-2000:]}"
    assert printed[-2] == "longest"
