"""What an `srt://` URL says: where to, as caller or as listener, and what is asked for there.

    srt://HOST:PORT?streamid=publish:live/a&latency=400&passphrase=…
    srt://:PORT?mode=listener&passphrase=…

Options are called as in srt-live-transmit and GStreamer. All behind the question mark belongs to
the options, so that a stream id of the standard form, which begins with `#`, may stand as it is.
"""

from dataclasses import dataclass, field
from typing import Final, NamedTuple
from urllib.parse import unquote, urlsplit

from headend.errors import SettingsError
from headend.redaction import is_secret_name, redact

SCHEME: Final = "srt"
STREAM_ID_BYTES: Final = 512
PASSPHRASE_BYTES: Final = range(10, 80)  # what libsrt takes
LATENCY_MS: Final = range(20, 8001)
OPTIONS: Final = ("mode", "streamid", "latency", "passphrase", "pbkeylen")

_MODES: Final = ("caller", "listener")
_KEY_BYTES: Final = {"16": 16, "24": 24, "32": 32}
# What other programs write there, and what is so in any case.
_IDLE: Final = {"transtype": ("live",), "pkt_size": ("1316",), "payload_size": ("1316",)}
_PLAIN: Final = ("publish:", "read:", "#!::")


class CallOptions(NamedTuple):
    """What a caller asks for.

    Attributes:
        stream_id: What it wants there; may be empty, at most 512 bytes.
        latency_ms: In which a lost packet can be sent again; the other end may want more.
        passphrase: 10 to 79 bytes, or empty: without encryption.
        key_bytes: Of the encryption: 16, 24 or 32; 0: as the other end has it.
    """

    stream_id: str = ""
    latency_ms: int = 120
    passphrase: str = ""
    key_bytes: int = 0


@dataclass(frozen=True, slots=True)
class SrtUrl:
    """An `srt://` URL taken apart.

    Attributes:
        host: Name or address, IPv6 without brackets; empty: all addresses of this machine.
        port: Of UDP.
        is_listener: Wait there for a caller.
        options: What is asked for, or what a caller has to bring.
    """

    host: str
    port: int
    is_listener: bool = False
    options: CallOptions = field(default=CallOptions(), repr=False)
    scheme: Final = SCHEME

    @property
    def place(self) -> str:
        """HOST:PORT, for people."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"


def is_srt(url: str) -> bool:
    """Say whether a URL is one of SRT."""
    return url.strip()[:6].lower() == f"{SCHEME}://"


def parse_srt_url(text: str) -> SrtUrl:
    """Take an `srt://` URL apart.

    Raises:
        SettingsError: It is none; the line says what is wrong, and shows no secret.
    """
    text = text.strip()
    head, _, query = text.partition("?")
    shown = redact(head)
    try:
        parts = urlsplit(head)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        raise SettingsError(f"URL {shown}: it cannot be taken apart") from None
    if parts.scheme.lower() != SCHEME or not text.isprintable():
        raise SettingsError(f"URL {shown}: expected srt://HOST:PORT?streamid=…")
    if "@" in parts.netloc:
        raise SettingsError(f"URL {shown}: SRT has no user; who one is stands in streamid")
    if not port:
        raise SettingsError(f"URL {shown}: the port is missing: srt://HOST:8890?streamid=…")
    if parts.path.strip("/"):
        raise SettingsError(f"URL {shown}: SRT has no path; the stream stands in streamid=…")
    given = _given(query, shown)
    is_listener = given.get("mode") == "listener"
    if not host and not is_listener:
        raise SettingsError(f"URL {shown}: no host in it; without one it can be mode=listener")
    return SrtUrl(host, port, is_listener, _options(given, shown))


def _given(query: str, shown: str) -> dict[str, str]:
    """Return the options that a query has."""
    given: dict[str, str] = {}
    for part in filter(None, query.split("&")):
        name, _, value = part.partition("=")
        value = unquote(value)
        if name in _IDLE and value in _IDLE[name]:
            continue
        if name not in OPTIONS:
            known = ", ".join(OPTIONS)
            raise SettingsError(f"URL {shown}: option {redact(name)[:40]!r} is none of {known}")
        given[name] = value
    if given.get("mode", "caller") not in _MODES:
        raise SettingsError(f"URL {shown}: mode must be caller or listener")
    return given


def _options(given: dict[str, str], shown: str) -> CallOptions:
    stream_id, passphrase = given.get("streamid", ""), given.get("passphrase", "")
    if len(stream_id.encode()) > STREAM_ID_BYTES:
        raise SettingsError(f"URL {shown}: streamid has more than {STREAM_ID_BYTES} bytes")
    if passphrase and len(passphrase.encode()) not in PASSPHRASE_BYTES:
        raise SettingsError(f"URL {shown}: passphrase must have 10 to 79 bytes")
    size = given.get("pbkeylen", "")
    if size and size not in _KEY_BYTES:
        raise SettingsError(f"URL {shown}: pbkeylen must be 16, 24 or 32")
    latency_ms = _latency(given.get("latency", ""), shown)
    return CallOptions(stream_id, latency_ms, passphrase, _KEY_BYTES.get(size, 0))


def _latency(text: str, shown: str) -> int:
    if not text:
        return CallOptions().latency_ms
    number = int(text) if text.isascii() and text.isdigit() and len(text) < 12 else 0
    if number in LATENCY_MS:
        return number
    hint = ""
    if number // 1000 in LATENCY_MS:
        hint = f"; FFmpeg counts microseconds: that is latency={number // 1000} here"
    raise SettingsError(
        f"URL {shown}: latency must be {LATENCY_MS[0]} to {LATENCY_MS[-1]} milliseconds{hint}"
    )


def srt_secrets(text: str) -> tuple[str, ...]:
    """Return what in the options of an `srt://` URL nobody is shown."""
    secrets: list[str] = []
    for part in text.partition("?")[2].split("&"):
        name, _, value = part.partition("=")
        value = unquote(value)
        if name == "streamid":
            secrets += _secrets_of_id(value)
        elif is_secret_name(name):
            secrets.append(value)
    return tuple(secrets)


def _secrets_of_id(text: str) -> list[str]:
    """Return the secrets in a stream id; all of it, if its form is another server's own."""
    if not text.startswith(_PLAIN):
        return [text]
    pairs = text.partition("?")[2].replace("&", ",").split(",")
    pairs += text.removeprefix("#!::").partition("?")[0].split(",")
    split = (pair.partition("=") for pair in pairs)
    return [unquote(value) for name, _, value in split if is_secret_name(name)]
