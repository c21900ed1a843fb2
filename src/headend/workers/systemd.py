"""Listening sockets that systemd hands over.

Source: sd_listen_fds(3).
"""

import os
import socket
from collections.abc import MutableMapping
from typing import Final

FIRST_DESCRIPTOR: Final = 3  # SD_LISTEN_FDS_START


def handed_over(environ: MutableMapping[str, str] | None = None) -> dict[str, list[socket.socket]]:
    """Take the listening sockets that systemd has opened, by name (FileDescriptorName=).

    Processes that this one starts do not see them again.
    """
    environ = os.environ if environ is None else environ
    count, pid = environ.pop("LISTEN_FDS", ""), environ.pop("LISTEN_PID", "")
    names = environ.pop("LISTEN_FDNAMES", "").split(":")
    if not count.isdecimal() or pid != str(os.getpid()):
        return {}
    sockets: dict[str, list[socket.socket]] = {}
    for index in range(int(count)):
        descriptor = FIRST_DESCRIPTOR + index
        os.set_inheritable(descriptor, False)
        sock = socket.socket(fileno=descriptor)
        sock.setblocking(False)
        name = names[index] if index < len(names) else ""
        sockets.setdefault(name, []).append(sock)
    return sockets
