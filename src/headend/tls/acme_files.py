"""What belongs to an ACME account: its key, and the certificate it got last.

DATA/tls/acme/acme-v02.api.letsencrypt.org_directory/
├── account.pem       key of the account
└── certificate.pem   certificate, its chain, its key: one file, so that they are never mixed up
"""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from headend import files
from headend.errors import SettingsError
from headend.settings import CertificatePair
from headend.tls.certificate_files import read_file

FOLDER: Final = Path("tls", "acme")  # of the data folder
ACCOUNT_FILE: Final = "account.pem"
CERTIFICATE_FILE: Final = "certificate.pem"


def account_folder(data: Path, directory: str) -> Path:
    """Name the folder of an account.

    Args:
        data: The data folder.
        directory: URL of the authority's directory: what one authority knows, another does not.
    """
    url = urlsplit(directory)
    name = re.sub(r"[^A-Za-z0-9.-]+", "_", url.netloc + url.path)
    return data / FOLDER / name.strip("._")


def issued_pair(folder: Path) -> CertificatePair:
    """Name the certificate that an account got last, there or not."""
    path = folder / CERTIFICATE_FILE
    return CertificatePair(cert=path, key=path)


def load_or_create_account_key(folder: Path) -> ec.EllipticCurvePrivateKey:
    """Return the key of an account, ECDSA P-256; made if it is missing.

    Args:
        folder: Made with mode 0700 if it is missing.

    Raises:
        SettingsError: The folder or the file cannot be used.
    """
    path = folder / ACCOUNT_FILE
    if not path.exists():
        key = ec.generate_private_key(ec.SECP256R1())
        write_private(path, private_pem(key))
        return key
    content = read_file(path, "ACME account key")
    try:
        loaded = serialization.load_pem_private_key(content, None)
    except (ValueError, TypeError):
        loaded = None
    # A key of another kind would be signed with another algorithm.
    if not isinstance(loaded, ec.EllipticCurvePrivateKey) or loaded.curve.name != "secp256r1":
        raise SettingsError(f"ACME account key {path}: no PEM key of ECDSA P-256 in it")
    return loaded


def private_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    """Write a key as PEM, not encrypted."""
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def signing_request(key: ec.EllipticCurvePrivateKey, names: Sequence[str]) -> bytes:
    """Make a request for a certificate for some DNS names, in PEM; the first is not special."""
    alternatives = x509.SubjectAlternativeName([x509.DNSName(name) for name in names])
    request = (
        x509.CertificateSigningRequestBuilder()
        .subject_name(x509.Name([]))
        .add_extension(alternatives, critical=False)
        .sign(key, hashes.SHA256())
    )
    return request.public_bytes(serialization.Encoding.PEM)


def write_private(path: Path, content: bytes) -> None:
    """Write a file that only its owner may read, whole or not at all.

    Args:
        path: Its folders are made with mode 0700 if they are missing.
        content: PEM.

    Raises:
        SettingsError: That failed.
        StorageError: The disk is full or broken.
    """
    try:
        files.make_folder(path.parent)
        files.write(path, content)
    except OSError as error:
        raise files.fault(f"ACME file {path}", error) from error
