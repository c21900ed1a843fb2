"""`headend` as a process, for tests of commands that need a server or a signal."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

from tests.e2e.wait import LIMIT_S, wait_for

SOURCE = Path(__file__).parents[2] / "src"


class Program:
    """A running command.

    Attributes:
        errors: File that holds its stderr.
        stdout: File that holds its stdout.
    """

    def __init__(self, folder: Path, *arguments: str) -> None:
        self.stdout = folder / "stdout"
        self.errors = folder / "stderr"
        environment = {**os.environ, "PYTHONPATH": str(SOURCE)}
        with self.stdout.open("wb") as stdout, self.errors.open("wb") as errors:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "headend", *arguments],
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=stdout,
                stderr=errors,
            )

    @property
    def is_running(self) -> bool:
        return self._process.poll() is None

    def interrupt(self) -> int:
        """Do what Ctrl-C does; return the exit code."""
        self._process.send_signal(signal.SIGINT)
        return self.wait()

    def wait(self) -> int:
        return self._process.wait(LIMIT_S)

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()


class Server(Program):
    """A running server.

    Attributes:
        url: Start of RTMP URLs, without a name.
    """

    def __init__(self, folder: Path, *arguments: str, command: str = "serve") -> None:
        ready = folder / "ready.json"
        listeners: tuple[str, ...] = ("--rtmp", "127.0.0.1:0", "--tls", "off", "--srt", "off")
        if "--http" not in arguments:
            listeners += ("--http", "off")
        state = ("--data", str(folder / "data"), "--ready-file", str(ready))
        super().__init__(folder, command, *listeners, *state, *arguments)
        wait_for(lambda: ready.exists() or not self.is_running, "a server that is ready")
        assert self.is_running, self.errors.read_text()
        self._earlier = 0
        address = json.loads(ready.read_text())["rtmp"][0]
        self.url = f"rtmp://{address}/live"

    def begin_log(self) -> None:
        """Have `log` begin here: what other tests of a shared server made it say is no news."""
        self._earlier = self.errors.stat().st_size

    def log(self) -> str:
        """Return what the server has said since its start, or since `begin_log`."""
        return self.errors.read_bytes()[self._earlier :].decode()
