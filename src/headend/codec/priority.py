"""The priority of a thread, which an encoder may raise and does not give back.

SVT-AV1, run by root, makes the thread that opens it a real-time one (SCHED_FIFO, 99): whatever that
thread does from then on, and each program that it starts, goes before all else on the machine.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def kept_priority() -> Iterator[None]:
    """Leave the thread with the priority that it came with."""
    if not hasattr(os, "sched_getscheduler"):  # macOS
        yield
        return
    policy, parameters = os.sched_getscheduler(0), os.sched_getparam(0)
    try:
        yield
    finally:
        if os.sched_getscheduler(0) != policy:
            os.sched_setscheduler(0, policy, parameters)
