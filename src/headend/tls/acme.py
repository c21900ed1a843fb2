"""The server's certificate from an ACME authority, ordered and renewed in time.

    due? ─ no ─► sleep
      └─ yes ─► order, in a thread ─┬─ certificate ─► file ─► served from the next handshake on
                                    └─ failure ─► log, metric ─► back off

See docs/decisions/0007-acme-in-the-server.md.
"""

import asyncio
import logging
import random
import threading
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final, TypeVar

from headend.errors import SettingsError, StorageError
from headend.net.runtime import Runtime
from headend.tls.acme_files import (
    account_folder,
    issued_pair,
    load_or_create_account_key,
    write_private,
)
from headend.tls.acme_order import AcmeError, Wanted, obtain
from headend.tls.certificate_events import tell_failed, tell_renewed
from headend.tls.certificate_files import Certificate

if TYPE_CHECKING:
    from headend.tls.served import ServedCertificates

log = logging.getLogger(__name__)

RENEWAL_SHARE: Final = 3  # a third of the lifetime before the end, as Let's Encrypt recommends
CHECK_S: Final = 3600.0  # longest sleep: the clock may be set meanwhile, or the machine suspended

# After the first failure; each further one doubles it. Let's Encrypt takes five failed checks of a
# name in an hour, and one attempt may fail two.
REFUSED_S: Final = 20 * 60.0
REFUSED_MOST_S: Final = 24 * 3600.0
# Where no order was made, such as before the network is up.
UNREACHABLE_S: Final = 30.0
UNREACHABLE_MOST_S: Final = 3600.0
JITTER: Final = 0.25  # at most so much later, so that servers that failed together part

T = TypeVar("T")


class AcmeClient:
    """The client of an ACME authority; `start` and `stop` once each.

    Attributes:
        reason: Why the last attempt failed; empty if it did not.
    """

    def __init__(self, runtime: Runtime, served: "ServedCertificates", *, has_http: bool) -> None:
        """Serve the certificate that was got last.

        Args:
            runtime: What all connections share.
            served: Serves the certificate, and shows the authority that the names lead here.
            has_http: There is a plain HTTP listener too, to answer HTTP-01.
        """
        acme = runtime.settings.tls.acme
        self._runtime = runtime
        self._served = served
        self._wanted = Wanted(
            domains=acme.domains,
            directory=acme.directory,
            ca=acme.ca,
            email=acme.email,
            kinds=("tls-alpn-01", "http-01") if has_http else ("tls-alpn-01",),
        )
        self._folder = account_folder(runtime.settings.data, acme.directory)
        self._certificate: Certificate | None = None
        self._failures = 0  # in a row
        self._task: asyncio.Task[None] | None = None
        self.reason = ""
        self.serve_last()

    def serve_last(self) -> None:
        """Serve the certificate that was got last, if it is there and valid.

        For the start, and for a port that has new settings.
        """
        if issued_pair(self._folder).cert.exists():
            try:
                self._serve()
            except SettingsError as error:
                log.warning("acme: the last certificate is not served: %s", error)

    def start(self) -> None:
        """Begin to look after the certificate."""
        self._task = self._runtime.loop.create_task(self._run())

    async def stop(self) -> None:
        """End that. An order on its way is left to its thread, which ends with the process."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
        self._served.challenges.clear()

    async def _run(self) -> None:
        while True:
            wait_s = self._due_in_s(datetime.now(UTC))
            if wait_s > 0:
                await asyncio.sleep(min(wait_s, CHECK_S))
                continue
            try:
                await self._renew()
            except (AcmeError, SettingsError, StorageError) as error:
                await asyncio.sleep(self._fail(error))
            except Exception as error:
                log.exception("acme failed: a bug")
                await asyncio.sleep(self._fail(error))

    def _due_in_s(self, now: datetime) -> float:
        return due_in_s(self._certificate, self._wanted.domains, now)

    async def _renew(self) -> None:
        log.info(
            "acme: asking %s for a certificate for %s",
            self._wanted.directory,
            ", ".join(self._wanted.domains),
        )
        await _in_thread(self._runtime.loop, self._order)
        self._serve()
        self._served.renewed()
        if self._due_in_s(datetime.now(UTC)) <= 0:  # or we would ask again at once, and again
            raise AcmeError("the authority's certificate lacks a name or is about to expire")
        self._failures = 0
        self.reason = ""
        if self._certificate is not None:
            tell_renewed(self._runtime.events, self._certificate)

    def _order(self) -> None:
        """Get the certificate and keep it; in a thread of its own."""
        key = load_or_create_account_key(self._folder)
        content = obtain(self._wanted, key, self._served.challenges)
        write_private(issued_pair(self._folder).cert, content)

    def _serve(self) -> None:
        now = datetime.now(UTC)
        certificate = self._served.store.add(issued_pair(self._folder), now)
        self._certificate = certificate
        log.info(
            "acme: serving a certificate for %s by %s until %s",
            ", ".join(certificate.names),
            certificate.issuer,
            f"{certificate.not_after:%Y-%m-%d}",
        )

    def _fail(self, error: Exception) -> float:
        """Report a failed attempt; return the seconds to wait."""
        self._failures += 1
        self._served.acme_failures += 1
        self.reason = str(error)
        tell_failed(self._runtime.events, self._wanted.domains, self.reason)
        wait_s = retry_in_s(self._failures, error, random.random())
        log.error(
            "acme: no certificate for %s: %s; attempt %d, the next one in %s",
            ", ".join(self._wanted.domains),
            self.reason,
            self._failures,
            timedelta(seconds=round(wait_s)),
        )
        return wait_s


def due_in_s(certificate: Certificate | None, domains: tuple[str, ...], now: datetime) -> float:
    """Return the seconds until a certificate should be got, 0 or less if it is due.

    Args:
        certificate: The one that is served; None if there is none yet.
        domains: What it should be for: one that lacks a name is due at once.
        now: In UTC.
    """
    if certificate is None or not set(domains) <= set(certificate.names):
        return 0.0
    lifetime = certificate.not_after - certificate.not_before
    return (certificate.not_after - lifetime / RENEWAL_SHARE - now).total_seconds()


def retry_in_s(failures: int, error: Exception, chance: float) -> float:
    """Return the seconds to wait after a failed attempt.

    Args:
        failures: How many failed in a row, this one included.
        error: Why.
        chance: 0 to 1, by lot.
    """
    first, most, least = REFUSED_S, REFUSED_MOST_S, 0.0
    if isinstance(error, AcmeError):
        least = error.retry_after_s
        if error.is_unreachable:
            first, most = UNREACHABLE_S, UNREACHABLE_MOST_S
    doublings = min(failures - 1, 20)  # beyond it is far over the most
    return max(min(first * (1 << doublings), most), least) * (1 + JITTER * chance)


async def _in_thread(loop: asyncio.AbstractEventLoop, call: Callable[[], T]) -> T:
    """Run a blocking call in a thread that does not keep the process from ending.

    The loop's own threads would: the end waits for them.
    """
    future: asyncio.Future[T] = loop.create_future()

    def settle(result: T | None, error: BaseException | None) -> None:
        if future.cancelled():
            return
        if error is not None:
            future.set_exception(error)
        else:
            future.set_result(result)  # type: ignore[arg-type]

    def run() -> None:
        result, failure = None, None
        try:
            result = call()
        except BaseException as error:  # the loop's side raises it again
            failure = error
        with suppress(RuntimeError):  # the loop is closed
            loop.call_soon_threadsafe(settle, result, failure)

    threading.Thread(target=run, name="acme", daemon=True).start()
    return await future
