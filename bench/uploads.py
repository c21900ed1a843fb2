"""What an upload to object storage costs beside live: CPU for each MiB, and lag of the loop.

python -m bench.uploads     moto_server takes it, on the same machine
"""

import asyncio
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Final

from headend.objects.object_store import MIB, Credentials, ObjectStore

SIZE: Final = 256 * MIB
STEP_S: Final = 0.005
IDLE_S: Final = 4.0


async def lags(is_over: Callable[[], bool]) -> list[float]:
    """Return how late the loop came back from short sleeps, ms."""
    found = []
    while not is_over():
        began = time.perf_counter()
        await asyncio.sleep(STEP_S)
        found.append((time.perf_counter() - began - STEP_S) * 1000)
    return found


def shown(values: list[float]) -> str:
    """Show the middle and the worst of some lags."""
    worst = statistics.quantiles(values, n=100)[98]
    return f"p50 {statistics.median(values):.2f} ms, p99 {worst:.2f} ms"


async def measure(endpoint: str, file: Path) -> None:
    """Upload a file, and say what that cost."""
    store = ObjectStore("s3://rec", Credentials(endpoint, "", "AKIA0BENCH", "nobody's secret"))
    end = time.perf_counter() + IDLE_S
    idle = await lags(lambda: time.perf_counter() > end)
    began, cpu = time.perf_counter(), time.process_time()
    task = asyncio.create_task(store.put("x", file, SIZE))
    busy = await lags(task.done)
    await task
    seconds, cpu = time.perf_counter() - began, time.process_time() - cpu
    print(f"{SIZE // MIB} MiB in {seconds:.1f} s: {cpu / (SIZE / MIB) * 1000:.2f} ms of CPU a MiB")
    print(f"lag of the loop: {shown(idle)}; while it uploads {shown(busy)}")


def main() -> None:
    """Run a server of S3, and measure."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port = sock.getsockname()[1]
    serve = f"from moto.server import main; main(['-H', '127.0.0.1', '-p', '{port}'])"
    server = subprocess.Popen(
        [sys.executable, "-c", serve], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    endpoint = f"http://127.0.0.1:{port}"
    try:
        while True:
            try:
                urllib.request.urlopen(f"{endpoint}/moto-api/data.json").close()
                break
            except OSError:
                time.sleep(0.1)
        urllib.request.urlopen(urllib.request.Request(f"{endpoint}/rec", method="PUT")).close()
        with tempfile.NamedTemporaryFile() as file:
            file.write(bytes(SIZE))
            file.flush()
            asyncio.run(measure(endpoint, Path(file.name)))
    finally:
        server.kill()


if __name__ == "__main__":
    main()
