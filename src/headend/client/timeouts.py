"""How long a client waits, step by step."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Timeouts:
    """How long each step may take, in seconds.

    Attributes:
        connect_s: Name look-up and TCP, all addresses of a name together.
        tls_s: The TLS handshake.
        handshake_s: The RTMP handshake, or the answer to an HTTP request.
        command_s: From the handshake until publish or play is granted.
        send_s: A server that takes nothing for so long is gone.
        silence_s: A server that is played and sends nothing for so long is gone; over RTMP it is
            pinged after half of it.
        close_s: For a server to read our last words and to close.
    """

    connect_s: float = 10
    tls_s: float = 10
    handshake_s: float = 10
    command_s: float = 15
    send_s: float = 20
    silence_s: float = 60
    close_s: float = 2
