"""Tests of the thread that writes the log: nobody who logs waits for who reads."""

import errno
import fcntl
import logging
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from threading import Thread

import pytest
from tests.e2e.wait import wait_for

from headend import log_writer, logs
from headend.log_writer import FileWriter, LineWriter

log = logging.getLogger("headend.test")


class Pipe:
    """A pipe of one page."""

    def __init__(self) -> None:
        self.reader, self.writer = os.pipe()
        fcntl.fcntl(self.writer, fcntl.F_SETPIPE_SZ, 4096)

    def read_all(self) -> str:
        """Close the writing end and return what comes out of the other."""
        os.close(self.writer)
        with os.fdopen(self.reader, "rb", closefd=False) as file:
            return file.read().decode()

    def read(self) -> str:
        return os.read(self.reader, 65536).decode()


@pytest.fixture
def pipe() -> Iterator[Pipe]:
    made = Pipe()
    yield made
    for fd in (made.reader, made.writer):
        with suppress(OSError):  # the test has closed it
            os.close(fd)


def _told(count: int) -> str:
    return f"{count} dropped"


def test_lines_come_at_once_and_in_order(pipe: Pipe) -> None:
    writer = LineWriter(pipe.writer, _told)
    writer.write("one")
    assert pipe.read() == "one\n"
    writer.write("two")
    writer.write("three")
    assert writer.flush()
    assert pipe.read() == "two\nthree\n"


def test_pipe_that_nobody_reads_stops_nobody_and_lines_are_counted_and_told(
    pipe: Pipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_writer, "MAX_CHARACTERS", 10_000)
    writer = LineWriter(pipe.writer, _told)
    for number in range(2_000):
        writer.write(f"line {number:05}")
    assert 0 < writer.dropped < 2_000
    assert not writer.flush(0.01)
    text, told = "", 0
    while told < writer.dropped:  # it may be told in several lines
        text += pipe.read()
        told = sum(map(int, re.findall(r"^(\d+) dropped\n", text, re.MULTILINE)))
    assert told == writer.dropped
    kept = [line for line in text.splitlines() if "dropped" not in line]
    assert len(kept) == 2_000 - writer.dropped
    assert kept == sorted(set(kept))  # in order; whichever found room
    assert text.splitlines()[-1].endswith("dropped")
    writer.write("it goes on")
    assert pipe.read() == "it goes on\n"


def test_reader_that_left_is_no_error_and_holds_nothing_up(pipe: Pipe) -> None:
    writer = LineWriter(pipe.writer, _told)
    os.close(pipe.reader)
    writer.write("nobody hears this")
    assert writer.flush()


def test_pipe_that_must_not_block_is_waited_for(pipe: Pipe) -> None:
    os.set_blocking(pipe.writer, False)
    writer = LineWriter(pipe.writer, _told)
    writer.write("x" * 20_000)
    text = ""
    while len(text) < 20_001:
        text += pipe.read()
    assert text == "x" * 20_000 + "\n"


def test_text_that_has_no_utf_8_is_escaped(pipe: Pipe) -> None:
    writer = LineWriter(pipe.writer, _told)
    writer.write("a \ud800 b")
    assert pipe.read() == "a \\ud800 b\n"


def test_closed_writer_writes_what_it_has_and_its_thread_ends(pipe: Pipe) -> None:
    writer = LineWriter(pipe.writer, _told)
    writer.write("last words")
    writer.close()
    assert pipe.read() == "last words\n"
    assert writer._thread is not None
    wait_for(lambda: writer._thread and not writer._thread.is_alive(), "the thread's end")


def test_process_that_was_forked_writes_its_own_lines_and_those_of_its_parent_once(
    pipe: Pipe,
) -> None:
    writer = LineWriter(pipe.writer, _told)
    writer.write("x" * 10_000)  # more than the pipe takes: it waits while the process is forked
    writer.write("of the parent")
    child = os.fork()
    if not child:
        with suppress(BaseException):
            writer.write("of the child")
            os._exit(0 if writer.flush() else 1)
        os._exit(2)
    text = ""
    while "of the parent" not in text or "of the child" not in text:
        text += pipe.read()
    assert os.waitpid(child, 0)[1] == 0
    assert sorted(len(line) for line in text.splitlines()) == [12, 13, 10_000]


