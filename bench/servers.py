"""Servers that are compared, each started alone on its core."""

import dataclasses
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bench.proc import process_tree
from bench.tools import LOAD_CORE, SERVER_CORE, TLS_SUFFIX, BenchError, Tool, pinned
from headend.cli import bench_server
from headend.cli.bench_server import stop
from headend.errors import HeadendError

ROOT: Final = Path(__file__).parent.parent
START_S: Final = 20.0
POLL_S: Final = 0.005
KBPS: Final = 2650
APP: Final = "live"
NAME: Final = "bench"
NGINX_MODULES: Final = (
    Path("/usr/lib/nginx/modules"),
    Path("/usr/lib64/nginx/modules"),
)
NGINX_HEAD: Final = """\
load_module {module};
daemon off;
user {user};
worker_processes 1;
worker_rlimit_nofile 20000;
pid {folder}/nginx.pid;
error_log {folder}/error.log error;
events {{ worker_connections 19000; }}
"""
NGINX_RTMP: Final = """\
rtmp {{
    access_log off;
    server {{
        listen 127.0.0.1:{port};
        ping 1h;  # load players drop what they get, a ping too
        application live {{ live on; }}
    }}
}}
"""
NGINX_PROXY: Final = """\
stream {{
    server {{
        listen 127.0.0.1:{port} ssl;
        ssl_certificate {certificate};
        ssl_certificate_key {key};
        ssl_protocols TLSv1.2 TLSv1.3;
        proxy_pass 127.0.0.1:{behind};
    }}
}}
"""


@dataclass(frozen=True, slots=True)
class Variant:
    """One server in one configuration."""

    server: str  # headend, nginx, floor, pyfloor; with TLS headend-tls, nginx-tls, floor-tls
    flush: str = ""  # ms, or "adaptive"; nginx-rtmp sends at once and has none

    @property
    def label(self) -> str:
        """Name of the row in tables."""
        return f"{self.server}/{self.flush}" if self.flush else self.server

    @property
    def is_tls(self) -> bool:
        """Whether players come over TLS; encoders never do."""
        return self.server.endswith(TLS_SUFFIX)


@dataclass(frozen=True, slots=True)
class Server:
    """A server that accepts connections."""

    variant: Variant
    port: int
    pid: int
    source: Tool | None  # a floor makes the stream itself
    tls_port: int | None = None
    tls_pid: int | None = None  # of a proxy that does TLS for it

    def pids(self) -> list[int]:
        """All its processes."""
        proxy = [] if self.tls_pid is None else process_tree(self.tls_pid)
        return process_tree(self.pid) + proxy

    @property
    def play_port(self) -> int:
        """Where its players connect to."""
        return self.port if self.tls_port is None else self.tls_port

    def tool(self, name: str) -> str:
        """Name the variant of a load tool that speaks to it as a player."""
        return name + TLS_SUFFIX if self.variant.is_tls else name


@contextmanager
def running(
    variant: Variant, *, kbps: int = KBPS, settings: Sequence[str] = ()
) -> Iterator[Server]:
    """Run a server on the server's core until the block ends.

    Args:
        variant: Which, and how it flushes.
        kbps: Bit rate of the stream that a floor makes; other servers are sent theirs.
        settings: More of Headend's settings, as `section.key=value`.

    Raises:
        BenchError: It is not installed, or it does not start.
    """
    with ExitStack() as stack:
        match variant.server:
            case "headend" | "headend-tls":
                yield stack.enter_context(headend(variant, settings))
            case "nginx":
                yield stack.enter_context(nginx(variant))
            case "nginx-tls":
                yield stack.enter_context(nginx_with_proxy(variant))
            case _:
                yield stack.enter_context(floor(variant, kbps))


@contextmanager
def source(server: Server, *, kbps: int = KBPS) -> Iterator[Tool]:
    """Give what makes the stream: the floor itself, or an encoder that publishes to the server."""
    if server.source is not None:
        yield server.source
        return
    with Tool.start("publishers", "127.0.0.1", server.port, APP, NAME, 1, "--kbps", kbps) as tool:
        tool.answer()
        yield tool


@contextmanager
def floor(variant: Variant, kbps: int) -> Iterator[Server]:
    """Run the bare loop, in C or in Python."""
    options: tuple[str | int, ...] = ("--flush-ms", variant.flush or "0", "--kbps", kbps)
    with ExitStack() as stack:
        if variant.server == "floor":
            running = Tool.start("floor", *options, core=SERVER_CORE)
        else:
            module = "bench.tls_floor" if variant.is_tls else "bench.pyfloor"
            command = [sys.executable, "-m", module, *map(str, options)]
            if variant.is_tls:
                folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="headend-bench-"))
                command += map(str, make_certificate(Path(folder)))
            running = Tool.run(command, core=SERVER_CORE)
        tool = stack.enter_context(running)
        yield Server(variant, int(tool.answer()["port"]), tool.pid, tool)


