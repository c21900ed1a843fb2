"""The server's own secret, from which all others are derived.

It hashes publish keys, encrypts what must be read again, and signs tokens: one file to keep and to
back up. Who loses it must make all keys anew.
"""

import hmac
import secrets
from hashlib import sha256
from pathlib import Path
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from headend import files
from headend.errors import SettingsError

FILE_NAME: Final = "server.secret"
SECRET_BYTES: Final = 32
NONCE_BYTES: Final = 12  # of AES-GCM; random ones are safe for 2**32 uses (NIST SP 800-38D)


class ServerSecret:
    """A secret and what is done with it; shows nothing of itself."""

    __slots__ = ("_cipher", "_hash_key", "_secret")

    def __init__(self, secret: bytes) -> None:
        """Take a secret of SECRET_BYTES random bytes."""
        self._secret = secret
        self._hash_key = self.derive("hash of keys")
        self._cipher = AESGCM(self.derive("encryption at rest"))

    @classmethod
    def load_or_create(cls, data: Path) -> "ServerSecret":
        """Read the secret of a data folder; made if it is missing, readable by its owner only.

        Raises:
            SettingsError: The folder or the file cannot be used.
            StorageError: The disk is full or broken.
        """
        text, _ = files.read_or_create(data, FILE_NAME, secrets.token_hex(SECRET_BYTES))
        try:
            secret = bytes.fromhex(text)
        except ValueError:
            secret = b""  # no hexadecimal
        if len(secret) != SECRET_BYTES:
            path = data / FILE_NAME
            raise SettingsError(
                f"{path} does not hold {SECRET_BYTES} bytes in hexadecimal: restore it, or delete "
                "it and make all publish keys anew"
            )
        return cls(secret)

    def derive(self, purpose: str) -> bytes:
        """Return 32 bytes for one purpose, from which no other can be told (RFC 5869)."""
        return HKDF(SHA256(), 32, None, purpose.encode()).derive(self._secret)

    def hash(self, text: str) -> bytes:
        """Return the keyed hash under which a secret text is stored: HMAC-SHA-256, 32 bytes."""
        return hmac.digest(self._hash_key, text.encode(errors="surrogateescape"), sha256)

    def encrypt(self, text: str, context: str) -> bytes:
        """Encrypt what must be read again.

        Args:
            text: Anything.
            context: Where it is stored, such as the id of its row: it can't be moved elsewhere.
        """
        nonce = secrets.token_bytes(NONCE_BYTES)
        return nonce + self._cipher.encrypt(nonce, text.encode(), context.encode())

    def decrypt(self, data: bytes, context: str) -> str:
        """Read what `encrypt` made.

        Raises:
            SettingsError: It was encrypted with another secret, or changed.
        """
        try:
            nonce, sealed = data[:NONCE_BYTES], data[NONCE_BYTES:]
            return self._cipher.decrypt(nonce, sealed, context.encode()).decode()
        except (InvalidTag, ValueError):
            raise SettingsError(
                f"what the database holds was encrypted with another {FILE_NAME}: restore that file"
            ) from None
