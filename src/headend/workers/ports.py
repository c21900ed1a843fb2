"""The ports that all workers share.

Where the system spreads connections over the sockets of one port (SO_REUSEPORT of Linux), each
worker has a socket of its own; elsewhere, and with unix sockets, all accept from the same one. The
supervisor keeps them open: connections wait for a worker that is started again.
"""

import os
import shutil
import socket
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Final

from headend.net.listener import open_socket
from headend.settings import Address, Settings

SPREADS: Final = sys.platform == "linux"  # macOS gives all connections to the newest socket
PEERS: Final = ("rtmp", "http")


class SharedPorts:
    """The listening sockets of all workers.

    Attributes:
        folder: Folder of the sockets by which workers reach each other; only this user may enter.
    """

    def __init__(
        self,
        settings: Settings,
        count: int,
        given: Mapping[str, Sequence[socket.socket]] | None = None,
    ) -> None:
        """Open the sockets.

        Args:
            settings: Settings at the start.
            count: How many workers there are.
            given: Sockets that listen already, by listener, in place of those of the settings.

        Raises:
            HeadendError: An address cannot be used; nothing is left open.
        """
        given = given or {}
        with ExitStack() as opened:
            self._unix: Final[list[str]] = []
            self.folder: Final = Path(tempfile.mkdtemp(prefix="headend-"))
            opened.callback(shutil.rmtree, self.folder, ignore_errors=True)
            self._sockets: Final[list[dict[str, list[socket.socket]]]] = [{} for _ in range(count)]
            for name, addresses in settings.tcp_listen.items():
                found = [[each] * count for each in given.get(name, ())]
                if name not in given:
                    found = [self._open(each, opened) for each in addresses]
                for worker, sockets in enumerate(self._sockets):
                    sockets[name] = [each[worker] for each in found]
            self._peers: Final = [
                {
                    name: opened.enter_context(open_socket(Address(path=str(self.path(n, name)))))
                    for name in PEERS
                }
                for n in range(count)
            ]
            for path in self.folder.iterdir():
                path.chmod(0o600)
            self._opened: Final = opened.pop_all()

    def _open(self, address: Address, opened: ExitStack) -> list[socket.socket]:
        """Open one address for all workers."""
        count = len(self._sockets)
        if address.path is not None or not SPREADS:
            sock = opened.enter_context(open_socket(address))
            if address.path is not None:
                self._unix.append(address.path)
            return [sock] * count
        # Who shares a port lets others of this user share it too: see first that nobody is there.
        open_socket(address).close()
        first = opened.enter_context(open_socket(address, is_shared=True))
        same = Address(host=address.host, port=first.getsockname()[1])
        others = (open_socket(same, is_shared=True) for _ in range(count - 1))
        return [first, *(opened.enter_context(each) for each in others)]

    def path(self, worker: int, name: str) -> Path:
        """Return the unix socket at which other workers reach one: rtmp or http."""
        return self.folder / f"{worker}.{name}"

    def of(self, worker: int) -> Mapping[str, Sequence[socket.socket]]:
        """Return the sockets of one worker, by listener: rtmp, tls and http."""
        return self._sockets[worker]

    def peers_of(self, worker: int) -> Mapping[str, socket.socket]:
        """Return the sockets on which one worker listens for the others: rtmp and http."""
        return self._peers[worker]

    def leave_to(self, worker: int) -> None:
        """Close, in the process of one worker, the sockets that only other workers use."""
        kept = {each for sockets in self._sockets[worker].values() for each in sockets}
        for number, sockets in enumerate(self._sockets):
            if number != worker:
                listening = [each for some in sockets.values() for each in some]
                for sock in {*listening, *self._peers[number].values()} - kept:
                    sock.close()

    def stop_listening(self) -> None:
        """Have nobody wait for a worker any more: they all stop; it may be called again."""
        for sockets in self._sockets:
            for sock in (each for some in sockets.values() for each in some):
                sock.close()
        for path in self._unix:
            with suppress(OSError):
                os.unlink(path)
        self._unix.clear()

    def close(self) -> None:
        """Close them all; the supervisor ends."""
        self.stop_listening()
        self._opened.close()
