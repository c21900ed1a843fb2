"""The addresses of names, each name looked up in a thread of its own.

The lookups of an event loop share a few threads. Names whose DNS servers do not answer would take
all of them for half a minute each time: no other name would be found, and the process not end.
"""

import asyncio
import errno
import socket
import threading
from concurrent.futures import Future
from ipaddress import ip_address
from typing import Any, Final

MOST: Final = 256  # names at once; each is a thread

_STREAM: Final = socket.SOCK_STREAM
_TCP: Final = socket.IPPROTO_TCP

Found = list[tuple[socket.AddressFamily, str]]
AddrInfo = tuple[socket.AddressFamily, socket.SocketKind, int, str, tuple[Any, ...]]
_Question = tuple[str, int, socket.AddressFamily]

_lock: Final = threading.Lock()
_asked: Final[dict[_Question, "Future[Found]"]] = {}


async def look_up(host: str, port: int, family: socket.AddressFamily = socket.AF_UNSPEC) -> Found:
    """Return the addresses of a host, in the order in which the system would try them.

    Who asks while the same is being asked gets the same answer.

    Args:
        host: Name or IP address, without brackets.
        port: TCP port.
        family: Only addresses of this one.

    Raises:
        OSError: There are none, or too many names are looked up.
        UnicodeError: It can be no name.
    """
    if _is_address(host):
        return _ask((host, port, family))
    question = (host, port, family)
    with _lock:
        answer = _asked.get(question)
        if answer is None:
            if len(_asked) >= MOST:
                raise OSError(errno.EAGAIN, "too many names are looked up at once")
            answer = _asked[question] = Future()
            answer.set_running_or_notify_cancel()  # it goes on when the last waiter leaves
            threading.Thread(
                target=_answer, args=(question, answer), name="look up", daemon=True
            ).start()
    return await asyncio.wrap_future(answer)


def _answer(question: _Question, answer: "Future[Found]") -> None:
    try:
        found = _ask(question)
    except Exception as error:
        _forget(question)
        answer.set_exception(error)
    else:
        _forget(question)
        answer.set_result(found)


def _forget(question: _Question) -> None:
    with _lock:
        del _asked[question]


def _ask(question: _Question) -> Found:
    host, port, family = question
    infos = socket.getaddrinfo(host, port, family=family, type=socket.SOCK_STREAM)
    return list(dict.fromkeys((info[0], address_of(info[4])) for info in infos))


def address_of(place: tuple[Any, ...]) -> str:
    """Return the address of a place; a link-local one means nothing without its scope."""
    address = str(place[0])
    if len(place) < 4 or not place[3] or "%" in address:
        return address
    return f"{address}%{place[3]}"


def connectable(found: Found, port: int) -> list[AddrInfo]:
    """Return addresses as `start_connection` wants them."""
    return [(family, _STREAM, _TCP, "", _place(address, port)) for family, address in found]


def _place(address: str, port: int) -> tuple[Any, ...]:
    plain, _, scope = address.partition("%")
    if not scope:
        return address, port
    return plain, port, 0, int(scope) if scope.isdigit() else socket.if_nametoindex(scope)


def _is_address(host: str) -> bool:
    """Say whether a host is an IP address: nobody has to be asked about it."""
    try:
        ip_address(host.partition("%")[0])
    except ValueError:
        return False
    return True
