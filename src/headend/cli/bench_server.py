"""A Headend for benchmarks alone, on loopback and free ports.

`headend bench tls` runs it, and so do the benchmarks of the repository.
"""

import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from headend.client import TlsOptions
from headend.errors import HeadendError
from headend.rtmp.url import Url, parse_url

START_S = 20.0
STOP_S = 15.0  # above limits.shutdown_s
LOOK_S = 0.005
LOOPBACK = "127.0.0.1:0"
NOT_PASSED_ON = ("HEADEND_", "PYTHONDONTWRITEBYTECODE")


@dataclass(frozen=True, slots=True)
class OwnServer:
    """A server that runs.

    Attributes:
        pid: Its process.
        rtmp: HOST:PORT.
        tls: HOST:PORT.
        certificate: PEM file of the certificate it signed itself.
    """

    pid: int
    rtmp: str
    tls: str
    certificate: Path

    def targets(self) -> list[tuple[str, Url, TlsOptions | None]]:
        """Name what is compared, each with its URL and whom to trust."""
        trust = TlsOptions(ca=self.certificate)
        return [
            ("RTMP", parse_url(f"rtmp://{self.rtmp}/live/bench"), None),
            ("RTMPS", parse_url(f"rtmps://{self.tls}/live/bench-tls"), trust),
        ]


@contextmanager
def own_server() -> Iterator[OwnServer]:
    """Run a server with default settings in a folder that is deleted afterwards.

    Raises:
        HeadendError: It does not start; holds its last words.
    """
    with TemporaryDirectory(prefix="headend-bench-") as name:
        folder = Path(name)
        listen = ("--rtmp", LOOPBACK, "--tls", LOOPBACK, "--http", "off", "--srt", "off")
        process = start(folder, *listen)
        try:
            ready = wait_ready(process, folder)
            certificate = folder / "data" / "tls" / "self-signed.pem"
            yield OwnServer(process.pid, ready["rtmp"][0], ready["tls"][0], certificate)
        finally:
            stop(process)


def start(folder: Path, *flags: str, before: Sequence[str] = ()) -> subprocess.Popen[str]:
    """Start `headend serve` with its data, log and ready file in a folder; `stop` ends it.

    Args:
        folder: Is there, and empty.
        flags: Of `headend serve`: where it listens, and more.
        before: A program that runs it, with its flags.
    """
    command = [*before, sys.executable, "-m", "headend", "serve", "--log-level", "warning", *flags]
    command += ["--data", str(folder / "data"), "--ready-file", str(folder / "ready.json")]
    # Neither the user's settings nor another Headend than this one; compiled, as an installed one.
    environment = {k: v for k, v in os.environ.items() if not k.startswith(NOT_PASSED_ON)}
    environment["PYTHONPATH"] = str(Path(__file__).parents[2])
    with (folder / "log").open("wb") as log:
        return subprocess.Popen(
            command, cwd=folder, env=environment, stdout=log, stderr=log, text=True
        )


def wait_ready(process: subprocess.Popen[str], folder: Path) -> dict[str, list[str]]:
    """Return where a server that was started in a folder listens, by listener.

    Raises:
        HeadendError: It does not start; holds its last words.
    """
    ready = folder / "ready.json"
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline and process.poll() is None:
        if ready.exists():
            document: dict[str, list[str]] = json.loads(ready.read_text())
            return document
        time.sleep(LOOK_S)
    lines = (folder / "log").read_text(errors="replace").splitlines() or ["it says nothing"]
    raise HeadendError(f"the server does not start: {lines[-1]}")


def stop(process: subprocess.Popen[str]) -> None:
    """End a process: politely, then not."""
    process.terminate()
    try:
        process.wait(STOP_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def cpu_s(pid: int | None) -> float | None:
    """CPU time of a process, user and system, in seconds; None where there is no /proc."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    fields = text.rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def raise_descriptor_limit() -> None:
    """Use all the open files we may have: every player is one."""
    _soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
