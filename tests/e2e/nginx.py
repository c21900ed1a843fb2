"""A real nginx: in front of a server, with a site that a test or a manual gives, or with RTMP."""

import asyncio
import shutil
import socket
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.e2e.backend import free_port
from tests.e2e.peers import Peers
from tests.e2e.process import Process
from tests.e2e.wait import wait_for

RTMP_MODULE = Path("/usr/lib/nginx/modules/ngx_rtmp_module.so")
TEMPORARY = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
COMMON = """
daemon off;
master_process off;
pid nginx.pid;
error_log stderr info;
events { worker_connections 512; }
"""

Start = Callable[[], Process]


def nginx_in_front(site: str, peers: Peers, folder: Path) -> str:
    """Run nginx until the peers are closed; return its base URL.

    Args:
        site: What is in `http { }`; `LISTEN` stands for a free port.
        peers: Runs it.
        folder: For its files.
    """
    port, start = _prepared(configuration(site), peers, folder)
    start()
    return f"http://127.0.0.1:{port}"


async def nginx_beside(site: str, peers: Peers, folder: Path) -> str:
    """Do the same while a server runs in the loop of the test."""
    return await asyncio.to_thread(nginx_in_front, site, peers, folder)


def nginx_rtmp(applications: str, peers: Peers, folder: Path) -> tuple[str, Start]:
    """Prepare an nginx with RTMP; return HOST:PORT and what starts it, once or oftener.

    Args:
        applications: What is in `rtmp { server { } }`.
        peers: Runs it.
        folder: For its files.
    """
    if not RTMP_MODULE.exists():
        pytest.skip("nginx-rtmp is not installed")
    server = f"rtmp {{ server {{ listen 127.0.0.1:LISTEN;\n{applications}\n}} }}\n"
    port, start = _prepared(f"load_module {RTMP_MODULE};\n{COMMON}{server}", peers, folder)
    return f"127.0.0.1:{port}", start


def configuration(site: str) -> str:
    """Return a whole configuration of a site."""
    temporary = "".join(f"{name}_temp_path {name};\n" for name in TEMPORARY)
    return f"{COMMON}http {{ access_log off;\n{temporary}{site}\n}}\n"


def _prepared(text: str, peers: Peers, folder: Path) -> tuple[int, Start]:
    if shutil.which("nginx") is None:
        pytest.skip("nginx is not installed")
    port = free_port()
    folder.mkdir(exist_ok=True)
    file = folder / "nginx.conf"
    file.write_text(text.replace("LISTEN", str(port)))

    def start() -> Process:
        process = peers.run("nginx", "-p", str(folder), "-e", "stderr", "-c", str(file))

        def listens() -> bool:
            assert process.is_running, process.output()
            with socket.socket() as sock:
                return sock.connect_ex(("127.0.0.1", port)) == 0

        wait_for(listens, "nginx listens")
        return process

    return port, start
