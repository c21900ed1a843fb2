"""Names of streams in the addresses of requests."""

from headend import names
from headend.errors import ProtocolError
from headend.http.problems import Problem
from headend.redaction import redact


def stream_path(text: str) -> str:
    """Return the path of a stream, `APP/NAME`, as an address names it.

    Args:
        text: The part of the address that names the stream, percent-decoded.

    Raises:
        Problem: 404: no stream can have such a name; the detail says why.
    """
    if redact(text) != text:  # somebody mixed up the fields of a form; it is not repeated
        raise Problem(404, "No stream has such a name: it looks like a key or a token.")
    try:
        return names.stream_path(text)
    except ProtocolError as error:
        raise Problem(404, f"No stream has such a name: {error}.") from None
