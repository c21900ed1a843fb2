"""Listening sockets that systemd hands over."""

import os
import socket
import subprocess
import sys

from headend.workers import systemd

PROGRAM = """
import os, socket
os.environ |= {"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": "2", "LISTEN_FDNAMES": "rtmp:http"}
from headend.workers.systemd import handed_over
found = handed_over()
print({name: [each.getsockname()[1] for each in sockets] for name, sockets in found.items()})
print([name for name in os.environ if name.startswith("LISTEN")], handed_over())
"""


def test_sockets_of_systemd_are_taken_by_name_and_once() -> None:
    def place(sockets: list[socket.socket]) -> None:
        kept = [os.dup(each.fileno()) for each in sockets]
        for number, descriptor in enumerate(kept, systemd.FIRST_DESCRIPTOR):
            os.dup2(descriptor, number)

    with (
        socket.create_server(("127.0.0.1", 0)) as one,
        socket.create_server(("127.0.0.1", 0)) as other,
    ):
        ports = [each.getsockname()[1] for each in (one, other)]
        done = subprocess.run(
            [sys.executable, "-c", PROGRAM],
            check=True,
            capture_output=True,
            text=True,
            close_fds=False,
            preexec_fn=lambda: place([one, other]),
        )
    expected = {"rtmp": [ports[0]], "http": [ports[1]]}
    assert done.stdout.splitlines() == [str(expected), "[] {}"]


def test_sockets_for_another_process_are_left_alone() -> None:
    assert systemd.handed_over({"LISTEN_FDS": "1", "LISTEN_PID": "1"}) == {}
