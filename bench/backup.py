"""The longest gap of a player while `headend backup` runs beside 50 streams.

    python -m bench.backup --streams 50

A server has a database of some hundred megabytes, `headend bench ingest` publishes the streams, and
one player notes when each tag comes: for some seconds alone, then while backups are made one after
the other.
"""

import argparse
import asyncio
import json
import sqlite3
import subprocess
import sys
import tempfile
import time
from itertools import pairwise
from pathlib import Path
from typing import Final

from headend.client import play

START_S: Final = 120
ROW_BYTES: Final = 1000


async def measure(streams: int, rows: int, seconds: float) -> dict[str, object]:
    """Return the figures of one run."""
    with tempfile.TemporaryDirectory() as folder:
        data, ready = Path(folder, "data"), Path(folder, "ready.json")
        server = _run(
            *("serve", "--rtmp", "127.0.0.1:0", "--http", "127.0.0.1:0", "--tls", "off"),
            *("--srt", "off", "--data", str(data), "--ready-file", str(ready)),
            *("--log-level", "error"),
        )
        load = None
        try:
            await _until(ready.exists)
            address = _address(ready)
            await _until(lambda: (data / "headend.db").exists())
            await asyncio.to_thread(_fill, data / "headend.db", rows)
            url = f"rtmp://{address}/live/camera"
            load = _run(
                *("bench", "ingest", "--publishers", str(streams), "--kbps", "2500"),
                *("--seconds", "3600", url),
            )
            await asyncio.sleep(10)
            return await _watch(f"{url}-0", data, seconds)
        finally:
            for process in filter(None, (load, server)):
                process.terminate()
                process.wait()


def _run(*arguments: str) -> "subprocess.Popen[bytes]":
    command = [sys.executable, "-m", "headend", *arguments]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL)


def _address(ready: Path) -> str:
    return str(json.loads(ready.read_text())["rtmp"][0])


def _fill(database: Path, rows: int) -> None:
    """Have a large database, as after years: a table that the server does not read."""
    with sqlite3.connect(database, timeout=START_S) as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS bench_ballast (content BLOB)")
        blob = bytes(ROW_BYTES)
        connection.executemany(
            "INSERT INTO bench_ballast VALUES (?)", ((blob,) for _ in range(rows))
        )
    connection.close()


async def _watch(url: str, data: Path, seconds: float) -> dict[str, object]:
    times: list[float] = []
    came = times.append

    async def note() -> None:
        async with play(url) as player:
            async for _ in player:
                came(time.perf_counter())

    noting = asyncio.create_task(note())
    await asyncio.sleep(3)
    began = time.perf_counter()
    await asyncio.sleep(seconds)
    alone = time.perf_counter()
    backups = 0
    while time.perf_counter() < alone + seconds:
        file = data.parent / f"backup{backups}.zip"
        words = ("-m", "headend", "backup", str(file), "--data", str(data))
        process = await asyncio.create_subprocess_exec(
            sys.executable, *words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        if await process.wait():
            raise SystemExit("bench.backup: a backup failed")
        size = file.stat().st_size
        file.unlink()
        backups += 1
    ended = time.perf_counter()
    noting.cancel()
    await asyncio.gather(noting, return_exceptions=True)
    return {
        "backups": backups,
        "seconds of one": round((ended - alone) / backups, 1),
        "database, MB": round((data / "headend.db").stat().st_size / 1e6),
        "bytes of one": size,
        "gap alone, ms, median and longest": _gaps(times, began, alone),
        "gap beside backups, ms, median and longest": _gaps(times, alone, ended),
    }


def _gaps(times: list[float], began: float, ended: float) -> tuple[float, float]:
    found = [each for each in times if began <= each <= ended]
    gaps = sorted(1000 * (after - before) for before, after in pairwise(found))
    return round(gaps[len(gaps) // 2], 1), round(gaps[-1], 1)


async def _until(condition: "object") -> None:
    assert callable(condition)
    end = time.monotonic() + START_S
    while not condition():
        if time.monotonic() > end:
            raise SystemExit("bench.backup: what was waited for did not come")
        await asyncio.sleep(0.2)


def main() -> None:
    """Print the figures as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--streams", type=int, default=50)
    parser.add_argument("--rows", type=int, default=200_000, help="of a kilobyte, in the database")
    parser.add_argument("--seconds", type=float, default=20)
    asked = parser.parse_args()
    figures = asyncio.run(measure(asked.streams, asked.rows, asked.seconds))
    print(json.dumps({"streams": asked.streams, **figures}, indent=2))


if __name__ == "__main__":
    main()
