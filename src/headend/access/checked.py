"""What a callback or a Python hook decided, checked before anybody acts on it."""

from dataclasses import replace
from typing import Final
from urllib.parse import urlsplit

from headend.decisions import Allow, Decision, Deny, Redirect
from headend.errors import HeadendError, ProtocolError
from headend.names import stream_path
from headend.rtmp.refusals import PUBLISH_DENIED, is_code

REASON_CHARACTERS: Final = 200
SUBJECT_CHARACTERS: Final = 200
URL_CHARACTERS: Final = 2000
NO_REASON: Final = "this is not allowed"

_SCHEMES: Final = ("rtmp", "rtmps", "http", "https")


class DecisionError(HeadendError):
    """A decision makes no sense."""


def checked(decision: Decision) -> Decision:
    """Return a decision that can be acted on.

    Raises:
        DecisionError: It can't; one line that says why.
    """
    match decision:
        case Allow():
            return _allow(decision)
        case Deny():
            if decision.code is not None and not is_code(decision.code):
                raise DecisionError(f"code: must be such as {PUBLISH_DENIED}")
            return replace(decision, reason=one_line(decision.reason) or NO_REASON)
        case Redirect():
            return _redirect(decision)


def one_line(text: object) -> str:
    """Return a text for people on one line, not too long."""
    words = "".join(c if c.isprintable() else " " for c in str(text)).split()
    return " ".join(words)[:REASON_CHARACTERS]


def _allow(allow: Allow) -> Allow:
    for name in ("max_viewers", "max_bit_rate", "max_duration_s", "expires_at"):
        value = getattr(allow, name)
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        if value is not None and not (is_number and 0 <= value < 1e15):
            raise DecisionError(f"{name}: must be a number, 0 or more")
    if allow.record is not None and not isinstance(allow.record, bool):
        raise DecisionError("record: must be true or false")
    stream = allow.stream
    if stream is not None:
        try:
            stream = stream_path(stream)
        except (ProtocolError, TypeError, AttributeError):
            raise DecisionError("stream: must be APP/NAME") from None
        if "/" not in stream:
            raise DecisionError("stream: must be APP/NAME")
    subject = None if allow.subject is None else one_line(allow.subject)[:SUBJECT_CHARACTERS]
    return replace(allow, stream=stream, subject=subject or None)


def _redirect(redirect: Redirect) -> Redirect:
    url = redirect.url
    try:
        parts = urlsplit(url)
        is_right = parts.scheme in _SCHEMES and bool(parts.hostname) and parts.port != 0
    except (ValueError, TypeError, AttributeError):
        is_right = False
    if not is_right or not url.isprintable() or " " in url or len(url) > URL_CHARACTERS:
        raise DecisionError("url: must be an rtmp, rtmps, http or https URL")
    return redirect
