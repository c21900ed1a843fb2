"""The TLS floor: a bare loop of `SSLSocket.send` over all players, and nothing else.

It is the floor in Python (`pyfloor.py`) with TLS below: the same bytes at the same cadence. What a
socket does not take waits for the next flush, because OpenSSL must be given it again.
"""

import socket
import ssl
from collections.abc import Callable
from contextlib import suppress

from bench.pyfloor import Floor, parser_of, serve

HANDSHAKE_S = 10.0


class TlsFloor(Floor):
    """A floor whose players come over TLS."""

    def __init__(self, kbps: int, certificate: str, key: str) -> None:
        """Listen on a free port of loopback, with a certificate and its key in PEM files."""
        super().__init__(kbps)
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(certificate, key)
        self.context.num_tickets = 0  # as Headend
        self.unsent: dict[Callable[[bytes], int], bytes] = {}

    def accept(self) -> socket.socket:
        peer = super().accept()
        peer.settimeout(HANDSHAKE_S)
        secure = self.context.wrap_socket(peer, server_side=True)
        secure.setblocking(False)
        return secure

    def hear(self, fd: int) -> None:
        with suppress(ssl.SSLWantReadError):  # half a record
            super().hear(fd)

    def give(self, data: bytes) -> None:
        """Send to all: the loop whose cost is the floor."""
        unsent, self.unsent = self.unsent, {}
        for send in self.sends:
            try:
                send(data if not unsent else unsent.get(send, b"") + data)
            except ssl.SSLWantWriteError:
                self.unsent[send] = unsent.get(send, b"") + data


def main() -> None:
    """Serve until told to quit."""
    parser = parser_of(__doc__)
    parser.add_argument("certificate")
    parser.add_argument("key")
    options = parser.parse_args()
    serve(TlsFloor(options.kbps, options.certificate, options.key), options.flush_ms)


if __name__ == "__main__":
    main()
