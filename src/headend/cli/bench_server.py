"""A Headend for `headend bench tls` alone, on loopback and free ports."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from headend.client import TlsOptions
from headend.errors import HeadendError
from headend.rtmp.url import Url, parse_url

START_S = 20.0
STOP_S = 15.0  # above limits.shutdown_s
LOOK_S = 0.02


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
        process = _start(folder)
        try:
            ready = _wait_ready(process, folder)
            certificate = folder / "data" / "tls" / "self-signed.pem"
            yield OwnServer(process.pid, ready["rtmp"][0], ready["tls"][0], certificate)
        finally:
            _stop(process)


def _start(folder: Path) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "headend", "serve", "--http", "off"]
    command += ["--rtmp", "127.0.0.1:0", "--tls", "127.0.0.1:0", "--log-level", "warning"]
    command += ["--data", str(folder / "data"), "--ready-file", str(folder / "ready.json")]
    # Neither the user's settings nor another Headend than this one.
    environment = {k: v for k, v in os.environ.items() if not k.startswith("HEADEND_")}
    environment["PYTHONPATH"] = str(Path(__file__).parents[2])
    with (folder / "log").open("wb") as log:
        return subprocess.Popen(command, cwd=folder, env=environment, stdout=log, stderr=log)


def _wait_ready(process: subprocess.Popen[bytes], folder: Path) -> dict[str, list[str]]:
    ready = folder / "ready.json"
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline and process.poll() is None:
        if ready.exists():
            document: dict[str, list[str]] = json.loads(ready.read_text())
            return document
        time.sleep(LOOK_S)
    lines = (folder / "log").read_text(errors="replace").splitlines() or ["it says nothing"]
    raise HeadendError(f"the server does not start: {lines[-1]}")


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(STOP_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
