"""The port of what records: started and stopped by hand, over the API and from the console."""

from typing import Protocol

from headend.record.values import Recording


class RecordingControl(Protocol):
    """What records streams."""

    def record(self, path: str) -> Recording:
        """Record a stream from now on, whatever the settings say of it.

        Args:
            path: `APP/NAME`.

        Returns:
            The recording that begins, or runs already.

        Raises:
            Rejected: The stream is not live (`Refusal.NOT_FOUND`), or it cannot be recorded now.
        """

    def stop_recording(self, id: str) -> None:
        """End a recording that runs; it is ready soon.

        Args:
            id: Of the recording.
        """
