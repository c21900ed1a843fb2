"""TLS as a client speaks it: whom to trust, and what went wrong, in words."""

import hashlib
import logging
import ssl
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Final

import truststore

from headend.errors import RelayError, SettingsError
from headend.trust import Trust

log = logging.getLogger(__name__)

REMEMBERED_PLACES: Final = 1000  # of those whose certificate is not checked

# Of OpenSSL: X509_V_ERR_… in x509_vfy.h.
_NOT_YET_VALID: Final = 9
_EXPIRED: Final = 10
_OTHER_NAMES: Final = frozenset({62, 64})  # host name, IP address

_NO_TLS: Final = "no TLS on this port; is it rtmp:// there?"
_OWN_FAULTS: Final = {"KEY_VALUES_MISMATCH": "the key belongs to another certificate"}
_REASONS: Final = {
    "WRONG_VERSION_NUMBER": _NO_TLS,
    "UNEXPECTED_EOF_WHILE_READING": _NO_TLS,
    "RECORD_LAYER_FAILURE": _NO_TLS,  # from OpenSSL 3.2 on
    "PACKET_LENGTH_TOO_LONG": _NO_TLS,
    "UNSUPPORTED_PROTOCOL": "it offers only versions of TLS that are too old",
    "TLSV1_ALERT_PROTOCOL_VERSION": "it takes no version of TLS that we offer",
    "TLSV13_ALERT_CERTIFICATE_REQUIRED": "it wants a client certificate",
    "SSLV3_ALERT_HANDSHAKE_FAILURE": "it refuses the TLS handshake",
}


@dataclass(frozen=True, slots=True)
class TlsOptions(Trust):
    """Whom a client trusts, and who it says it is.

    Attributes:
        ca: See `Trust`, as `fingerprint` and `insecure`: it is logged once for each place that
            anybody is trusted there.
        cert: PEM file of our own certificate and its chain, for a server that asks for one.
        key: PEM file of its key, not encrypted; None: it is in the file of the certificate.

    Raises:
        SettingsError: `Trust` does, or a key has no certificate.
    """

    cert: Path | None = None
    key: Path | None = None

    def __post_init__(self) -> None:
        Trust.__post_init__(self)
        if self.key is not None and self.cert is None:
            raise SettingsError("a key needs the certificate it belongs to")

    def context(self) -> ssl.SSLContext:
        """Build the context for connections; `check` follows their handshake.

        Raises:
            SettingsError: The file of authorities, or our own certificate, cannot be used.
        """
        context: ssl.SSLContext
        if self.ca is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            _load_authorities(context, self.ca)
        elif self.fingerprint is not None or self.insecure:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        else:
            context = truststore.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        if self.cert is not None:
            _load_own(context, self.cert, self.key)
        return context

    def check(self, place: str, certificate: bytes) -> None:
        """Check what OpenSSL does not: nothing may be said to the server before.

        Args:
            place: HOST:PORT, for people.
            certificate: The server's own, in DER.

        Raises:
            RelayError: It is not the one with our fingerprint.
        """
        if self.insecure:
            _warn(place)
        if self.fingerprint is None:
            return
        seen = hashlib.sha256(certificate).hexdigest()
        if seen != self.fingerprint.replace(":", "").lower():
            raise RelayError(
                f"cannot connect to {place}: its certificate has another fingerprint: "
                f"{bytes.fromhex(seen).hex(':').upper()}"
            )


def explain(error: OSError) -> str | None:
    """Say in words what TLS made of a connection; None if TLS is not the cause."""
    if not isinstance(error, ssl.SSLError):
        return None
    reason = getattr(error, "reason", None)  # those that OpenSSL did not raise have none
    return _REASONS.get(reason or "") or f"TLS failed: {reason or _text(error)}"


def explain_handshake(error: OSError, host: str) -> str | None:
    """Say in words why a connection with TLS could not be opened.

    Args:
        error: What asyncio raised.
        host: Who was asked for.

    Returns:
        None if TLS is not the cause.
    """
    if isinstance(error, ssl.SSLCertVerificationError):
        return _explain_certificate(error, host)
    # asyncio's words for the end of a connection that was there already.
    if isinstance(error, ConnectionResetError | ConnectionAbortedError):
        if "longer than" in str(error):
            return "no answer to our TLS handshake; is it rtmp:// there?"
        return "it was closed in the TLS handshake; is it rtmp:// there?"
    return explain(error)


def _explain_certificate(error: ssl.SSLCertVerificationError, host: str) -> str:
    code = getattr(error, "verify_code", 0)  # the systems that truststore asks set none
    if code == _EXPIRED:
        return "its certificate has expired"
    if code == _NOT_YET_VALID:
        return "its certificate is not valid yet"
    if code in _OTHER_NAMES:
        return f"its certificate is not for {host}"
    return f"its certificate is not trusted: {getattr(error, 'verify_message', '') or _text(error)}"


def _text(error: OSError) -> str:
    """Return an error's own words; truststore gives its errors nothing else."""
    return str(error.args[-1]) if error.args else "no reason given"


def _load_authorities(context: ssl.SSLContext, ca: Path) -> None:
    try:
        context.load_verify_locations(cafile=ca)
    except ssl.SSLError:
        raise SettingsError(f"ca {ca}: no PEM certificate in it") from None
    except OSError as error:
        raise SettingsError(f"ca {ca}: {error.strerror}") from error


def _load_own(context: ssl.SSLContext, cert: Path, key: Path | None) -> None:
    place = f"cert {cert}" if key is None else f"cert {cert} with key {key}"
    try:
        # Without a password OpenSSL would ask for that of an encrypted key on the terminal.
        context.load_cert_chain(cert, key, password="")
    except ssl.SSLError as error:
        reason = _OWN_FAULTS.get(error.reason or "", "no PEM certificate with its key, unencrypted")
        raise SettingsError(f"{place}: {reason}") from None
    except OSError as error:
        raise SettingsError(f"{place}: {error.strerror}") from error


@lru_cache(REMEMBERED_PLACES)
def _warn(place: str) -> None:
    """Warn once of a place."""
    log.warning(
        "rtmps %s: its certificate is not checked (insecure): anybody between may read and "
        "change what is sent",
        place,
    )
