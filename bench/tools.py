"""The load tools, which are small C programs: built, and steered over pipes."""

import json
import os
import shutil
import subprocess
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Final, Self

from headend.cli.bench_server import stop

HERE: Final = Path(__file__).parent
BUILD: Final = HERE / ".build"
ANSWER_S: Final = 120.0  # thousands of players may join a slow server before "add" is answered
STOP_S: Final = 10.0
CORES: Final = sorted(os.sched_getaffinity(0))
SERVER_CORE: Final = CORES[0]
LOAD_CORE: Final = CORES[-1]
TLS_SUFFIX: Final = "-tls"

Answer = dict[str, float]


class BenchError(Exception):
    """A server or a tool could not do its part; the text says which and why."""


def compiler() -> str | None:
    """Find the C compiler that builds the load tools."""
    return shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")


def has_openssl() -> bool:
    """Tell whether the compiler finds OpenSSL's headers, which load tools with TLS need."""
    command = [compiler() or "false", "-E", "-include", "openssl/ssl.h", "-x", "c", "/dev/null"]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def srt_libraries(name: str) -> list[str]:
    """Return what a tool for SRT is linked with: either flavour of Debian's libsrt.

    Raises:
        BenchError: There is none with headers.
    """
    if not name.startswith("srt"):
        return []
    for flavour in ("srt-openssl", "srt-gnutls", "srt"):
        command = [compiler() or "false", "-shared", "-o", "/dev/null", f"-l{flavour}"]
        if subprocess.run(command, capture_output=True, check=False).returncode == 0:
            return [f"-l{flavour}"]
    raise BenchError("no headers of libsrt: install the Debian package libsrt-openssl-dev")


def build(name: str) -> Path:
    """Compile `bench/NAME.c` unless its program is newer; `NAME-tls` is the same with TLS.

    Raises:
        BenchError: There is no compiler, or it refuses the source.
    """
    program, source = BUILD / name, HERE / f"{name.removesuffix(TLS_SUFFIX)}.c"
    newest = max(path.stat().st_mtime for path in (source, *HERE.glob("*.h")))
    if program.exists() and program.stat().st_mtime >= newest:
        return program
    cc = compiler()
    if cc is None:
        raise BenchError("no C compiler: install the Debian package gcc")
    is_tls = name.endswith(TLS_SUFFIX)
    if is_tls and not has_openssl():
        raise BenchError("no OpenSSL headers: install the Debian package libssl-dev")
    BUILD.mkdir(exist_ok=True)
    command = [cc, "-O2", "-std=gnu11", "-Wall", "-Wextra", "-Wno-sign-compare"]
    command += ["-DLOAD_TLS"] if is_tls else []
    libraries = ["-lssl", "-lcrypto"] if is_tls else srt_libraries(name)
    done = subprocess.run(
        [*command, "-o", program, source, *libraries], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise BenchError(f"{name}.c does not compile:\n{done.stderr}")
    return program


def pinned(command: Sequence[str | Path], core: int) -> list[str]:
    """Put a command on one core; the process keeps its pid."""
    return ["taskset", "-c", str(core), *map(str, command)]


class Tool:
    """A running program that takes commands on stdin and answers with lines of JSON."""

    def __init__(self, process: subprocess.Popen[str], name: str) -> None:
        """Take over a process with pipes; `start` is the usual way."""
        self.name = name
        self.pid = process.pid
        self._process = process
        self._answers: SimpleQueue[str] = SimpleQueue()
        threading.Thread(target=self._read, daemon=True).start()

    @classmethod
    @contextmanager
    def start(cls, name: str, *arguments: str | int, core: int = LOAD_CORE) -> Iterator[Self]:
        """Build a load tool and run it on a core until the block ends."""
        with cls.run([build(name), *map(str, arguments)], core=core) as tool:
            yield tool

    @classmethod
    @contextmanager
    def run(cls, command: Sequence[str | Path], *, core: int) -> Iterator[Self]:
        """Run any command that speaks the line protocol until the block ends."""
        process = subprocess.Popen(
            pinned(command, core),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=HERE.parent,
        )
        try:
            yield cls(process, Path(command[0]).name)
        finally:
            stop(process)

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._answers.put(line)
        self._answers.put("")

    def tell(self, command: str) -> None:
        """Send a command that has no answer."""
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(command + "\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            raise BenchError(f"{self.name} has ended") from None

    def answer(self) -> Answer:
        """Wait for the next line.

        Raises:
            BenchError: The program ended, or said nothing for two minutes.
        """
        try:
            line = self._answers.get(timeout=ANSWER_S)
        except Empty:
            raise BenchError(f"{self.name} does not answer") from None
        if not line:
            raise BenchError(f"{self.name} has ended: it printed why")
        fields = json.loads(line)
        return {key: float(value) for key, value in fields.items() if key != "event"}

    def ask(self, command: str) -> Answer:
        """Send a command and wait for its answer."""
        self.tell(command)
        return self.answer()

    def wait(self) -> None:
        """Wait until the program has ended by itself."""
        self._process.wait(STOP_S)
