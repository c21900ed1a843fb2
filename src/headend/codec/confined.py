"""A process that reads what comes from strangers: what it may use, and how it tells a fault.

Such a process is a module that runs by itself and answers on its output.
"""

import os
import resource
from contextlib import suppress
from typing import BinaryIO

import av


def confine(memory_bytes: int, written_bytes: int) -> BinaryIO:
    """Limit this process, once it has imported what it needs, and keep libraries from its output.

    Args:
        memory_bytes: Address space that it may have.
        written_bytes: Size of a file that it may write.

    Returns:
        Where its answers go: what was its output.
    """
    av.logging.set_level(av.logging.PANIC)
    # Whatever a library prints must not get between the answers.
    answers = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(2, 1)
    _limit(resource.RLIMIT_AS, memory_bytes)
    _limit(resource.RLIMIT_CORE, 0)
    _limit(resource.RLIMIT_FSIZE, written_bytes)
    os.nice(5)
    return answers


def allow_cpu(seconds: int) -> None:
    """Let this process compute for so long from now on, for a job."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    _limit(resource.RLIMIT_CPU, int(used.ru_utime + used.ru_stime) + seconds)


def fault_of(error: Exception, most_characters: int) -> str:
    """Say in words why a job failed."""
    if isinstance(error, MemoryError):
        return "it needs too much memory"
    return (str(error) or type(error).__name__)[:most_characters]


def _limit(what: int, value: int) -> None:
    """Lower a soft limit; nothing fails where a system has no such limit."""
    hard = resource.getrlimit(what)[1]
    if hard != resource.RLIM_INFINITY:
        value = min(value, hard)
    with suppress(ValueError, OSError):
        resource.setrlimit(what, (value, hard))
