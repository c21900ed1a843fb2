"""The certificates that are served: chosen by the name a client asks for, and reloaded.

A context of OpenSSL is never changed once it serves: a new certificate is a new context, and the
old one lives as long as the connections that began with it.
"""

import ssl
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from types import MappingProxyType
from typing import Final, Literal
from weakref import WeakKeyDictionary

from headend.errors import SettingsError, StorageError
from headend.settings import CertificatePair
from headend.tls import self_signed
from headend.tls.certificate_files import Certificate, is_ip_address, read_file, read_pair
from headend.tls.policy import ClientAuth, Profile, TlsPolicy

TICKETS: Final = 2  # as OpenSSL's default: browsers open several connections at once
WARNING: Final = timedelta(days=14)  # before the end: time for a person to act

TlsSocket = ssl.SSLSocket | ssl.SSLObject


@dataclass(frozen=True, slots=True)
class ReloadResult:
    """What became of one certificate when the files were read again.

    Attributes:
        cert: Its file.
        outcome: `unchanged`; `replaced`: the new one is served; `kept`: the old one still is.
        reason: Why it was kept, in one line that names the file; else empty.
        certificate: The one that is served now.
    """

    cert: Path
    outcome: Literal["unchanged", "replaced", "kept"]
    reason: str
    certificate: Certificate

    def __str__(self) -> str:
        if self.outcome == "kept":
            return f"certificate not reloaded: {self.reason}"
        names = ", ".join(self.certificate.names) or "no name"
        return (
            f"certificate {self.cert} {self.outcome}: "
            f"for {names}, until {self.certificate.not_after:%Y-%m-%d}"
        )


@dataclass(frozen=True, slots=True)
class _Served:
    pair: CertificatePair
    certificate: Certificate
    content: tuple[bytes, bytes, bytes]
    context: ssl.SSLContext
    ticket_context: ssl.SSLContext  # the same, with tickets in TLS 1.3


