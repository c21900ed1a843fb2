"""The floor in Python: a bare loop of `send` over all players, and nothing else.

The bench runs it as a program and steers it like `floor.c`, whose stream it imitates. What it costs
above the C loop is what calling `send` from Python costs.
"""

import argparse
import os
import select
import socket
import struct
import time
from collections.abc import Callable
from typing import Final

from headend.cli.bench_stream import (
    AUDIO_PER_S,
    FRAMES_PER_S,
    KEYFRAME_EVERY,
    KEYFRAME_WEIGHT,
    STAMP_ID,
    STAMP_OFFSET,
)

CHUNK_BYTES: Final = 65536
AUDIO_STAMP_OFFSET: Final = 4
IDLE_S: Final = 0.01


def message(kind: int, stream: int, body: bytes, timestamp: int = 0) -> bytes:
    """Frame one message as chunks on chunk stream 4, the first with a type 0 header."""
    head = b"\x04" + timestamp.to_bytes(3, "big") + len(body).to_bytes(3, "big")
    parts = [body[at : at + CHUNK_BYTES] for at in range(0, len(body), CHUNK_BYTES)]
    return head + struct.pack("<BI", kind, stream) + b"\xc4".join(parts)


def answers() -> list[tuple[bytes, bytes]]:
    """Pair what a player says at each step with the canned answer."""
    size = b"\x02" + bytes(5) + b"\x04\x01" + bytes(4) + CHUNK_BYTES.to_bytes(4, "big")
    result = b"\x02\x00\x07_result\x00"
    connected = message(20, 0, result + struct.pack(">d", 1) + b"\x05\x05")
    created = message(20, 0, result + struct.pack(">dBBd", 2, 5, 0, 1))
    started = message(20, 1, b"\x02\x00\x08onStatus\x02\x00\x14NetStream.Play.Start")
    return [
        (b"", b"\x03" + bytes(3072)),
        (b"connect", size + connected),
        (b"createStream", created),
        (b"play", started),
    ]


class Floor:
    """Sockets that get the stream, and those that are still asking for it."""

    def __init__(self, kbps: int) -> None:
        """Listen on a free port of loopback."""
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=4096)
        self.listener.setblocking(False)
        self.poller = select.epoll()
        self.poller.register(self.listener, select.EPOLLIN)
        os.set_blocking(0, False)
        self.talks: dict[int, tuple[socket.socket, int]] = {}
        self.sends: list[Callable[[bytes], int]] = []
        self.answers = answers()
        audio_bytes = (128 if kbps >= 1000 else 64) * 125 / AUDIO_PER_S
        gop_bytes = (
            kbps * 125 * KEYFRAME_EVERY / FRAMES_PER_S
            - audio_bytes * AUDIO_PER_S * KEYFRAME_EVERY / FRAMES_PER_S
        )
        inter = int(gop_bytes / (KEYFRAME_EVERY - 1 + KEYFRAME_WEIGHT))
        self.bodies = (
            b"\x27" * inter,
            b"\x17" * (KEYFRAME_WEIGHT * inter),
            b"\xaf" * int(audio_bytes),
        )
        self.video = self.audio = self.messages = self.payload = 0

    def due_s(self) -> float:
        """Media time of the next message."""
        return min(self.video / FRAMES_PER_S, self.audio / AUDIO_PER_S)

    def make_message(self, stamp_s: float) -> bytes:
        """Frame the next message with a stamp, and move on."""
        at, timestamp = STAMP_OFFSET, int(self.due_s() * 1000)
        if self.video / FRAMES_PER_S <= self.audio / AUDIO_PER_S:
            kind, body = 9, self.bodies[self.video % KEYFRAME_EVERY == 0]
            self.video += 1
        else:
            kind, body, at = 8, self.bodies[2], AUDIO_STAMP_OFFSET
            self.audio += 1
        stamp = STAMP_ID + b"%016x" % int(stamp_s * 1e9)
        self.messages += 1
        self.payload += len(body)
        return message(kind, 1, body[:at] + stamp + body[at + 32 :], timestamp)

    def run_due(self, start_s: float, flush_s: float) -> float:
        """Give everyone what is due; return when to come again."""
        ready: list[bytes] = []
        while (due := start_s + self.due_s()) <= time.monotonic():
            ready.append(self.make_message(due))
        if ready:
            self.give(b"".join(ready))
        if not flush_s:
            return due
        return start_s + ((time.monotonic() - start_s) // flush_s + 1) * flush_s

    def give(self, data: bytes) -> None:
        """Send to all: the loop whose cost is the floor."""
        for send in self.sends:
            send(data)

    def poll(self, until_s: float) -> None:
        """Answer players until a moment: what they say does not bring the next flush forward."""
        while (left := until_s - time.monotonic()) > 0:
            self.answer(left)

    def answer(self, timeout_s: float) -> None:
        """Answer those players who have said something."""
        for fd, _ in self.poller.poll(timeout_s):
            if fd == self.listener.fileno():
                peer = self.accept()
                self.talks[peer.fileno()] = (peer, 0)
                self.poller.register(peer, select.EPOLLIN)
            else:
                self.hear(fd)

    def accept(self) -> socket.socket:
        """Take the next player's connection."""
        peer, _address = self.listener.accept()
        peer.setblocking(False)
        peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return peer

    def hear(self, fd: int) -> None:
        """Move a player one step on; what it sends while it plays is an acknowledgement."""
        peer, step = self.talks[fd]
        said = peer.recv(1 << 14)
        if not said:
            self.poller.unregister(fd)
        elif step < len(self.answers) and self.answers[step][0] in said:
            peer.sendall(self.answers[step][1])
            self.talks[fd] = (peer, step + 1)
            if step + 1 == len(self.answers):
                self.sends.append(peer.send)


def read_commands() -> list[str]:
    """Fetch what the bench has said since the last turn; its end is the end of the pipe."""
    try:
        text = os.read(0, 4096).decode()
    except BlockingIOError:
        return []
    return text.split() or ["quit"]


def parser_of(description: str | None) -> argparse.ArgumentParser:
    """Make the command line that all floors have."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--flush-ms", type=float, default=0)
    parser.add_argument("--kbps", type=int, default=2650)
    return parser


def serve(floor: Floor, flush_ms: float) -> None:
    """Serve until told to quit."""
    print(f'{{"event": "ready", "port": {floor.listener.getsockname()[1]}}}', flush=True)
    start_s: float | None = None
    while True:
        now = time.monotonic()
        floor.poll(now + IDLE_S if start_s is None else floor.run_due(start_s, flush_ms / 1000))
        for command in read_commands():
            match command:
                case "run":
                    start_s = time.monotonic() - floor.due_s()
                case "hold" | "trickle":
                    start_s = None
                case "mark":
                    counts = f'"messages": {floor.messages}, "payload_bytes": {floor.payload}'
                    print(f'{{"event": "mark", "publishers": 1, "lost": 0, {counts}}}', flush=True)
                    floor.messages = floor.payload = 0
                case "quit":
                    return


if __name__ == "__main__":
    options = parser_of(__doc__).parse_args()
    serve(Floor(options.kbps), options.flush_ms)