@contextmanager
def headend(variant: Variant, settings: Sequence[str] = ()) -> Iterator[Server]:
    """Run Headend from this checkout."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="headend-bench-")))
        settings = [*flush_settings(variant.flush), *settings]
        process = start_headend(folder, settings, tls="127.0.0.1:0" if variant.is_tls else "off")
        stack.callback(stop, process)
        port = wait_ready(process, folder)
        tls_port = wait_ready(process, folder, "tls") if variant.is_tls else None
        yield Server(variant, port, process.pid, None, tls_port)


def flush_settings(flush: str) -> list[str]:
    """Translate a variant's flush into settings."""
    if flush in ("", "adaptive"):
        return ["live.flush=adaptive"]
    return ["live.flush=fixed", f"live.flush_ms={flush}"]


def start_headend(
    folder: Path,
    settings: Sequence[str],
    tls: str = "off",
    http: str = "off",
    rtmp: str = "127.0.0.1:0",
) -> subprocess.Popen[str]:
    """Start `headend serve` on free ports with its data, log and ready file in a folder."""
    flags = ["--rtmp", rtmp, "--tls", tls, "--http", http]
    for setting in ["auth.publish=open", *settings]:
        flags += ["--set", setting]
    return bench_server.start(folder, *flags, before=pinned([], SERVER_CORE))


def wait_ready(process: subprocess.Popen[str], folder: Path, listener: str = "rtmp") -> int:
    """Wait for Headend's ready file and return the port of a listener."""
    try:
        ready = bench_server.wait_ready(process, folder)
    except HeadendError as error:
        raise BenchError(str(error)) from error
    return int(ready[listener][0].rpartition(":")[2])


@contextmanager
def nginx(variant: Variant) -> Iterator[Server]:
    """Run nginx-rtmp with one worker and its default chunk size."""
    port = free_port()
    with run_nginx("rtmp", port, NGINX_RTMP.format(port=port)) as pid:
        yield Server(variant, port, pid, None)


@contextmanager
def nginx_with_proxy(variant: Variant) -> Iterator[Server]:
    """Run nginx-rtmp, and before it another nginx with one worker that does TLS for its players."""
    with ExitStack() as stack:
        server = stack.enter_context(nginx(variant))
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="headend-bench-"))
        certificate, key = make_certificate(Path(folder))
        port = free_port()
        config = NGINX_PROXY.format(port=port, behind=server.port, certificate=certificate, key=key)
        pid = stack.enter_context(run_nginx("stream", port, config))
        yield dataclasses.replace(server, tls_port=port, tls_pid=pid)


@contextmanager
def run_nginx(name: str, port: int, config: str) -> Iterator[int]:
    """Run an nginx with one worker and one module that listens on a port; give its process."""
    program = shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin")
    module = nginx_module(name)
    if program is None or module is None:
        raise BenchError(f"no nginx with {name}: install the Debian package libnginx-mod-{name}")
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="headend-bench-"))
        user = "root" if os.geteuid() == 0 else os.environ.get("USER", "nobody")
        head = NGINX_HEAD.format(module=module, folder=folder, user=user)
        path = Path(folder, "nginx.conf")
        path.write_text(head + config)
        command = [program, "-e", f"{folder}/error.log", "-p", folder, "-c", str(path)]
        process = subprocess.Popen(pinned(command, SERVER_CORE), text=True)
        stack.callback(stop, process)
        wait_port(port, process)
        yield process.pid


def make_certificate(folder: Path) -> tuple[Path, Path]:
    """Make a certificate and its key as Headend does for itself (ECDSA P-256)."""
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]
    certificate, key = folder / "certificate.pem", folder / "key.pem"
    command += ["-nodes", "-subj", "/CN=localhost", "-days", "2"]
    command += ["-keyout", str(key), "-out", str(certificate)]
    try:
        subprocess.run(command, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError) as error:
        raise BenchError(f"no certificate from openssl: {error}") from error
    return certificate, key


def nginx_module(name: str = "rtmp") -> Path | None:
    """Find one of nginx's modules."""
    paths = (folder / f"ngx_{name}_module.so" for folder in NGINX_MODULES)
    return next((path for path in paths if path.exists()), None)


def free_port() -> int:
    """Find a port that nothing listens on; nginx cannot take port 0."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_port(port: int, process: subprocess.Popen[str]) -> None:
    """Wait until something accepts on a port."""
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline and process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            time.sleep(POLL_S)
        else:
            return
    raise BenchError(f"nothing listens on port {port}: the server does not start")


def describe_machine() -> str:
    """Say in one line where the figures come from."""
    model = next(
        (
            line.partition(":")[2].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if line.startswith("model name")
        ),
        "unknown CPU",
    )
    version = sys.version.split()[0]
    return (
        f"{model}, Linux {os.uname().release}, Python {version}, "
        f"server on core {SERVER_CORE}, load on core {LOAD_CORE}"
    )
