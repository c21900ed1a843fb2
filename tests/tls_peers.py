"""Both ends of TLS for tests: certificate files, handshakes, servers."""

import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import trustme
from cryptography import x509

from headend.settings import CertificatePair

# What certificates are checked against where only our own clock counts.
NOW = datetime(2026, 4, 1, 12, 0, 0, tzinfo=UTC)


def write_pair(
    folder: Path,
    authority: trustme.CA,
    *names: str,
    stem: str = "a",
    not_before: datetime | None = None,
    not_after: datetime | None = None,
) -> CertificatePair:
    """Issue a certificate and write it with its chain; without dates it is valid for decades."""
    issued = authority.issue_cert(*names, not_before=not_before, not_after=not_after)
    pair = CertificatePair(cert=folder / f"{stem}.pem", key=folder / f"{stem}.key")
    pair.cert.write_bytes(b"".join(blob.bytes() for blob in issued.cert_chain_pems))
    pair.key.write_bytes(issued.private_key_pem.bytes())
    return pair


def client_context(authority: trustme.CA | None = None) -> ssl.SSLContext:
    """Make the context of a client that verifies, or of one that takes anything."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if authority is None:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    else:
        authority.configure_trust(context)
    return context


class Handshake:
    """A TLS connection in memory.

    Attributes:
        client: Its end at the client.
        server: Its end at the server.
        to_server: Bytes on their way.
        to_client: Bytes on their way.
    """

    def __init__(
        self,
        server: ssl.SSLContext,
        client: ssl.SSLContext,
        host: str | None = None,
        session: ssl.SSLSession | None = None,
    ) -> None:
        self.to_server = ssl.MemoryBIO()
        self.to_client = ssl.MemoryBIO()
        self.client = client.wrap_bio(
            self.to_client, self.to_server, server_hostname=host, session=session
        )
        self.server = server.wrap_bio(self.to_server, self.to_client, server_side=True)

    def finish(self) -> "Handshake":
        """Shake hands; raises what the end that gives up first raises."""
        going = [self.client, self.server]
        while going:
            for end in list(going):
                try:
                    end.do_handshake()
                except ssl.SSLWantReadError:
                    continue
                going.remove(end)
        return self

    def names(self) -> set[str]:
        """Return the names of the certificate that the client got, unverified ones too."""
        der = self.client.getpeercert(binary_form=True)
        assert der is not None
        certificate = x509.load_der_x509_certificate(der)
        extension = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
        return {str(name.value) for name in extension.value}


def shake_hands(
    server: ssl.SSLContext,
    client: ssl.SSLContext,
    host: str | None = None,
    session: ssl.SSLSession | None = None,
) -> Handshake:
    """Connect a client to a server in memory."""
    return Handshake(server, client, host, session).finish()


@contextmanager
def tcp_server(context: ssl.SSLContext | None, *, is_silent: bool = False) -> Iterator[int]:
    """Serve on loopback until the end; gives the port.

    Every connection is closed after its handshake; without a context at once, or, if the server is
    silent, only at the end.
    """
    kept: list[socket.socket] = []

    def serve() -> None:
        while True:
            try:
                sock = listener.accept()[0]
            except OSError:
                return
            if is_silent:
                kept.append(sock)
                continue
            try:
                if context is not None:
                    sock = context.wrap_socket(sock, server_side=True)
            except (OSError, ValueError):
                pass  # refusing is what the client is there to see
            sock.close()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()
            for sock in kept:
                sock.close()
