"""What each package adds to the resident memory of an idle server, and to the CPU of its start.

    python -m bench.modules     starts `headend serve` with HTTP and TLS in this very process

Memory is what the process grew by while a module's own code ran, without what it imported itself;
with threads at work it is known to half a MiB. The database must be there: run it twice.
"""

import os
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from importlib import machinery
from pathlib import Path
from typing import Any, Final

PAGE: Final = os.sysconf("SC_PAGE_SIZE")
AT_REST_S: Final = 8.0
MOST: Final = 20  # packages that are shown

memory: Final[Counter[str]] = Counter()
cpu: Final[Counter[str]] = Counter()
modules: Final[Counter[str]] = Counter()
_threads: Final = threading.local()


def resident() -> int:
    """Return the resident memory of this process, bytes."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * PAGE


def package_of(name: str) -> str:
    """Name the package of a module; those of Headend are told apart."""
    parts = name.split(".")
    return ".".join(parts[:2]) if parts[0] == "headend" else parts[0]


def watch(loader: type[Any], method: str) -> None:
    """Note what each call of a loader's method costs."""
    original: Callable[[Any, Any], Any] = getattr(loader, method)

    def measured(self: Any, subject: Any) -> Any:
        inner: list[list[float]] = _threads.__dict__.setdefault("inner", [])
        inner.append([0, 0.0])
        before, began = resident(), time.thread_time()
        try:
            return original(self, subject)
        finally:
            grown, took = resident() - before, time.thread_time() - began
            of_others, others_took = inner.pop()
            if inner:
                inner[-1][0] += grown
                inner[-1][1] += took
            is_spec = isinstance(subject, machinery.ModuleSpec)
            package = package_of(subject.name if is_spec else subject.__name__)
            memory[package] += int(grown - of_others)
            cpu[package] += took - others_took  # type: ignore[assignment]
            modules[package] += method != "create_module"

    setattr(loader, method, measured)


def show() -> None:
    """Print the largest, and end the process."""
    print(f"{'package':20} {'MiB':>6} {'ms of CPU':>10} {'modules':>8}")
    for package, size in memory.most_common(MOST):
        row = f"{size / 2**20:6.1f} {1000 * cpu[package]:10.0f} {modules[package]:8}"
        print(f"{package:20} {row}")
    whole = f"{resident() / 2**20:6.1f} {1000 * time.process_time():10.0f}"
    print(f"{'the process':20} {whole} {len(sys.modules):8}", flush=True)
    os._exit(0)


def main() -> None:
    """Start a server and show it at rest."""
    watch(machinery.SourceFileLoader, "exec_module")
    watch(machinery.ExtensionFileLoader, "create_module")
    watch(machinery.ExtensionFileLoader, "exec_module")
    from headend.__main__ import main as serve

    data = Path(tempfile.gettempdir(), "headend-bench-modules")
    listen = [f"--{name}=127.0.0.1:0" for name in ("rtmp", "tls", "http")]
    sys.argv[1:] = ["serve", *listen, f"--data={data}", "--log-level=warning"]
    timer = threading.Timer(AT_REST_S, show)
    timer.daemon = True
    timer.start()
    serve()


if __name__ == "__main__":
    main()
