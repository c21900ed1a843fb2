"""Checks of `headend doctor` that ask this machine alone, and the diagnosis that each gives.

A diagnosis is one line that says what is; where something is wrong, another says what to do.
"""

import errno
import os
import resource
import shutil
import socket
import sys
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

if TYPE_CHECKING:
    from headend.app.running_file import Running
    from headend.settings import Address, Settings

State = Literal["ok", "warning", "failed"]
SPARE_FILES: Final = 100  # of the process itself: database, log, listeners
FULL: Final = 0.05  # of a disk that is left
TIMEX_BYTES: Final = 256  # of struct timex; 208 on 64 bits
TIME_ERROR: Final = 5  # of adjtimex(2): the clock is not synchronized
ENCODERS: Final = ("libx264", "aac")  # of test pictures, slates and files that RTMP cannot carry


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """What one check found.

    Attributes:
        check: Name of the check.
        state: `failed`: the server cannot do what its settings say; `warning`: it can, and
            somebody should look at it.
        text: What is, in one line.
        to_do: What mends it; empty where nothing is to be done.
    """

    check: str
    state: State
    text: str
    to_do: str = ""


def ports(settings: "Settings", running: "Running | None") -> Iterator[Diagnosis]:
    """Say whether the server listens, or could."""
    if running is not None:
        where = ", ".join((*running.rtmp, *running.tls, *running.http))
        yield Diagnosis("ports", "ok", f"the server (process {running.pid}) listens at {where}")
        return
    for section in (settings.rtmp, settings.tls, settings.http, settings.srt):
        is_udp = section is settings.srt
        for address in section.listen:
            name = f"{type(section).__name__.lower()} {address}"
            yield _port(name, address, is_udp=is_udp)


def _port(name: str, address: "Address", *, is_udp: bool) -> Diagnosis:
    if address.path is not None:
        return Diagnosis("ports", "ok", f"{name} is a Unix socket")
    try:
        _bind(address.host, address.port or 0, is_udp=is_udp)
    except OSError as error:
        to_do = {
            errno.EADDRINUSE: f"stop what uses it (ss -lp 'sport = :{address.port}'), or choose "
            "another port",
            errno.EACCES: "ports below 1024 need a right: AmbientCapabilities="
            "CAP_NET_BIND_SERVICE in the unit, or setcap on Python",
            errno.EADDRNOTAVAIL: "this machine does not have this address: ip address lists those "
            "that it has",
        }.get(error.errno or 0, "see the settings of the listener")
        return Diagnosis("ports", "failed", f"{name}: {error.strerror or error}", to_do)
    return Diagnosis("ports", "ok", f"{name} is free")


def _bind(host: str | None, port: int, *, is_udp: bool) -> None:
    kind = socket.SOCK_DGRAM if is_udp else socket.SOCK_STREAM
    flags = socket.AI_PASSIVE
    family, kind, protocol, _, place = socket.getaddrinfo(host, port, 0, kind, 0, flags)[0]
    with closing(socket.socket(family, kind, protocol)) as sock:
        if not is_udp:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind(place)


def folder(settings: "Settings") -> Iterator[Diagnosis]:
    """Say whether the data folder can be used, and who else can."""
    from headend.store.data_folder import warnings

    data = settings.data
    if not data.is_dir():
        yield Diagnosis("data folder", "ok", f"{data} will be made at the first start")
        return
    if not os.access(data, os.R_OK | os.W_OK | os.X_OK):
        owner = data.stat().st_uid
        to_do = f"run it as the owner (user {owner}), or chown -R it to the server's user"
        yield Diagnosis("data folder", "failed", f"{data} may not be written", to_do)
        return
    yield Diagnosis("data folder", "ok", f"{data} can be written")
    for line in warnings(data, settings.auth.database.get_secret_value()):
        words, _, command = line.rpartition(": ")
        yield Diagnosis("permissions", "warning", words, command)


def disks(settings: "Settings") -> Iterator[Diagnosis]:
    """Say how much room there is for the database, and for recordings."""
    from headend.record.recordings import folder_of

    least = settings.record.min_free_bytes
    for name, path, needed in (
        ("data folder", settings.data, 0),
        ("recordings", folder_of(settings), least),
    ):
        try:
            usage = shutil.disk_usage(_existing(path))
        except OSError as error:
            yield Diagnosis("disk", "failed", f"{path}: {error.strerror}", "mount it, or change it")
            continue
        text = f"{usage.free / 1e9:.1f} GB of {usage.total / 1e9:.1f} GB free for {name} ({path})"
        if usage.free < needed:
            to_do = "make room, or lower record.min_free_bytes: nothing is recorded"
            yield Diagnosis("disk", "failed", text, to_do)
        elif usage.free < FULL * usage.total:
            yield Diagnosis(
                "disk", "warning", text, "make room: record.keep_days, record.keep_bytes"
            )
        else:
            yield Diagnosis("disk", "ok", text)


def _existing(path: Path) -> Path:
    return next(each for each in (path.absolute(), *path.absolute().parents) if each.exists())


def open_files(settings: "Settings") -> Iterator[Diagnosis]:
    """Say whether as many files may be open as the limits allow connections."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = settings.limits.connections + SPARE_FILES
    if hard != resource.RLIM_INFINITY and hard < needed:
        text = f"{hard} files may be open, and limits.connections allows {needed - SPARE_FILES}"
        to_do = f"LimitNOFILE={needed} in the unit, or ulimit -n {needed}"
        yield Diagnosis("open files", "warning", text, to_do)
    else:
        yield Diagnosis("open files", "ok", "enough for limits.connections")


def clock() -> Iterator[Diagnosis]:
    """Say whether the clock is kept right: certificates and tokens rest on it."""
    if not sys.platform.startswith("linux"):
        return
    import ctypes

    state = ctypes.CDLL(None).adjtimex(ctypes.create_string_buffer(TIMEX_BYTES))
    if state == TIME_ERROR:
        to_do = "timedatectl set-ntp true, or install chrony; in a container see to the machine"
        yield Diagnosis("clock", "warning", "nothing keeps the clock right", to_do)
    else:
        yield Diagnosis("clock", "ok", "the clock is synchronized")


def libraries(settings: "Settings") -> Iterator[Diagnosis]:
    """Say whether libsrt and FFmpeg's encoders are there."""
    from headend.codec.encoders import missing_encoders
    from headend.errors import HeadendError
    from headend.libsrt.library import Library

    if settings.srt.listen:
        try:
            Library().close()
        except HeadendError as error:
            to_do = 'install it, or set srt.listen = ["off"]'
            yield Diagnosis("libsrt", "warning", str(error), to_do)
        else:
            yield Diagnosis("libsrt", "ok", "libsrt is there")
    if missing := missing_encoders(ENCODERS):
        text = f"FFmpeg in PyAV lacks {', '.join(missing)}: no slates, no headend demo"
        yield Diagnosis("ffmpeg", "warning", text, "pip install --force-reinstall av")
    else:
        yield Diagnosis("ffmpeg", "ok", f"FFmpeg has {', '.join(ENCODERS)}")
