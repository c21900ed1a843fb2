"""The supervisor, with workers that do nothing: each test runs one as a program."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

# A worker says that it is ready, and beats until it is told what else to do.
PROGRAM = """
import os, signal, sys, time
from pathlib import Path
from headend import logs
from headend.settings import load_settings
from headend.workers.ports import SharedPorts
from headend.workers.supervisor import Supervisor
from headend.workers.switch import TableSwitch

folder = Path(sys.argv[1])
logs.configure()
logs.write_without_thread()
settings = load_settings(
    None, ["rtmp.listen=127.0.0.1:0", "tls.listen=off", "http.listen=off"], environ={}
).settings
ports = SharedPorts(settings, 2)
supervisor = Supervisor(
    ports, 2, TableSwitch(ports, "here"), shutdown_s=0.2, hang_s=1.0,
    ready=lambda addresses: (folder / "ready").write_text("ready"),
)
worker = supervisor.run()
if isinstance(worker, int):
    (folder / "over").write_text(str(worker))
    sys.exit(worker)

def hang_here():
    while True:
        time.sleep(60)

def act():
    word = folder / f"{worker.number}.do"
    if not word.exists():
        return
    what = word.read_text()
    word.unlink()
    if what == "hang":
        hang_here()
    sys.exit(int(what))

signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
worker.pipe.send({"kind": "ready", "addresses": {}})
number = len(list(folder.glob(f"{worker.number}.pid.*")))
(folder / f"{worker.number}.pid.{number}").write_text(str(os.getpid()))
while True:
    worker.board.beat(worker.number, time.monotonic())
    act()
    try:
        worker.pipe.receive()
    except EOFError:
        sys.exit(0)
    time.sleep(0.02)
"""


class Run:
    """A supervisor that runs."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.log = folder / "log"
        environ = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
        with self.log.open("wb") as file:
            self.process = subprocess.Popen(
                [sys.executable, "-c", PROGRAM, str(folder)], stderr=file, env=environ
            )

    def wait(self, name: str) -> str:
        """Wait until a file is written; return what it says."""
        path, end = self.folder / name, time.monotonic() + 60
        while not (path.exists() and path.read_text()):
            assert time.monotonic() < end, f"no {name}: {self.log.read_text()}"
            time.sleep(0.02)
        return path.read_text()

    def wait_log(self, text: str) -> None:
        end = time.monotonic() + 60
        while text not in self.log.read_text():
            assert time.monotonic() < end, f"no {text!r}: {self.log.read_text()}"
            time.sleep(0.02)

    def is_over(self, pid: int) -> bool:
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except FileNotFoundError:
            return True
        return state == "Z"


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Run]:
    made = Run(tmp_path)
    made.wait("ready")
    yield made
    made.process.kill()
    made.process.wait()


def test_worker_that_ends_is_started_again_and_the_other_goes_on(run: Run) -> None:
    other = run.wait("0.pid.0")
    os.kill(int(run.wait("1.pid.0")), signal.SIGKILL)
    run.wait("1.pid.1")
    run.wait_log("worker 1 was ended by SIGKILL; another is started")
    assert not run.is_over(int(other))
    assert not (run.folder / "0.pid.1").exists()


def test_worker_that_hangs_is_replaced_and_the_log_has_its_stack(run: Run) -> None:
    (run.folder / "1.do").write_text("hang")
    run.wait("1.pid.1")
    run.wait_log("worker 1 hangs: nothing for ")
    run.wait_log("in hang_here")


def test_stop_ends_all_workers_and_says_that_all_went_well(run: Run) -> None:
    pids = [int(run.wait(f"{number}.pid.0")) for number in (0, 1)]
    run.process.send_signal(signal.SIGTERM)
    assert run.process.wait(60) == 0
    assert run.wait("over") == "0"
    assert all(map(run.is_over, pids))


def test_supervisor_that_is_killed_leaves_no_workers(run: Run) -> None:
    pids = [int(run.wait(f"{number}.pid.0")) for number in (0, 1)]
    run.process.kill()
    run.process.wait()
    end = time.monotonic() + 60
    while not all(map(run.is_over, pids)):
        assert time.monotonic() < end
        time.sleep(0.02)


def test_worker_whose_settings_are_wrong_ends_the_server_with_its_exit_code(run: Run) -> None:
    (run.folder / "1.do").write_text("2")
    assert run.process.wait(60) == 2
