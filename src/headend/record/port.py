"""The port through which API and console begin and end recordings by hand."""

from typing import Protocol

from headend.record.values import Recording


class RecordingControl(Protocol):
    """The part of the server that records streams."""

    def record(self, path: str) -> Recording:
        """Record a stream from now on, whatever the settings say of it.

        Args:
            path: `APP/NAME`.

        Returns:
            The recording that begins, or that runs already.

        Raises:
            Rejected: The stream is not live (`Refusal.NOT_FOUND`), or it cannot be recorded now.
        """

    def stop_recording(self, id: str) -> None:
        """End a recording that runs; it is ready soon.

        Args:
            id: Id of the recording.
        """
