"""Processes of ours that make media files: neither their time nor a crash is the server's."""

import asyncio
import os
import sys
from typing import Final

from headend.errors import MediaError

SECRETS: Final = "HEADEND_"  # environment variables that begin so hold settings


async def run_worker(module: str, job: str, limit_s: float) -> None:
    """Run a module with a job on its stdin, until it is done.

    Args:
        module: Module that says on stdout why it failed, in a line.
        job: JSON document.
        limit_s: Seconds; then it is killed.

    Raises:
        MediaError: It failed, or took too long.
    """
    environ = {name: value for name, value in os.environ.items() if not name.startswith(SECRETS)}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-P", "-m", module),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        env=environ,
        start_new_session=True,  # Ctrl-C is the server's to handle
    )
    try:
        async with asyncio.timeout(limit_s):
            said, _ = await process.communicate(job.encode())
    except TimeoutError:
        raise MediaError(f"the file was not made within {limit_s:g} s") from None
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode:
        raise MediaError(said.decode(errors="replace").strip() or "the file cannot be made")
