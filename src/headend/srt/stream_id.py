"""What an SRT caller wants, by its stream id.

    publish:APP/NAME[?key=…]     read:APP/NAME[?token=…]
    #!::m=publish,r=APP/NAME,key=…     m=request, or no m, plays

Source: SRT Access Control (Stream ID) Guidelines, docs/features/access-control.md of libsrt.
"""

from dataclasses import dataclass
from typing import Final
from urllib.parse import quote

from headend.decisions import Action
from headend.errors import ProtocolError
from headend.rtmp.url import StreamTarget, stream_target

FORMS: Final = "publish:APP/NAME, read:APP/NAME or #!::m=publish,r=APP/NAME"

_STANDARD: Final = "#!::"
_ACTIONS: Final[dict[str, Action]] = {"publish": "publish", "read": "play"}
_MODES: Final[dict[str, Action]] = {"publish": "publish", "request": "play"}
# Keys of the standard that say nothing here: host, user, session and type.
_IGNORED: Final = frozenset(("h", "u", "s", "t"))


@dataclass(frozen=True, slots=True)
class Wish:
    """What a caller wants.

    Attributes:
        action: publish or play.
        target: The stream, and what was shown for it.
    """

    action: Action
    target: StreamTarget


def parse_stream_id(data: bytes) -> Wish:
    """Read a stream id.

    Raises:
        ProtocolError: It has another form, or names no stream; the line repeats nothing of it.
    """
    try:
        text = data.decode()
    except UnicodeDecodeError:
        raise ProtocolError("the stream id is not UTF-8") from None
    if not text:
        raise ProtocolError(f"the caller gives no stream id; expected {FORMS}")
    if text.startswith(_STANDARD):
        return _standard(text.removeprefix(_STANDARD))
    word, colon, name = text.partition(":")
    action = _ACTIONS.get(word)
    if action is None or not colon:
        raise ProtocolError(f"the stream id has no form known here; expected {FORMS}")
    return Wish(action, stream_target("", "", name))


def _standard(text: str) -> Wish:
    pairs = dict(_pair(part) for part in text.split(",") if part)
    action = _MODES.get(pairs.pop("m", "request"))
    if action is None:
        raise ProtocolError("m of the stream id is neither publish nor request")
    resource = pairs.pop("r", "")
    if not resource:
        raise ProtocolError("the stream id names no stream: r=APP/NAME is missing")
    path, _, query = resource.partition("?")
    given = [query] if query else []
    given += [f"{name}={quote(each)}" for name, each in pairs.items() if name not in _IGNORED]
    return Wish(action, stream_target("", "", f"{path}?{'&'.join(given)}"))


def _pair(part: str) -> tuple[str, str]:
    name, equals, value = part.partition("=")
    if not equals:
        raise ProtocolError("a part of the stream id has no =; expected #!::name=value,…")
    return name, value
