"""A stream as RTMP players get it: type 0 chunks that are valid for every player.

That holds because all sessions announce the same chunk size, and media goes out on chunk streams
that no session writes on itself. Players whose message stream is not 1, who switched a medium off,
or who know several tracks, have an encoding of their own.
"""

from collections.abc import Sequence
from typing import Final, NamedTuple

from headend.hub.headers import METADATA
from headend.media.multitrack import first_of
from headend.media.tag import AUDIO, SCRIPT, VIDEO, Tag
from headend.rtmp import messages as m
from headend.rtmp import replies
from headend.rtmp.chunks import Message, append_chunks, serialize

AUDIO_CHUNK_STREAM: Final = 4
VIDEO_CHUNK_STREAM: Final = 6
DATA_CHUNK_STREAM: Final = 7

CHUNK_STREAMS: Final = {
    AUDIO: AUDIO_CHUNK_STREAM,
    VIDEO: VIDEO_CHUNK_STREAM,
    SCRIPT: DATA_CHUNK_STREAM,
}


class Format(NamedTuple):
    """What distinguishes one encoding from another; the key of its fan-out in a stream.

    Attributes:
        stream_id: Message stream of the play.
        audio: Audio is wanted.
        video: Video is wanted.
        has_tracks: The player knows several tracks of a kind; others get the first one.
    """

    stream_id: int
    audio: bool = True
    video: bool = True
    has_tracks: bool = False


class RtmpEncoder:
    """Encodes tags as RTMP messages of one message stream."""

    def __init__(self, format: Format, chunk_size: int) -> None:
        self._stream_id = format.stream_id
        self._audio = format.audio
        self._video = format.video
        self._has_tracks = format.has_tracks
        self._chunk_size = chunk_size

    def learn(self, headers: Sequence[Tag]) -> None:
        """Nothing: players are sent them as they are."""

    def append(self, pieces: list[bytes], tag: Tag, timestamp: int) -> None:
        kind = tag.kind
        if (kind is AUDIO and not self._audio) or (kind is VIDEO and not self._video):
            return
        if not self._has_tracks:
            first = first_of(tag)
            if first is None:
                return
            tag = first
        if kind is SCRIPT and tag.body.startswith(METADATA):
            timestamp = 0  # FFmpeg takes metadata of any other time for a text track
        message = Message(kind, timestamp, self._stream_id, tag.body)
        append_chunks(pieces, message, CHUNK_STREAMS[kind], self._chunk_size)

    def interrupted(self) -> bytes:
        return self._control(m.user_control(m.STREAM_DRY, self._stream_id))

    def resumed(self) -> bytes:
        begin = self._control(m.user_control(m.STREAM_BEGIN, self._stream_id))
        return begin + self._status(replies.published_again(self._stream_id))

    def ended(self) -> bytes:
        """GStreamer goes by StreamEOF, FFmpeg and librtmp by what follows."""
        end = self._control(m.user_control(m.STREAM_EOF, self._stream_id))
        return end + b"".join(map(self._status, replies.play_over(self._stream_id)))

    def played_to_end(self, duration_s: float, size: int) -> bytes:
        """All of a recording was sent, or all that was wanted: so long, and so many bytes."""
        complete, end, stop = replies.played_to_end(self._stream_id, duration_s, size)
        told = serialize(complete, DATA_CHUNK_STREAM, self._chunk_size)
        return told + self._control(end) + self._status(stop)

    def _control(self, message: Message) -> bytes:
        return serialize(message, m.CONTROL_CHUNK_STREAM, self._chunk_size)

    def _status(self, message: Message) -> bytes:
        return serialize(message, m.STATUS_CHUNK_STREAM, self._chunk_size)
