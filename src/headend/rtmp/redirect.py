"""Where a server sends a client on to.

A redirect comes as the answer to connect, publish or play (`ex.redirect`), a reconnect request of
Enhanced RTMP v2 at any time (`tcUrl`). Both name a server and an app; the stream stays the same.
Whether a connection may go there is known when its name is resolved, and looked at then.
"""

import re
from dataclasses import replace
from typing import Final

from headend.errors import ProtocolError, SettingsError
from headend.rtmp.url import Url, parse_url

SCHEME: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")


def follow(url: Url, target: str) -> Url:
    """Return where to ask for the stream of a URL from now on.

    Args:
        url: Where we asked.
        target: What the server names: `rtmp://HOST/APP`, `//HOST/APP`, `/APP`, or one of them with
            the name of the stream behind it; empty: where we are.

    Raises:
        ProtocolError: It is no URL of RTMP, or leads from TLS to none. It is not repeated, for it
            may hold a secret.
    """
    if not target:
        return url
    try:
        moved = _resolve(url, target)
    except SettingsError:
        raise ProtocolError("the server redirects to what is no URL of RTMP") from None
    if url.is_tls and not moved.is_tls:
        raise ProtocolError("the server redirects from TLS to a connection without: not followed")
    return moved


def _resolve(url: Url, target: str) -> Url:
    if target.startswith("//"):
        target = f"{url.scheme}:{target}"
    elif target.startswith("/"):
        target = f"{url.tc_url[: url.tc_url.index('/', len(url.scheme) + 3)]}{target}"
    elif not SCHEME.match(target):
        raise SettingsError("no URL")
    found = parse_url(target)
    app = f"{found.app}/{found.name}" if found.name else found.app
    before, _, last = app.rpartition("/")
    if url.name and last == url.name and before:
        app = before
    is_same_host = found.host.lower() == url.host.lower()
    return replace(
        found,
        app=app,
        name=url.name,
        query=found.query or url.query,
        user=url.user if is_same_host else None,
        password=url.password if is_same_host else None,
    )
