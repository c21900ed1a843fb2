"""A player that reads as slowly as a test wants, as a server must bear it."""

import os
import socket
import threading
import time
from typing import Final

from headend.errors import HeadendError
from headend.net.peer import Peer
from headend.rtmp.client import ClientSession, ClientSettings, Started
from headend.rtmp.handshake import CLIENT_FILLER_SIZE
from headend.rtmp.url import parse_url

RECEIVE_BUFFER: Final = 4096  # bytes; the kernel's own would hide for long that nobody reads
TURN_S: Final = 0.05
START_S: Final = 10.0


class SlowReader:
    """An RTMP player in a thread; `end` ends it.

    Attributes:
        name: Its address, as the server knows it.
        bytes_in: Bytes read since the stream was granted.
    """

    def __init__(self, url: str, bytes_per_s: int) -> None:
        """Play; returns once the server has granted it.

        Args:
            url: `rtmp://…`.
            bytes_per_s: How much is read; 0: nothing at all.

        Raises:
            HeadendError: The server refuses.
            OSError: It cannot be reached.
        """
        self._bytes_per_s = bytes_per_s
        self._is_wanted = True
        self.bytes_in = 0
        target = parse_url(url)
        self._socket = socket.socket(socket.AF_INET6 if ":" in target.host else socket.AF_INET)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
        self._socket.settimeout(START_S)
        try:
            self._socket.connect((target.host, target.connect_port))
            host, port = self._socket.getsockname()[:2]
            self.name = str(Peer.at(host, port))
            self._ask(
                ClientSession(
                    ClientSettings(target, "play"), os.urandom(CLIENT_FILLER_SIZE), time.monotonic()
                )
            )
        except BaseException:
            self._socket.close()
            raise
        self._thread = threading.Thread(target=self._read, name="slow reader", daemon=True)
        self._thread.start()

    def _ask(self, session: ClientSession) -> None:
        """Go on until the stream is granted."""
        while True:
            self._socket.sendall(b"".join(session.data_to_send()))
            data = self._socket.recv(RECEIVE_BUFFER)
            if not data:
                raise HeadendError("the server closed the connection")
            session.receive_data(data, time.monotonic())
            for event in session.events():
                if isinstance(event, Started):
                    self._socket.sendall(b"".join(session.data_to_send()))
                    return

    def _read(self) -> None:
        size = int(self._bytes_per_s * TURN_S)
        if not size:
            return
        self._socket.settimeout(TURN_S)
        while self._is_wanted:
            time.sleep(TURN_S)
            try:
                data = self._socket.recv(size)
            except TimeoutError:
                continue
            except OSError:
                return
            if not data:
                return
            self.bytes_in += len(data)

    def end(self) -> None:
        """Leave."""
        self._is_wanted = False
        self._thread.join()
        self._socket.close()
