"""The certificates that a server serves: read again, looked at daily, renewed by ACME."""

import asyncio
import logging
from asyncio import TimerHandle
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

from headend.features.feature import Feature, Label, Values
from headend.net.runtime import Runtime
from headend.net.tls_transport import Handshakes
from headend.settings import Settings

if TYPE_CHECKING:
    from prometheus_client.metrics_core import Metric

    from headend.tls.acme import AcmeClient
    from headend.tls.certificates import CertificateStore
    from headend.tls.challenges import AcmeOthers

log = logging.getLogger(__name__)

CHECK_S: Final = 24 * 3600.0


class ServedCertificates(Feature):
    """The feature: the certificates of the TLS port, and how its handshakes go.

    What reads certificates is imported when one is made, so that a server without TLS can ask for
    this class and does without.

    Attributes:
        store: The certificates; replaced when their settings change.
        challenges: What an authority that comes to check a name is shown.
        handshakes: How the handshakes of the port go.
        acme_failures: Attempts to get a certificate from an authority that failed.
        failed_reloads: Certificates on disk that were not served because something was wrong.
    """

    name = "certificates"

    def __init__(
        self,
        runtime: Runtime,
        *,
        has_http: bool,
        others: "AcmeOthers | None" = None,
        orders: bool = True,
    ) -> None:
        """Read the certificates.

        Args:
            runtime: What every connection needs.
            has_http: There is a plain HTTP listener, on which an authority may check a name.
            others: Serve the same ports; None: this server is alone.
            orders: Certificates are ordered here; else by one of the others.

        Raises:
            SettingsError: One is wrong.
        """
        from headend.tls.challenges import Challenges

        self._runtime = runtime
        self.acme_failures = 0
        self.store = _read(runtime.settings)
        self._checked = (runtime.settings.tls, self.store)
        self._others = others
        self._orders = orders
        self.challenges: Final = Challenges(self._share)
        self.handshakes: Final = Handshakes(runtime.poller)
        self.failed_reloads = 0
        self._timer: TimerHandle | None = None
        self._acme = self._acme_client(has_http=has_http)

    # ------------------------------------------------------------------ what the server tells

    def start(self) -> None:
        """Look after them from now on."""
        if self._acme is not None and self._orders:
            self._acme.start()
        if self.store.is_self_signed:
            log.info(
                "tls serves a self-signed certificate: SHA-256 fingerprint %s",
                self.store.certificates[0].fingerprint,
            )
        self._warn()

    def check(self, settings: Settings) -> None:
        """Read the certificates that settings name; `configure` serves them.

        Raises:
            SettingsError: One is wrong.
        """
        if settings.tls != self._checked[0]:
            self._checked = (settings.tls, _read(settings))

    def configure(self, settings: Settings) -> None:
        """Serve what `check` has read."""
        wanted, store = self._checked
        if wanted == settings.tls and store is not self.store:
            self.store = store
            if self._acme is not None:
                self._acme.serve_last()

    def serve_last(self) -> None:
        """Serve the certificate that another process has got."""
        self.challenges.clear()
        if self._acme is not None:
            self._acme.serve_last()

    def renewed(self) -> None:
        """Have others serve the certificate that was got here."""
        if self._others is not None:
            self._others.renewed()

    def files(self) -> Sequence[Path]:
        """Return the folders of the certificates."""
        return tuple(self.store.watch_paths())

    def reload(self) -> Sequence[str]:
        """Serve certificates that changed on disk; one that is wrong is not served."""
        from headend.tls.certificate_events import tell_reloaded

        lines = []
        for result in self.store.reload(datetime.now(UTC)):
            tell_reloaded(self._runtime.events, result)
            if result.outcome == "kept":
                self.failed_reloads += 1
            if result.outcome != "unchanged":
                lines.append(str(result))
                log.log(logging.ERROR if result.outcome == "kept" else logging.INFO, "%s", result)
        return lines

    async def stop(self) -> None:
        """Look after them no more."""
        if self._timer is not None:
            self._timer.cancel()
        if self._acme is not None:
            await self._acme.stop()

    # ------------------------------------------------------------------ what it gives to others

    def names(self) -> set[str]:
        """Return the names that they are for."""
        return {name for each in self.store.certificates for name in each.names}

    def metrics(self, label: Label) -> "Sequence[Metric]":
        """Return what is counted of handshakes and certificates."""
        from headend.tls.metrics import collect

        return collect(self, self.acme_failures, datetime.now(UTC))

    def status(self) -> Values:
        """Say how many there are, and when the first one expires."""
        now = datetime.now(UTC)
        ends = [(each.not_after - now).total_seconds() for each in self.store.certificates]
        return {"served": len(ends), "expires_in_s": round(min(ends))}

    # ------------------------------------------------------------------ inside

    def _share(self, name: str, key_authorization: str) -> None:
        """Have others ready for a challenge, and wait for them, in the thread of the order."""
        if self._others is not None:
            sharing = self._others.challenge(name, key_authorization)
            asyncio.run_coroutine_threadsafe(sharing, self._runtime.loop).result()

    def _acme_client(self, *, has_http: bool) -> "AcmeClient | None":
        if not self._runtime.settings.tls.acme.domains:
            return None
        # Not loaded by a server without ACME: its library takes a quarter of a second.
        from headend.tls.acme import AcmeClient

        return AcmeClient(self._runtime, self, has_http=has_http)

    def _look(self) -> None:
        """Once a day: renew our own certificate, warn of any that is about to expire."""
        self.reload()
        self._warn()

    def _warn(self) -> None:
        """Warn now, and look again in a day."""
        from headend.tls.certificate_events import tell_expiring

        now = datetime.now(UTC)
        tell_expiring(self._runtime.events, self.store.certificates, now)
        for line in self.store.warnings(now):
            log.warning("%s", line)
        self._timer = self._runtime.loop.call_later(CHECK_S, self._look)


def _read(settings: Settings) -> "CertificateStore":
    from headend.tls.certificates import CertificateStore

    return CertificateStore(
        settings.tls.certificates,
        data=settings.data,
        now=datetime.now(UTC),
        profile=settings.tls.profile,
        client_ca=settings.tls.client_ca,
        client_auth=settings.tls.client_auth,
    )
