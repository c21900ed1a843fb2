"""A UDP proxy that loses datagrams, and has all others come late."""

import heapq
import random
import select
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

DATA_BYTES = 1000  # larger datagrams are data of SRT, smaller ones control


@contextmanager
def lossy(place: str, *, loss: float, delay_s: float) -> Iterator[str]:
    """Pass on what one client sends, and what it is answered; give where to send it.

    Args:
        place: HOST:PORT of the server.
        loss: Share of the datagrams with data that get lost, always the same ones.
        delay_s: Of each datagram, in both directions.
    """
    host, _, port = place.rpartition(":")
    front, back = (socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(2))
    front.bind(("127.0.0.1", 0))
    back.connect((host, int(port)))
    ended = threading.Event()
    thread = threading.Thread(target=_pass_on, args=(front, back, loss, delay_s, ended))
    thread.start()
    try:
        yield f"127.0.0.1:{front.getsockname()[1]}"
    finally:
        ended.set()
        thread.join()
        front.close()
        back.close()


def _pass_on(
    front: socket.socket,
    back: socket.socket,
    loss: float,
    delay_s: float,
    ended: threading.Event,
) -> None:
    chance, client = random.Random(16), None
    waiting: list[tuple[float, int, bytes, bool]] = []
    number = 0
    while not ended.is_set():
        wait_s = max(0.0, waiting[0][0] - time.monotonic()) if waiting else 0.05
        for sock in select.select([front, back], [], [], min(wait_s, 0.05))[0]:
            try:
                data, sender = sock.recvfrom(2048)
            except OSError:  # nobody listens there any more
                continue
            client = sender if sock is front else client
            if len(data) < DATA_BYTES or chance.random() >= loss:
                number += 1
                due = time.monotonic() + delay_s
                heapq.heappush(waiting, (due, number, data, sock is front))
        while waiting and waiting[0][0] <= time.monotonic():
            _, _, data, is_forth = heapq.heappop(waiting)
            try:
                if is_forth:
                    back.send(data)
                elif client is not None:
                    front.sendto(data, client)
            except OSError:
                continue
