"""Certificates of an ACME authority among workers: worker 0 orders, all answer and serve.

worker 0 ── challenge ──► all others, before the authority comes: it may meet any worker
         ── certificate ► all others read the file
"""

import asyncio
from typing import Final

from headend.directory.port import Body, Directory
from headend.directory.values import Member
from headend.live.services import Services
from headend.tls.served import ServedCertificates

KIND: Final = "certificate"  # of a message
SHARE_S: Final = 15.0  # for workers that are being started
AGAIN_S: Final = 0.2


class CrewCertificates:
    """Tells the other workers of challenges and certificates, and takes what worker 0 tells."""

    def __init__(self, services: Services, directory: Directory, count: int) -> None:
        """Prepare.

        Args:
            services: What all connections share.
            directory: Knows the other workers.
            count: How many workers there are.
        """
        self._services: Final = services
        self._directory: Final = directory
        self._count: Final = count

    async def challenge(self, name: str, key_authorization: str) -> None:
        """Have all others ready for TLS-ALPN-01 of a name; see `AcmeOthers`."""
        # Not loaded by a server without TLS: aiohttp takes a third of a second.
        from headend.http.passing import CHALLENGE_ROUTE, Passing

        passing, loop = self._services.features[Passing], self._services.loop
        body = {"name": name, "key_authorization": key_authorization}
        end = loop.time() + SHARE_S
        while True:
            answers = await passing.ask("PUT", CHALLENGE_ROUTE, body=body)
            ready = {each.member.worker for each in answers if each.status == 204}
            if len(ready) >= self._count - 1 or loop.time() > end:
                return
            await asyncio.sleep(AGAIN_S)

    def renewed(self) -> None:
        """Have all others serve the certificate that was got; see `AcmeOthers`."""
        self._directory.tell(None, KIND, {})

    # ------------------------------------------------------------------ what the directory tells

    def owner_changed(self, path: str) -> None:
        """Do nothing: it is about streams."""

    def message(self, sender: Member, kind: str, body: Body) -> None:
        """Serve what worker 0 has got."""
        if kind != KIND:
            return
        served = self._services.features.find(ServedCertificates)
        if served is not None:
            served.serve_last()
