"""One viewer over a WebSocket: an FLV viewer that gets frames, and that is pinged.

101 ─► FLV in frames ─► … ─► close, with a reason ─► the connection ends
    ◄─ ping, close                ▲
       pong to a ping of ours     └─ nothing heard for HEARTBEAT_S, and no pong in half of it
"""

from typing import Final

from headend.access.gate import Grant
from headend.http.flv_viewer import FlvViewer
from headend.http.websocket import (
    CLOSE,
    NORMAL,
    PING,
    PONG,
    ClientFrames,
    FrameFault,
    close_frame,
    control_frame,
)
from headend.hub.stream import Stream
from headend.live.services import Services
from headend.net.peer import Peer
from headend.net.tls_facts import TlsFacts
from headend.net.transport import Transport
from headend.outputs.first_media import Kinds

HEARTBEAT_S: Final = 30.0  # proxies close what says nothing for a minute
PONG_S: Final = HEARTBEAT_S / 2


class WebSocketViewer(FlvViewer):
    """One viewer over a WebSocket."""

    __slots__ = ("_code", "_frames", "_has_failed", "_heard", "_is_asked")

    def __init__(
        self,
        services: Services,
        transport: Transport,
        peers: tuple[Peer, Peer],
        protocol: str,
        tls: TlsFacts | None,
        user_agent: str,
        stream: Stream,
        grant: Grant,
    ) -> None:
        """Begin a session that does not watch yet; see `FlvViewer`."""
        super().__init__(services, transport, peers, protocol, tls, user_agent, stream, grant)
        self._frames = ClientFrames()
        self._code = NORMAL  # of our close
        self._heard = services.loop.time()
        self._is_asked = False  # whether it is there
        self._has_failed = False  # its bytes are no frames that are taken

    def watch(self, kinds: Kinds, *, is_patient: bool, has_tracks: bool = False) -> None:
        super().watch(kinds, is_patient=is_patient, has_tracks=has_tracks)
        self._services.deadlines.update(self)

    def data_received(self, data: bytes) -> None:
        self._heard = self._services.loop.time()
        self._is_asked = False
        if self._has_failed:
            return
        try:
            for opcode, payload in self._frames.receive(data):
                if opcode == CLOSE:
                    self._client_closes(payload)
                elif opcode == PING and not self.is_over and not self._transport.backlog:
                    # Not to a client that takes nothing: answers would pile up.
                    self._transport.write(control_frame(PONG, payload))
        except FrameFault as fault:
            self._has_failed = True
            self._code = fault.code
            self._end(str(fault))
            self._transport.close()  # its answer could not be read

    def _client_closes(self, payload: bytes) -> None:
        """Answer a close, or take the answer to ours: then the server closes (7.1.1)."""
        if not self.is_over:
            self._code = int.from_bytes(payload[:2], "big") or NORMAL
            self._end(self._reason)
        self._transport.close()

    def _say_goodbye(self, reason: str) -> None:
        """Say that we close; the client answers, or the time to linger passes."""
        self._transport.write(close_frame(self._code, reason))

    # ------------------------------------------------------------------ time

    def deadline(self) -> float | None:
        when = super().deadline()
        if when is None:  # it takes what is sent
            when = self._heard + HEARTBEAT_S + (PONG_S if self._is_asked else 0)
        return when

    def deadline_passed(self, now: float) -> None:
        if super().deadline() is not None:
            super().deadline_passed(now)
        elif not self._is_asked:
            self._is_asked = True
            self._transport.write(control_frame(PING))
        else:
            self._reason = f"it answered no ping within {PONG_S:g} s"
            self._transport.abort()
