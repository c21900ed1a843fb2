"""A real nginx in front of a server, with a site that a test or a manual gives."""

import os
import socket
from contextlib import suppress
from pathlib import Path

from tests.e2e.peers import Peers
from tests.e2e.wait import wait_for

TEMPORARY = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")


def configuration(site: str, folder: Path) -> str:
    """Return a whole configuration whose files lie in `folder`."""
    config = "user root;\n" if os.getuid() == 0 else ""
    config += f"daemon off; pid {folder}/nginx.pid; error_log stderr; worker_processes 1;\n"
    config += "events { worker_connections 512; }\nhttp { access_log off;\n"
    config += "".join(f"{name}_temp_path {folder}/{name};\n" for name in TEMPORARY)
    return f"{config}{site}\n}}\n"


def nginx_in_front(site: str, peers: Peers, folder: Path) -> str:
    """Run nginx until the peers are closed; return its base URL.

    Args:
        site: What is in `http { }`; `LISTEN` stands for a free port.
        peers: Runs it.
        folder: For its files.
    """
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    file = folder / "nginx.conf"
    file.write_text(configuration(site.replace("LISTEN", str(port)), folder))
    peers.run("nginx", "-c", str(file), "-p", str(folder))

    def listens() -> bool:
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return True
        return False

    wait_for(listens, "nginx")
    return f"http://127.0.0.1:{port}"
