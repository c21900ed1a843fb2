"""The programs that publish and play: ffmpeg, GStreamer, rtmpdump."""

import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from tests.e2e.process import Process
from tests.e2e.server import environ


class Peers:
    """Starts programs, and ends all that still run when the test is over."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._processes: list[Process] = []

    def run(self, *command: str, environ: Mapping[str, str] | None = None) -> Process:
        """Start any program."""
        output = self._folder / f"{len(self._processes)}-{Path(command[0]).name}.log"
        process = Process(command, output, environ)
        self._processes.append(process)
        return process

    def publish(
        self,
        file: Path,
        url: str,
        *options: str,
        ffmpeg: str = "ffmpeg",
        is_paced: bool = False,
        is_endless: bool = False,
    ) -> Process:
        """Publish a file as it is with ffmpeg.

        Args:
            file: What.
            url: Where.
            options: Of the output.
            ffmpeg: The program.
            is_paced: In real time, not as fast as it goes.
            is_endless: In real time, again and again.
        """
        return self.run(
            *(ffmpeg, "-hide_banner", "-nostats", "-v", "verbose"),
            *(("-stream_loop", "-1") if is_endless else ()),
            *(("-re",) if is_paced or is_endless else ()),
            *("-i", str(file), "-map", "0", "-c", "copy", *options, "-f", "flv", url),
        )

    def play(self, url: str, file: Path, *options: str, ffmpeg: str = "ffmpeg") -> Process:
        """Play with ffmpeg into a file, whose name says its format."""
        command = (ffmpeg, "-hide_banner", "-nostats", "-v", "verbose", *options, "-i", url)
        copy = ("-map", "0:v?", "-map", "0:a?", "-copyts", "-c", "copy", "-flush_packets", "1")
        return self.run(*command, *copy, "-y", str(file))

    def gstreamer(self, *pipeline: str) -> Process:
        """Run a pipeline of GStreamer."""
        words = " ".join(pipeline).split()
        return self.run("gst-launch-1.0", "--no-position", "--eos-on-shutdown", *words)

    def rtmpdump(self, url: str, file: Path) -> Process:
        """Play with rtmpdump into an FLV file."""
        return self.run("rtmpdump", "--live", "--rtmp", url, "--flv", str(file))

    def headend(self, *arguments: str) -> Process:
        """Run a command of headend."""
        return self.run(sys.executable, "-m", "headend", *arguments, environ=environ())

    def python(self, source: str) -> Process:
        """Run a program in Python."""
        return self.run(sys.executable, "-c", source, environ=environ())

    def close(self) -> None:
        """End what still runs."""
        for process in self._processes:
            process.kill()


def play_with_ffmpeg(peers: Peers, url: str, file: Path) -> Process:
    return peers.play(url, file)


def play_with_rtmpdump(peers: Peers, url: str, file: Path) -> Process:
    return peers.rtmpdump(url, file)


def play_with_gstreamer(peers: Peers, url: str, file: Path) -> Process:
    # At StreamEOF rtmp2src drops a message that its pipeline has not taken yet: the last frame may
    # be missing.
    return peers.gstreamer(f"rtmp2src location={url} ! filesink location={file}")


PLAYERS: Sequence[Callable[[Peers, str, Path], Process]] = (
    play_with_ffmpeg,
    play_with_rtmpdump,
    play_with_gstreamer,
)
