"""Values that every RTMP session keeps to, by the settings in effect."""

from typing import Final

from headend.net.runtime import Runtime
from headend.rtmp.chunks import ChunkLimits
from headend.rtmp.session import SessionSettings
from headend.settings import Settings


class RtmpSettings:
    """The settings of RTMP sessions, made anew when those of the server change.

    Attributes:
        chunk_size: Chunk size of all that is sent. It stays as at the start: players that are
            connected share encodings that depend on it.
    """

    def __init__(self, runtime: Runtime, server_id: str) -> None:
        self._runtime: Final = runtime
        self._server_id: Final = server_id
        self.chunk_size: Final = runtime.settings.rtmp.chunk_size
        self._of = runtime.settings
        self._made = self._make(self._of)

    @property
    def now(self) -> SessionSettings:
        """The settings for a session that begins now."""
        settings = self._runtime.settings
        if settings is not self._of:
            self._of, self._made = settings, self._make(settings)
        return self._made

    def _make(self, settings: Settings) -> SessionSettings:
        limits = settings.limits
        return SessionSettings(
            chunk_size=self.chunk_size,
            window_size=settings.rtmp.window_size,
            chunk_limits=ChunkLimits(
                limits.message_bytes,
                limits.command_bytes,
                limits.partial_bytes,
                limits.chunk_streams,
            ),
            streams=limits.streams_per_connection,
            commands_per_s=limits.commands_per_s,
            handshake_s=limits.handshake_s,
            command_s=limits.command_s,
            idle_s=limits.idle_s,
            publisher_silence_s=limits.publisher_silence_s,
            server_id=self._server_id,
        )
