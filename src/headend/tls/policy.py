"""What the server agrees to in TLS: versions, ciphers, resumption, clients.

Source: Mozilla, Security/Server Side TLS, version 5.7, profiles intermediate and modern.
"""

import ssl
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

from headend.errors import SettingsError

if TYPE_CHECKING:
    from sys import UnraisableHookArgs

Profile = Literal["intermediate", "modern"]
ClientAuth = Literal["off", "optional", "required"]
SniCallback = Callable[[ssl.SSLSocket | ssl.SSLObject, str | None, ssl.SSLContext], None]

# For TLS 1.2; those of 1.3 are good by default. Without Mozilla's DHE, which needs a file of
# parameters: a client that knows GCM or ChaCha20 knows ECDHE too.
INTERMEDIATE_CIPHERS: Final = ":".join(
    (
        "ECDHE-ECDSA-AES128-GCM-SHA256",
        "ECDHE-RSA-AES128-GCM-SHA256",
        "ECDHE-ECDSA-AES256-GCM-SHA384",
        "ECDHE-RSA-AES256-GCM-SHA384",
        "ECDHE-ECDSA-CHACHA20-POLY1305",
        "ECDHE-RSA-CHACHA20-POLY1305",
    )
)

ALPN_PROTOCOLS: Final = ("http/1.1",)  # RTMP has no name; its clients offer none

_VERIFY_MODES: Final = {
    "off": ssl.CERT_NONE,
    "optional": ssl.CERT_OPTIONAL,
    "required": ssl.CERT_REQUIRED,
}


@dataclass(frozen=True, slots=True)
class TlsPolicy:
    """What every certificate of a server is served with.

    Attributes:
        profile: Mozilla's name: intermediate (TLS 1.2 and 1.3) or modern (1.3 only).
        client_ca: PEM file of the authorities of client certificates; needed unless `off`.
        client_auth: Whether clients are asked for a certificate.
    """

    profile: Profile = "intermediate"
    client_ca: Path | None = None
    client_auth: ClientAuth = "off"

    def context(
        self, cert: Path, key: Path, sni_callback: SniCallback, *, tickets: int = 0
    ) -> ssl.SSLContext:
        """Build the context that serves one certificate.

        Clients that offer no ALPN, or other protocols than ours, are served too.

        Args:
            cert: PEM file of the certificate and its chain.
            key: PEM file of its key, not encrypted.
            sni_callback: Chooses another context by the name that the client asks for.
            tickets: How many a client of TLS 1.3 gets, to come back with. Clients of TLS 1.2 get
                one within the handshake in any case.

        Raises:
            SettingsError: OpenSSL refuses a file; names it.
        """
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._restrict(context)
        context.num_tickets = tickets
        _load_pair(context, cert, key)
        self._load_authorities(context)
        context.set_alpn_protocols(list(ALPN_PROTOCOLS))
        context.sni_callback = sni_callback
        return context

    def _restrict(self, context: ssl.SSLContext) -> None:
        is_modern = self.profile == "modern"
        context.minimum_version = ssl.TLSVersion.TLSv1_3 if is_modern else ssl.TLSVersion.TLSv1_2
        context.set_ciphers(INTERMEDIATE_CIPHERS)
        # All ciphers left are good: a phone without AES in hardware may choose ChaCha20.
        context.options &= ~ssl.OP_CIPHER_SERVER_PREFERENCE
        context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION

    def _load_authorities(self, context: ssl.SSLContext) -> None:
        if self.client_auth == "off":
            return
        if self.client_ca is None:
            raise SettingsError("tls.client_auth needs tls.client_ca")
        try:
            context.load_verify_locations(cafile=self.client_ca)
        except OSError as error:  # SSLError is one
            fault = "no PEM certificate in it"
            reason = fault if isinstance(error, ssl.SSLError) else error.strerror
            raise SettingsError(f"tls.client_ca {self.client_ca}: {reason}") from error
        context.verify_mode = _VERIFY_MODES[self.client_auth]


def _load_pair(context: ssl.SSLContext, cert: Path, key: Path) -> None:
    try:
        # Without a password OpenSSL would ask for that of an encrypted key on the terminal.
        context.load_cert_chain(cert, key, password="")
    except OSError as error:  # SSLError is one
        reason = getattr(error, "reason", None) or error.strerror
        raise SettingsError(
            f"certificate {cert}: OpenSSL refuses it or its key: {reason}"
        ) from error


def ignore_garbled_names() -> None:
    """Keep a client that asks for a name in no ASCII from writing a traceback to stderr.

    Python decodes the name before our callback sees it, fails the handshake, which is right, and
    reports the error to `sys.unraisablehook`, where nobody could catch it. For a server's start.
    """
    previous = sys.unraisablehook

    def hook(unraisable: "UnraisableHookArgs") -> None:
        is_name = isinstance(unraisable.object, bytes)
        if not (is_name and unraisable.exc_type is UnicodeDecodeError):
            previous(unraisable)

    sys.unraisablehook = hook