def test_line_for_which_no_thread_can_begin_is_written_with_the_next(
    pipe: Pipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(thread: Thread) -> None:
        raise RuntimeError("can't start new thread")

    writer = LineWriter(pipe.writer, _told)
    with monkeypatch.context() as patched:
        patched.setattr(Thread, "start", fail)
        with pytest.raises(RuntimeError):
            writer.write("one")
    writer.write("two")
    assert writer.flush()
    assert pipe.read() == "one\ntwo\n"


# ------------------------------------------------------------------ a file


def test_file_is_made_for_its_owner_only_and_appended_to(tmp_path: Path) -> None:
    path = tmp_path / "headend.log"
    for line in ("one", "two"):
        writer = FileWriter(path, _told)
        writer.write(line)
        assert writer.flush()
        writer.close()
    assert path.read_text() == "one\ntwo\n"
    assert path.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("has_thread", [True, False])
def test_file_that_was_renamed_or_removed_is_followed_by_a_new_one(
    tmp_path: Path, *, has_thread: bool
) -> None:
    path = tmp_path / "headend.log"
    writer = FileWriter(path, _told)
    writer.has_thread = has_thread
    writer.write("one")
    assert writer.flush()
    path.rename(tmp_path / "headend.log.1")
    writer.write("two")
    assert writer.flush()
    assert (tmp_path / "headend.log.1").read_text() == "one\n"
    assert path.read_text() == "two\n"
    path.unlink()
    writer.write("three")
    assert writer.flush()
    assert path.read_text() == "three\n"
    writer.close()


def test_lines_that_no_disk_takes_are_counted_and_told_once_it_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "headend.log"
    writer = FileWriter(path, _told)
    writer.write("one")
    assert writer.flush()
    write = os.write

    def fill(fd: int, data: memoryview) -> int:
        """Take the beginning of a line, and then no more."""
        if fd == writer.fd and writer.dropped == 0 and path.stat().st_size == 4:
            return write(fd, data[:2])
        if fd == writer.fd:
            raise OSError(errno.ENOSPC, "No space left on device")
        return write(fd, data)

    with monkeypatch.context() as patched:
        patched.setattr(os, "write", fill)
        for line in ("two", "three"):
            writer.write(line)
            assert writer.flush()
    assert writer.dropped == 2
    told = f"headend: log file {path}: No space left on device; its lines are lost\n"
    assert capfd.readouterr().err == told
    writer.write("four")
    assert writer.flush()
    assert path.read_text() == "one\ntw\n2 dropped\nfour\n"
    writer.write("five")
    assert writer.flush()
    assert path.read_text().endswith("four\nfive\n")
    writer.close()


def test_file_in_a_folder_that_is_gone_is_written_once_the_folder_is_back(tmp_path: Path) -> None:
    path = tmp_path / "log" / "headend.log"
    writer = FileWriter(path, _told)
    writer.write("one")
    assert writer.flush()
    path.parent.mkdir()
    writer.write("two")
    assert writer.flush()
    assert path.read_text() == "1 dropped\ntwo\n"
    writer.close()
    assert writer._thread is not None
    writer._thread.join()
    assert writer.fd == log_writer.CLOSED


@pytest.mark.parametrize("kind", ["folder", "pipe"])
def test_only_a_file_is_taken(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "it"
    reader = None
    if kind == "folder":
        path.mkdir()
    else:
        os.mkfifo(path)
        reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    with pytest.raises(OSError, match=r"directory|no file"):
        logs.check_file(path)
    if reader is not None:
        os.close(reader)


# ------------------------------------------------------------------ the log of a program

_PROGRAM = """
import logging, sys
from headend import logs
logs.configure("info", sys.argv[1])
log = logging.getLogger("headend.test")
for number in range(int(sys.argv[2])):
    log.info("line %d", number)
print("all logged", flush=True)
"""


def _program(log_format: str, lines: int) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-c", _PROGRAM, log_format, str(lines)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_last_lines_of_a_process_that_ends_arrive() -> None:
    with _program("text", 500) as process:
        _, text = process.communicate()
    assert process.returncode == 0
    assert text.splitlines()[-1].endswith("INFO line 499")
    assert len(text.splitlines()) == 500


@pytest.mark.parametrize("log_format", ["text", "json"])
def test_process_whose_log_nobody_reads_goes_on_and_ends(log_format: str) -> None:
    with _program(log_format, 40_000) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "all logged\n"
        assert process.wait() == 0
        assert process.stderr is not None
        assert process.stderr.readline()


def test_what_was_dropped_is_told_in_the_log_and_counted(
    pipe: Pipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_writer, "MAX_CHARACTERS", 10_000)
    root, ours = logging.getLogger(), logging.getLogger("headend")
    before = root.level, ours.level, list(root.handlers)
    try:
        with os.fdopen(pipe.writer, "w", closefd=False) as stream:
            logs.configure("info", "text", stream)
            handler = root.handlers[-1]
            logs.configure("info", "text", stream)
            assert root.handlers[-1] is handler, "a reload keeps the thread and its lines"
            for _ in range(1_000):
                log.info("x")
            dropped = logs.dropped()
            assert dropped > 0
            text, told = "", 0
            said = r" WARNING log: (\d+) lines were dropped, because nobody read the ones before\n"
            while told < dropped:  # it may be told in several lines
                text += pipe.read()
                told = sum(map(int, re.findall(said, text)))
            assert told == dropped
            logs.flush()
    finally:
        handler.close()
        logging.captureWarnings(False)
        root.setLevel(before[0])
        ours.setLevel(before[1])
        root.handlers[:] = before[2]