class CertificateStore:
    """The certificates of a server.

    Attributes:
        is_self_signed: No certificate is configured, or was added; ours is served.
        is_new: Ours was made just now.
    """

    def __init__(
        self,
        pairs: Sequence[CertificatePair],
        *,
        data: Path,
        now: datetime,
        profile: Profile = "intermediate",
        client_ca: Path | None = None,
        client_auth: ClientAuth = "off",
    ) -> None:
        """Read all certificates.

        Args:
            pairs: Their files. The first is for clients that ask for no name or an unknown one.
                None at all: one of our own in `data`, made if need be.
            data: The data folder.
            now: In UTC.
            profile: See `TlsPolicy`, as for the others.
            client_ca: PEM file.
            client_auth: Needs `client_ca` unless `off`.

        Raises:
            SettingsError: A file cannot be used; the first line names it, further ones are notes.
        """
        self._policy = TlsPolicy(profile, client_ca, client_auth)
        self._folder = data / self_signed.FOLDER
        self.is_self_signed = not pairs
        self.is_new = False
        if not pairs:
            pair, self.is_new = self_signed.load_or_create(self._folder, now)
            pairs = [pair]
        self._asked: WeakKeyDictionary[TlsSocket, str] = WeakKeyDictionary()
        self._use(self._load_all(pairs, now))

    def context(self, *, with_tickets: bool = False) -> ssl.SSLContext:
        """Return the context for the next connection; the client's name may change it then.

        Args:
            with_tickets: The client can stand tickets right after a handshake of TLS 1.3.
        """
        default = self._served[0]
        return default.ticket_context if with_tickets else default.context

    @property
    def certificates(self) -> tuple[Certificate, ...]:
        """What is served now; the default one first."""
        return tuple(each.certificate for each in self._served)

    def server_name(self, sock: TlsSocket) -> str | None:
        """Return the name that the client asked for (SNI), once it has; None: without a name.

        It is up to 255 ASCII characters of the client's choice, control characters too.
        """
        return self._asked.get(sock)

    def reload(self, now: datetime) -> list[ReloadResult]:
        """Read all files again, and serve from now on what is new and right.

        Connections that are there notice nothing. A self-signed certificate of ours that is about
        to expire is made anew, so call it once a day too.

        Args:
            now: In UTC.

        Returns:
            A result for each certificate, in their order.
        """
        if self.is_self_signed:
            fault = self._renew(now)
            if fault is not None:
                return [_kept(self._served[0], fault)]
        reloaded = [self._reload_one(served, now) for served in self._served]
        self._use([served for served, _ in reloaded])
        return [result for _, result in reloaded]

    def add(self, pair: CertificatePair, now: datetime) -> Certificate:
        """Serve one more certificate from the next handshake on, or again one that was added.

        It takes the place of a self-signed one of ours, and comes behind all that are configured.

        Args:
            pair: Its files.
            now: In UTC.

        Raises:
            SettingsError: A file cannot be used; nothing changes.
        """
        added = self._load(pair, now)
        others = [] if self.is_self_signed else [s for s in self._served if s.pair != pair]
        self.is_self_signed = False
        self._use([*others, added])
        return added.certificate

    def watch_paths(self) -> set[Path]:
        """Name the folders in which any change calls for `reload`.

        Folders, because certbot and Kubernetes replace symbolic links, also on the way to a file.
        """
        files = [path for each in self._served for path in (each.pair.cert, each.pair.key)]
        if self._policy.client_auth != "off" and self._policy.client_ca is not None:
            files.append(self._policy.client_ca)
        return {folder for path in files for folder in (path.parent, path.resolve().parent)}

    def expiries(self) -> list[tuple[tuple[str, ...], datetime]]:
        """Tell the names and the end of each certificate served now, in their order."""
        return [(each.names, each.not_after) for each in self.certificates]

    def warnings(self, now: datetime) -> list[str]:
        """Say in one line each what an operator should look at; from 14 days before the end."""
        lines = []
        for each in self._served:
            certificate = each.certificate
            if not certificate.names:
                lines.append(
                    f"certificate {each.pair.cert} is for no name: it has no subjectAltName"
                )
            if fault := certificate.fault(now):
                lines.append(f"certificate {each.pair.cert}: {fault}")
            elif certificate.not_after - now <= WARNING:
                days = (certificate.not_after - now).days
                lines.append(
                    f"certificate {each.pair.cert} expires on "
                    f"{certificate.not_after:%Y-%m-%d}, in {days} day{'s'[: days != 1]}"
                )
        return lines

    # ------------------------------------------------------------------ choice by name

    def _choose(self, sock: TlsSocket, name: str | None, _: ssl.SSLContext) -> None:
        """Answer OpenSSL's question for a certificate; must not raise, whatever the name."""
        if name is None:
            return
        self._asked[sock] = name
        name = name.lower().rstrip(".")
        context = self._by_name.get(name) or self._by_name.get(f"*.{name.partition('.')[2]}")
        # Without one the handshake goes on with the context that it began with: the default.
        if context is not None:
            sock.context = context

    def _use(self, served: Sequence[_Served]) -> None:
        # In one step each, as handshakes go on.
        self._by_name = _contexts_by_name(served)
        self._served = tuple(served)

    # ------------------------------------------------------------------ files

    def _load_all(self, pairs: Sequence[CertificatePair], now: datetime) -> list[_Served]:
        served, problems = [], []
        for pair in pairs:
            try:
                served.append(self._load(pair, now))
            except SettingsError as error:
                problems.append(error)
        if problems:
            for other in problems[1:]:
                problems[0].add_note(str(other))
            raise problems[0]
        return served

    def _load(self, pair: CertificatePair, now: datetime, old: _Served | None = None) -> _Served:
        """Read a pair; return `old` if nothing changed."""
        file = read_pair(pair.cert, pair.key, now)
        content = (*file.content, self._authorities())
        if old is not None and content == old.content:
            return old
        contexts = (
            self._policy.context(pair.cert, pair.key, self._choose, tickets=tickets)
            for tickets in (0, TICKETS)
        )
        return _Served(pair, file.certificate, content, *contexts)

    def _authorities(self) -> bytes:
        if self._policy.client_auth == "off" or self._policy.client_ca is None:
            return b""
        return read_file(self._policy.client_ca, "tls.client_ca")

    def _reload_one(self, old: _Served, now: datetime) -> tuple[_Served, ReloadResult]:
        try:
            new = self._load(old.pair, now, old)
        except SettingsError as error:
            return old, _kept(old, str(error))
        outcome: Final = "unchanged" if new is old else "replaced"
        return new, ReloadResult(new.pair.cert, outcome, "", new.certificate)

    def _renew(self, now: datetime) -> str | None:
        """Make our own certificate anew if need be; return why that failed."""
        try:
            self_signed.load_or_create(self._folder, now)
        except (SettingsError, StorageError) as error:
            return str(error)
        return None


def _kept(served: _Served, reason: str) -> ReloadResult:
    return ReloadResult(served.pair.cert, "kept", reason, served.certificate)


def _contexts_by_name(served: Sequence[_Served]) -> Mapping[str, ssl.SSLContext]:
    """Map DNS names, wildcards as `*.example.com`, to contexts; the first of two has a name."""
    contexts: dict[str, ssl.SSLContext] = {}
    for each in served:
        for name in each.certificate.names:
            if not is_ip_address(name):  # not allowed in SNI: RFC 6066, 3
                contexts.setdefault(name, each.context)
    return MappingProxyType(contexts)
