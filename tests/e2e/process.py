"""Programs beside a test, and what they say."""

import shutil
import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
from tests.e2e.wait import LIMIT_S, wait_for


class Process:
    """A program that runs; both its outputs go to one file."""

    def __init__(
        self, command: Sequence[str], output: Path, environ: Mapping[str, str] | None = None
    ) -> None:
        """Start a program; the test is skipped where it is not installed."""
        if shutil.which(command[0]) is None:
            pytest.skip(f"{command[0]} is not installed")
        self.command = command
        self._output = output
        with output.open("wb") as file:
            self._popen = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=file, stderr=file, env=environ
            )

    @property
    def pid(self) -> int:
        return self._popen.pid

    @property
    def is_running(self) -> bool:
        return self._popen.poll() is None

    def output(self) -> str:
        """Return what it has said so far."""
        return self._output.read_text(errors="replace")

    def wait(self, limit_s: float = LIMIT_S) -> int:
        """Wait until it ends by itself; return its exit code."""
        try:
            return self._popen.wait(limit_s)
        except subprocess.TimeoutExpired:
            raise AssertionError(
                f"still runs after {limit_s:g} s: {' '.join(self.command)}\n{self.output()}"
            ) from None

    def succeed(self, limit_s: float = LIMIT_S) -> None:
        """Wait until it ends by itself, with exit code 0."""
        code = self.wait(limit_s)
        assert code == 0, f"exit code {code}: {' '.join(self.command)}\n{self.output()}"

    def wait_output(self, text: str, limit_s: float = LIMIT_S) -> None:
        """Wait until it says a text."""
        wait_for(
            lambda: text in self.output(), f"{text!r} in the output of {self.command}", limit_s
        )

    def send(self, number: signal.Signals) -> None:
        self._popen.send_signal(number)

    def kill(self) -> None:
        """End it without a word to its peers."""
        self._popen.kill()
        self._popen.wait()
