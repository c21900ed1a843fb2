"""What a TLS server agrees to, asked as a client: versions, certificates, tickets.

One connection for each version, and one that verifies. Nothing is said inside of TLS, so that it
works against any server, and no server takes it for a broken encoder.
"""

import socket
import ssl
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Final, Literal

from cryptography import x509

from headend.errors import HeadendError, SettingsError
from headend.tls.certificate_files import Certificate, describe

TIMEOUT_S: Final = 10.0  # to connect, and for each read of a handshake
# How long to wait for tickets. They come with the server's last flight or one round trip later.
TICKET_WAIT_S: Final = 0.5

Version = Literal["1.0", "1.1", "1.2", "1.3"]
Outcome = Literal["accepted", "refused", "no answer", "untested"]

_VERSIONS: Final[Mapping[Version, ssl.TLSVersion]] = MappingProxyType(
    {
        "1.0": ssl.TLSVersion.TLSv1,
        "1.1": ssl.TLSVersion.TLSv1_1,
        "1.2": ssl.TLSVersion.TLSv1_2,
        "1.3": ssl.TLSVersion.TLSv1_3,
    }
)

# Our own OpenSSL forbids what was to be tried.
_LOCAL_REASONS: Final = frozenset({"NO_PROTOCOLS_AVAILABLE", "NO_CIPHERS_AVAILABLE"})


@dataclass(frozen=True, slots=True)
class Report:
    """What a server did.

    Attributes:
        host: Name or IP address, as asked for.
        port: TCP port.
        versions: What came of each version of TLS: accepted, refused, no answer, or untested,
            which is all our own OpenSSL allows.
        cipher: That of the newest version accepted; None without one.
        chain: Certificates in the order the server sent them, its own first.
        trust_error: Why nobody vouches for the chain; None if it leads to a trusted authority.
            The name is not part of this.
        has_tickets: Whether tickets follow a TLS 1.3 handshake at once.
        wants_client_certificate: Whether it refuses clients without a certificate.
        has_own_ca: Whether the authorities were given and are not the system's.
    """

    host: str
    port: int
    versions: Mapping[Version, Outcome]
    cipher: str | None
    chain: tuple[Certificate, ...]
    trust_error: str | None
    has_tickets: bool
    wants_client_certificate: bool
    has_own_ca: bool


class _Probe:
    """Collects what one connection after the other tells."""

    def __init__(self, host: str, port: int) -> None:
        self.host = host
        self.port = port
        self.cipher: str | None = None
        self.chain: tuple[Certificate, ...] = ()
        self.has_tickets = False
        self.wants_client_certificate = False

    def connect(self) -> socket.socket:
        try:
            return socket.create_connection((self.host, self.port), TIMEOUT_S)
        except OSError as error:
            reason = error.strerror or str(error)
            raise HeadendError(f"{self.host} port {self.port}: {reason}") from error

    def try_version(self, version: Version) -> Outcome:
        with self.connect() as sock:
            try:
                tls = _context(version).wrap_socket(sock, server_hostname=self.host)
            except TimeoutError:
                return "no answer"
            except (OSError, ValueError) as error:  # a closed socket is a ValueError
                is_ours = getattr(error, "reason", None) in _LOCAL_REASONS
                return "untested" if is_ours else "refused"
            with tls:
                self._look_at(tls)
        return "accepted"

    def _look_at(self, tls: ssl.SSLSocket) -> None:
        cipher = tls.cipher()
        self.cipher = cipher[0] if cipher else None
        self.chain = _chain(tls)
        if tls.version() == "TLSv1.3":
            self._wait_for_tickets(tls)

    def _wait_for_tickets(self, tls: ssl.SSLSocket) -> None:
        tls.settimeout(TICKET_WAIT_S)
        try:
            tls.recv(1)
        except OSError as error:
            # A TLS 1.3 client learns only after its handshake that the server wants more.
            reason = getattr(error, "reason", None) or ""
            self.wants_client_certificate = "CERTIFICATE_REQUIRED" in reason
        session = tls.session
        self.has_tickets = session is not None and session.has_ticket

    def trust_error(self, ca: Path | None) -> str | None:
        context = _verifying_context(ca)
        with self.connect() as sock:
            try:
                with context.wrap_socket(sock, server_hostname=self.host):
                    return None
            except ssl.SSLCertVerificationError as error:
                return error.verify_message
            except (OSError, ValueError) as error:
                return getattr(error, "reason", None) or str(error)


def probe(host: str, port: int, ca: Path | None = None) -> Report:
    """Ask a server.

    Args:
        host: Name or IP address; sent as SNI if it is a name.
        port: TCP port.
        ca: PEM file of the authorities to trust; None for the system's.

    Raises:
        HeadendError: Nobody listens there.
        SettingsError: `ca` cannot be used.
    """
    _verifying_context(ca)  # a wrong file shall be told before anything else
    state = _Probe(host, port)
    versions = {version: state.try_version(version) for version in _VERSIONS}
    error = state.trust_error(ca) if state.chain else "no certificate was seen"
    return Report(
        host=host,
        port=port,
        versions=MappingProxyType(versions),
        cipher=state.cipher,
        chain=state.chain,
        trust_error=error,
        has_tickets=state.has_tickets,
        wants_client_certificate=state.wants_client_certificate,
        has_own_ca=ca is not None,
    )


def _context(version: Version) -> ssl.SSLContext:
    """Make a context that speaks one version only, and takes any certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    # TLS 1.0 and 1.1 sign with SHA-1, which higher levels forbid.
    context.set_ciphers("ALL:@SECLEVEL=0")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        # The upper end first: the lower one may never be above it.
        context.maximum_version = _VERSIONS[version]
        context.minimum_version = _VERSIONS[version]
    return context


def _verifying_context(ca: Path | None) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=ca)
    except ssl.SSLError:
        raise SettingsError(f"--ca {ca}: no PEM certificate in it") from None
    except OSError as error:
        raise SettingsError(f"--ca {ca}: {error.strerror}") from error
    context.check_hostname = False
    return context


def _chain(tls: ssl.SSLSocket) -> tuple[Certificate, ...]:
    """Describe what the server sent."""
    # Public from Python 3.13 on, as bytes; before, of the inner object, as certificates.
    public = getattr(tls, "get_unverified_chain", None)
    private = getattr(getattr(tls, "_sslobj", None), "get_unverified_chain", None)
    if public is not None:
        encoded: list[bytes] = list(public())
    else:
        encoded = (
            []
            if private is None
            else [ssl.PEM_cert_to_DER_cert(each.public_bytes()) for each in private()]
        )
    if not encoded and (own := tls.getpeercert(binary_form=True)) is not None:
        encoded = [own]
    return tuple(describe(x509.load_der_x509_certificate(each)) for each in encoded)
