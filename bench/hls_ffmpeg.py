"""FFmpeg as a player of HLS, for codecs that Chromium does not decode."""

import subprocess
import time
from itertools import pairwise
from typing import Final

from bench.tools import LOAD_CORE, pinned

LEAST_S: Final = 0.1  # a picture that lasts longer than the one before by less is not seen to
PATIENCE_S: Final = 30.0  # beyond the time it plays


class FfmpegPlayer:
    """FFmpeg that decodes the pictures of a live playlist for some time."""

    def __init__(self, ffmpeg: str, url: str, seconds: float) -> None:
        """Begin to play."""
        command = [ffmpeg, "-v", "error", "-nostdin", "-re", "-i", url, "-t", f"{seconds:g}"]
        command += ["-map", "0:v", "-fps_mode", "passthrough", "-f", "framecrc", "-"]
        self._end = time.monotonic() + seconds + PATIENCE_S
        self._process = subprocess.Popen(
            pinned(command, LOAD_CORE), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )

    def result(self) -> tuple[list[tuple[float, float]], list[str]]:
        """Wait for the end.

        Returns:
            Where pictures are missing: seconds from the first one and how long; and what FFmpeg
            said. Without any picture that is one hole of no length.
        """
        try:
            out, said = self._process.communicate(timeout=max(1.0, self._end - time.monotonic()))
        except subprocess.TimeoutExpired:
            self._process.kill()
            out, said = self._process.communicate()
        times = _times(out)
        steps = [later - earlier for earlier, later in pairwise(times)]
        usual = sorted(steps)[len(steps) // 2] if steps else 0.0
        holes = [
            (time - times[0], step - usual)
            for time, step in zip(times[1:], steps, strict=True)
            if step - usual >= LEAST_S
        ]
        return holes if steps else [(0.0, 0.0)], said.splitlines()

    def close(self) -> None:
        """End it if it runs."""
        self._process.kill()
        self._process.wait()


def _times(crc: str) -> list[float]:
    """Return when pictures are shown, in seconds, from the output of framecrc."""
    base, times = 1.0, []
    for line in crc.splitlines():
        if line.startswith("#tb 0:"):
            over, _, under = line.partition(":")[2].partition("/")
            base = int(over) / int(under)
        elif line.startswith("0,"):
            times.append(int(line.split(",")[2]) * base)
    return sorted(times)
