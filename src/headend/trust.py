"""Whom a client trusts with TLS: said alike by flags, programs, settings and the API."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from headend.errors import SettingsError

FINGERPRINT: Final = re.compile(r"(?:[0-9A-Fa-f]{2}:?){31}[0-9A-Fa-f]{2}")


@dataclass(frozen=True, slots=True)
class Trust:
    """Whom a client trusts; by default the authorities of the system.

    Attributes:
        ca: PEM file of the authorities to trust instead.
        fingerprint: SHA-256 of the one certificate to trust: 64 hex digits, colons between the
            bytes or none. Who signed it, for which name and until when does not matter then.
        insecure: Trust anybody.

    Raises:
        SettingsError: The fingerprint is none, or several are given.
    """

    ca: Path | None = None
    fingerprint: str | None = None
    insecure: bool = False

    def __post_init__(self) -> None:
        if (self.ca is not None) + (self.fingerprint is not None) + self.insecure > 1:
            raise SettingsError("ca, fingerprint and insecure exclude each other")
        if self.fingerprint is not None and not FINGERPRINT.fullmatch(self.fingerprint):
            raise SettingsError(
                "fingerprint must be 64 hex digits, those of SHA-256, with or without colons"
            )
