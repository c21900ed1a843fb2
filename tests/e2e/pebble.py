"""Pebble, Let's Encrypt's ACME authority for tests, on free ports of loopback.

Debian's package `pebble` holds it. Where it connects to for a challenge is given, for it can't be
443 and 80 in a test.
"""

import json
import os
import ssl
import urllib.request
from pathlib import Path
from typing import Final

import trustme
from tests.e2e.backend import free_port
from tests.e2e.process import Process
from tests.e2e.wait import LIMIT_S, wait_for

NAME: Final = "localhost"  # the one name that leads here on every machine


class Pebble:
    """An authority.

    Attributes:
        directory: URL of its directory.
        ca: PEM file to trust for that URL.
        settings: What a server needs to get its certificate here.
    """

    def __init__(self, folder: Path, *, tls_port: int, http_port: int) -> None:
        """Start it, and wait until it answers.

        Args:
            folder: Takes its files; made.
            tls_port: Where it goes for TLS-ALPN-01.
            http_port: Where it goes for HTTP-01.
        """
        folder.mkdir()
        authority = trustme.CA()
        own = authority.issue_cert(NAME, "127.0.0.1")
        own.private_key_and_cert_chain_pem.write_to_path(folder / "own.pem")
        self.ca = folder / "ca.pem"
        authority.cert_pem.write_to_path(self.ca)
        port, self._management_port = free_port(), free_port()
        config = {
            "listenAddress": f"127.0.0.1:{port}",
            "managementListenAddress": f"127.0.0.1:{self._management_port}",
            "certificate": str(folder / "own.pem"),
            "privateKey": str(folder / "own.pem"),
            "tlsPort": tls_port,
            "httpPort": http_port,
        }
        (folder / "config.json").write_text(json.dumps({"pebble": config}))
        self._context = ssl.create_default_context(cafile=self.ca)
        self.process = Process(
            ["pebble", "-config", str(folder / "config.json")],
            folder / "log",
            # It would wait for up to 15 s before it looks, and refuse requests by lot.
            os.environ | {"PEBBLE_VA_NOSLEEP": "1", "PEBBLE_WFE_NONCEREJECT": "0"},
        )
        self.directory = f"https://127.0.0.1:{port}/dir"
        self.settings = (
            f"tls.acme.domains={NAME}",
            "tls.acme.email=me@a.example",
            f"tls.acme.directory={self.directory}",
            f"tls.acme.ca={self.ca}",
        )
        wait_for(self._answers, "Pebble")

    def _answers(self) -> bool:
        assert self.process.is_running, self.process.output()
        try:
            self.root()
        except OSError:
            return False
        return True

    def root(self) -> str:
        """Return the certificate that vouches for those it issues, in PEM; new at every start."""
        url = f"https://127.0.0.1:{self._management_port}/roots/0"
        with urllib.request.urlopen(url, context=self._context, timeout=LIMIT_S) as answer:
            return str(answer.read().decode())

    def client(self) -> ssl.SSLContext:
        """Return the context of a client that trusts it, and nobody else."""
        return ssl.create_default_context(cadata=self.root())
