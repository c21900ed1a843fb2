"""Memory that libsrt takes and gives back."""

import os
import subprocess
import sys

import pytest

from headend.libsrt.library import Library, SrtError

# Buffers as libsrt's, freed in the order in which they came, with small pieces between that stay.
CHURN = """
import ctypes
from headend.libsrt.library import MMAP_BYTES, Library
Library()
libc = ctypes.CDLL("libc.so.6")
libc.malloc.restype, libc.free.argtypes = ctypes.c_void_p, (ctypes.c_void_p,)
def held():
    return int(open("/proc/self/statm").read().split()[1]) * 4096
libc.free(libc.malloc(16 * MMAP_BYTES))  # what raises the threshold of glibc
before, kept = held(), []
for _ in range(200):
    block = libc.malloc(2 * MMAP_BYTES)
    ctypes.memset(block, 1, 2 * MMAP_BYTES)
    kept.append(libc.malloc(64))
    libc.free(block)
blocks = []
for _ in range(100):
    blocks.append(libc.malloc(2 * MMAP_BYTES))
    ctypes.memset(blocks[-1], 1, 2 * MMAP_BYTES)
    kept.append(libc.malloc(64))
for block in blocks[:-1]:
    libc.free(block)
print(held() - before)
"""


@pytest.mark.skipif(not os.path.exists("/proc/self/statm"), reason="of Linux alone")
def test_memory_of_connections_that_are_gone_goes_back_to_the_system() -> None:
    try:
        Library().close()
    except SrtError as error:
        pytest.skip(str(error))
    command = [sys.executable, "-c", CHURN]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    assert int(done.stdout) < 4 * 1024 * 1024  # of 25 MB
