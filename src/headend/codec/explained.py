"""The errors of FFmpeg, put into words for a person."""

from collections.abc import Iterator
from contextlib import contextmanager

from av.error import FFmpegError

from headend.errors import MediaError


@contextmanager
def explained(name: str) -> Iterator[None]:
    """Turn what FFmpeg and the system raise into `MediaError`.

    Args:
        name: What is read or written, for the error.

    Raises:
        MediaError: `NAME: REASON`. A `MediaError` of the block passes as it is.
    """
    try:
        yield
    # FFmpeg's own, a file that cannot be opened, and a format or a codec that PyAV does not know.
    except (FFmpegError, OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise MediaError(f"{name}: {reason}") from error
