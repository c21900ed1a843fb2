"""RTMP URLs, taken apart: those a person gives us, and the pieces a peer sends.

A client splits `rtmp://host/app/name?query` into what goes into connect (app, tcUrl) and what goes
into publish or play (name). Clients do not agree where: of `/a/b/c/d` FFmpeg makes app `a/b` and
name `c/d`, GStreamer app `a/b/c` and name `d`; a query may sit on either. So the server joins the
pieces and splits them itself, and a URL names the same stream whichever client sends it.
"""

import re
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import unquote

from headend.errors import LimitExceeded, ProtocolError, SettingsError
from headend.names import (
    KEY_PREFIX,
    check_for_secrets,
    check_segments,
    holds_secret,
)
from headend.redaction import HIDDEN, redact

DEFAULT_PORTS: Final = {"rtmp": 1935, "rtmps": 443}

MAX_TEXT: Final = 4096  # bytes of app, tcUrl and name each; FFmpeg cuts at 1024, tokens may be long
INSTANCE: Final = "_definst_"  # Flash Media Server's default instance, sent by old encoders

# Container names before a stream name: FFmpeg and librtmp add `mp4:` themselves when a name ends in
# `.mp4` or `.f4v`, so player and publisher only meet without them.
CONTAINER: Final = re.compile(r"^(?:mp4|f4v|mp3|flv):", re.IGNORECASE)
# VLC and mpv users append options of librtmp: `rtmp://host/app/name live=1 timeout=5`.
OPTIONS: Final = re.compile(r"(?<! ) +[A-Za-z]+=.*$", re.DOTALL)
AFTER_HOST: Final = re.compile(r"^[A-Za-z]+://[^/?]*(.*)$", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Url:
    """Where a client connects and what it asks for there.

    Attributes:
        scheme: `rtmp` or `rtmps`.
        host: Name or address, IPv6 without brackets.
        port: As given; None when it was not.
        app: Without slashes at its ends; may hold slashes, may be empty.
        name: Last segment of the path; empty when the path has one segment only.
        query: As given, without the question mark; holds secrets.
        user: From `user:password@`, percent-decoded; None when it was not given.
        password: What stands behind the colon of it, decoded; None when it was not given.
    """

    scheme: str
    host: str
    port: int | None
    app: str
    name: str
    query: str = field(repr=False)
    user: str | None = field(default=None, repr=False)
    password: str | None = field(default=None, repr=False)

    @property
    def is_tls(self) -> bool:
        return self.scheme == "rtmps"

    @property
    def connect_port(self) -> int:
        """Port to connect to: the one given, or 1935 for rtmp and 443 for rtmps."""
        return self.port or DEFAULT_PORTS[self.scheme]

    @property
    def place(self) -> str:
        """HOST:PORT, for people."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.connect_port}"

    @property
    def connect_app(self) -> str:
        """`app` of the connect command; it carries the query when there is no name to carry it."""
        return self.app if self.name or not self.query else f"{self.app}?{self.query}"

    @property
    def stream_name(self) -> str:
        """Name for publish and play, with the query."""
        return f"{self.name}?{self.query}" if self.name and self.query else self.name

    @property
    def tc_url(self) -> str:
        """`tcUrl` of the connect command; names a port only when the URL did."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        port = f":{self.port}" if self.port else ""
        return f"{self.scheme}://{host}{port}/{self.connect_app}"


@dataclass(frozen=True, slots=True)
class StreamTarget:
    """The stream a peer asks for.

    Attributes:
        app: Segments before the name, joined by slashes.
        name: Last segment. Empty when the path has one segment (`rtmp://host/k`), and when a bare
            key stands in its place: then `key` tells which stream is meant.
        key: Publish key, from `?key=` or a last segment that starts with `hk_`. Never log it.
        token: Playback token, from `?token=`. Never log it.
        query: All parameters, values percent-decoded: any characters, secrets among them.
    """

    app: str
    name: str
    key: str | None = field(repr=False)
    token: str | None = field(repr=False)
    query: dict[str, str] = field(repr=False)

    @property
    def path(self) -> str:
        """`app/name`, or `app` alone when the name is empty."""
        return f"{self.app}/{self.name}" if self.name else self.app

    @property
    def is_bare(self) -> bool:
        """Say whether a key stands in place of the name."""
        return not self.name and self.key is not None and self.query.get("key") != self.key


def parse_url(text: str, key: str | None = None) -> Url:
    """Split a URL that a person typed, as an argument or a setting.

    `rtmp://h/a/b/k?x=1` has app `a/b`, name `k` and query `x=1`: the split is at the last slash
    before the query. Path and query are taken literally, never decoded.

    Args:
        text: `rtmp://` or `rtmps://`, with `[user:password@]host[:port]/path[?query]`.
        key: Stream key of a platform. When given, the whole path is the app, and the key is sent as
            it is: name and, behind a question mark, query.

    Raises:
        SettingsError: The text is no such URL; the line names what is wrong and shows no secret.
            Not a ProtocolError, because it is the person who gave the URL who must mend it.
    """
    text = text.strip()
    if not text.isprintable():
        raise SettingsError("URL holds a control character or a line break")
    scheme, separator, rest = text.partition("://")
    scheme = scheme.lower()
    if not separator or scheme not in DEFAULT_PORTS:
        raise SettingsError(f"URL {redact(text)}: expected rtmp://HOST/APP/NAME or rtmps://…")
    match = re.search(r"[/?]", rest)
    end = match.start() if match else len(rest)
    user, password, host, port = _split_authority(rest[:end], text)
    path, _, query = rest[end:].partition("?")
    app, _, name = path.strip("/").rpartition("/")
    if key is not None:
        app, (name, _, query) = path, key.partition("?")
    elif not app:
        app, name = name, ""
    return Url(scheme, host, port, app.strip("/"), name, query, user, password)


def stream_target(app: str, tc_url: str, name: str) -> StreamTarget:
    """Tell which stream a peer means by what it sent in connect, and in publish or play.

    Quotes, doubled slashes, `_definst_`, container prefixes and options of librtmp are dropped. The
    queries of tcUrl, app and name are merged, the later wins.

    Args:
        app: `app` of connect; when it is empty the path of tcUrl stands in.
        tc_url: `tcUrl` of connect; may be empty or no URL at all.
        name: Argument of publish or play; may be empty.

    Returns:
        A target whose app and name are safe to show and to use as file names.

    Raises:
        ProtocolError: A segment holds what is not allowed, or nothing is named; the line says what,
            without repeating it.
        LimitExceeded: A text, the path or a segment is too long.
    """
    tc_path, tc_query = _split_query(_after_host(_clean("tcUrl", tc_url)))
    app_path, app_query = _split_query(_clean("app", app))
    name_path, name_query = _split_query(CONTAINER.sub("", _clean("stream name", name)))
    query = _parse_query(tc_query) | _parse_query(app_query) | _parse_query(name_query)
    segments = _segments(f"{app_path or tc_path}/{name_path}")
    check_segments(segments)
    token = query.get("token")
    is_bare = bool(segments) and segments[-1].startswith(KEY_PREFIX)
    check_for_secrets(segments[:-1] if is_bare else segments)
    if is_bare:
        return StreamTarget("/".join(segments[:-1]), "", segments[-1], token, query)
    if not segments:
        raise ProtocolError("neither an app nor a stream name is given")
    if len(segments) == 1:
        return StreamTarget(segments[0], "", query.get("key"), token, query)
    return StreamTarget("/".join(segments[:-1]), segments[-1], query.get("key"), token, query)


def public_name(text: str) -> str:
    """Return what may be shown of a stream name that a peer sent: without its query."""
    name = redact(text.partition("?")[0])
    return HIDDEN if holds_secret(name) else name


def _split_authority(text: str, url: str) -> tuple[str | None, str | None, str, int | None]:
    """User, password, host and port of `user:password@host:port`."""
    user_info, _, place = text.rpartition("@")
    user, _, password = user_info.partition(":")
    match = re.fullmatch(
        r"(?:\[([0-9A-Fa-f:.]+(?:%[\w.-]+)?)\]|([^\[\]:\s]+))(?::([0-9]{1,5}))?", place
    )
    if match is None:
        raise SettingsError(f"URL {redact(url)}: no valid HOST or HOST:PORT, IPv6 as [::1]:1935")
    port = int(match[3]) if match[3] else None
    if port is not None and not 0 < port < 65536:
        raise SettingsError(f"URL {redact(url)}: port {port} is not within 1 to 65535")
    host = (match[1] or match[2]).replace("%25", "%")  # of a scope, as URLs have it (RFC 6874)
    return unquote(user) or None, unquote(password) or None, host, port


def _clean(what: str, text: str) -> str:
    """Text of a peer without quotes and options, within its limit."""
    size = len(text.encode(errors="surrogatepass"))
    if size > MAX_TEXT:
        raise LimitExceeded(f"bytes of {what}", size, MAX_TEXT)
    return OPTIONS.sub("", text.strip("'")).strip("'")


def _after_host(url: str) -> str:
    match = AFTER_HOST.match(url)
    return match[1] if match else ""


def _split_query(text: str) -> tuple[str, str]:
    path, _, query = text.partition("?")
    return path, query


def _parse_query(query: str) -> dict[str, str]:
    pairs = (part.partition("=") for part in query.split("&"))
    # Not `unquote_plus`: encoders send keys as they are, and a plus sign is part of many.
    return {name: unquote(value) for name, _, value in pairs if name}


def _segments(path: str) -> list[str]:
    return [segment for segment in path.split("/") if segment and segment != INSTANCE]
