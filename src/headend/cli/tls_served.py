"""The certificates that a server with some settings would serve.

As the server does it (`CertificateStore`, `AcmeClient`): those of the settings, then the one that
an ACME authority issued last, and one of our own where there is none else.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from headend.errors import SettingsError
from headend.settings import CertificatePair, Settings
from headend.tls import self_signed
from headend.tls.acme_files import account_folder, issued_pair
from headend.tls.certificate_files import Certificate, read_certificate, read_pair

Source = Literal["settings", "acme", "self-signed"]


@dataclass(frozen=True, slots=True)
class Served:
    """One certificate.

    Attributes:
        source: Where it comes from.
        pair: Its files.
        certificate: What it says; None: its file holds none.
        problem: Why it cannot be served, in one line; None if it can.
    """

    source: Source
    pair: CertificatePair
    certificate: Certificate | None
    problem: str | None


def served(settings: Settings, now: datetime) -> list[Served]:
    """Read all certificates, the default one first; those too that cannot be served.

    Args:
        settings: Of the server.
        now: In UTC.
    """
    found = [_inspect(source, pair, now) for source, pair in _configured(settings)]
    if not settings.tls.certificates and all(each.problem for each in found):
        pair = self_signed.pair_in(settings.data / self_signed.FOLDER)
        if pair.cert.exists():
            found.insert(0, _inspect("self-signed", pair, now))
    return found


def _configured(settings: Settings) -> Iterator[tuple[Source, CertificatePair]]:
    for pair in settings.tls.certificates:
        yield "settings", pair
    if settings.tls.acme.domains:
        issued = issued_pair(account_folder(settings.data, settings.tls.acme.directory))
        if issued.cert.exists():
            yield "acme", issued


def _inspect(source: Source, pair: CertificatePair, now: datetime) -> Served:
    try:
        return Served(source, pair, read_pair(pair.cert, pair.key, now).certificate, None)
    except SettingsError as error:
        problem = str(error)
    try:
        return Served(source, pair, read_certificate(pair.cert), problem)
    except SettingsError:
        return Served(source, pair, None, problem)
