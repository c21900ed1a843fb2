"""A watch on all that a test run writes, for keys, tokens and passwords.

    log lines, as they are written ──┐
    answers over HTTP ───────────────┤
    messages to RTMP peers ──────────┼─► WATCH ─► a test that let a secret out fails
    bodies of webhooks ──────────────┤
    logs of server processes ────────┘

Publish keys and tokens are known by their shape. Any other secret, such as the admin token of a
test's server or a password, is told by `remember`. What shows a secret on purpose, such as the
answer that gives a new key to its owner, is not looked at: `is_meant` says which.
"""

import logging
import re
from pathlib import Path

from headend.logs import TextFormatter

# A key is longer; shorter ones stand in tests for what is none.
KEY = re.compile(rb"hk_[A-Za-z0-9_-]{16,}")
TOKEN = re.compile(rb"eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.?[A-Za-z0-9_-]*")
LEAST = 8  # characters of a secret that is told
SHOWN = 60  # characters around a find

# Addresses whose answers hold a secret on purpose, once, and what makes playlists of a private
# stream work: their URIs carry the viewer's own token.
MEANT = re.compile(r"^POST /api/v1/(keys|tokens|webhooks|relays)\b|\.m3u8\b|^POST /api/v1/sign-in$")


class Watch:
    """What was seen since the last `check`."""

    def __init__(self) -> None:
        self._seen: list[tuple[str, bytes]] = []
        self._secrets: set[bytes] = set()

    def remember(self, *secrets: str) -> None:
        """Look for these too."""
        self._secrets |= {secret.encode() for secret in secrets if len(secret) >= LEAST}

    def look(self, where: str, what: bytes | str) -> None:
        """Take what was written; it is looked through at the end of the test."""
        data = what.encode(errors="replace") if isinstance(what, str) else what
        if data:
            self._seen.append((where, data))

    def look_at_file(self, where: str, path: Path) -> None:
        """Likewise, what a process wrote."""
        if path.is_file():
            self.look(where, path.read_bytes())

    def leaks(self) -> list[str]:
        """Return what was found, and forget everything."""
        patterns = [KEY, TOKEN, *(re.compile(re.escape(secret)) for secret in self._secrets)]
        seen, self._seen = self._seen, []
        self._secrets.clear()
        found = []
        for where, data in seen:
            for pattern in patterns:
                match = pattern.search(data)
                if match is not None:
                    start = max(0, match.start() - SHOWN)
                    text = data[start : match.end() + SHOWN].decode(errors="replace")
                    found.append(f"{where}: {text!r}")
        return found


WATCH = Watch()


def is_meant(method: str, path: str) -> bool:
    """Say whether an answer shows a secret on purpose."""
    return MEANT.search(f"{method} {path}") is not None


class LogWatch(logging.Handler):
    """Takes log lines as the server would write them, tracebacks included."""

    def __init__(self) -> None:
        super().__init__()
        self.setFormatter(TextFormatter(with_traceback=True))

    def emit(self, record: logging.LogRecord) -> None:
        if record.name.partition(".")[0] in ("headend", "aiohttp", "py"):
            WATCH.look("log", self.format(record))
