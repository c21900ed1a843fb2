"""The answer to a server that asks for user and password: authmod `adobe` and `llnw`.

Each refusal tells what to add to the next connect, on a new connection; `headend.rtmp.authmod`
shows the three steps, from the server's side.

Source: docs/protocol.md, authentication.
"""

import hashlib
import re
from base64 import b64encode
from typing import Final
from urllib.parse import quote

from headend.rtmp.authmod import REALM

SCHEME: Final = re.compile(r"authmod=(adobe|llnw)\b")
ASKS: Final = "reason=needauth"  # the second refusal, with what the answer is made of
FAILED: Final = ("reason=authfailed", "reason=nosuchuser")
NONCE_COUNT: Final = "00000001"
# A user name goes as it is, as FFmpeg sends it, but for what would end it.
SAFE: Final = "!$'()*+,/:;@"


def wants_auth(description: str) -> bool:
    """Say whether a refusal asks who we are."""
    return SCHEME.search(description) is not None


def has_failed(description: str) -> bool:
    """Say whether a refusal says that user or password is wrong."""
    return any(word in description for word in FAILED)


def answer(description: str, user: str, password: str, app: str, nonce: str) -> str | None:
    """Return what to add to the next connect.

    Args:
        description: Of the refusal.
        user: Who we are.
        password: Never sent.
        app: Of connect, without query.
        nonce: Random text of ours; eight hexadecimal digits, as others send.

    Returns:
        Parameters; None: the refusal asks for nothing.
    """
    found = SCHEME.search(description)
    if found is None or has_failed(description):
        return None
    scheme = found[1]
    known = f"authmod={scheme}&user={quote(user, safe=SAFE)}"
    if ASKS not in description:
        return known
    asked = _parameters(description)
    if scheme == "adobe":
        return known + _adobe(asked, user, password, nonce)
    return known + _llnw(asked, user, password, app, nonce)


def _parameters(description: str) -> dict[str, str]:
    pairs = (part.partition("=") for part in description.partition("?")[2].split("&"))
    return {name: value.strip() for name, _, value in pairs}


def _adobe(asked: dict[str, str], user: str, password: str, nonce: str) -> str:
    opaque = asked.get("opaque", "")
    known = _base64_md5(f"{user}{asked.get('salt', '')}{password}")
    response = _base64_md5(f"{known}{opaque or asked.get('challenge', '')}{nonce}")
    return f"&challenge={nonce}&response={response}" + (f"&opaque={opaque}" if opaque else "")


def _llnw(asked: dict[str, str], user: str, password: str, app: str, nonce: str) -> str:
    theirs = asked.get("nonce", "")
    instance = "" if "/" in app else "/_definst_"
    known, path = _hex_md5(f"{user}:{REALM}:{password}"), _hex_md5(f"publish:/{app}{instance}")
    response = _hex_md5(f"{known}:{theirs}:{NONCE_COUNT}:{nonce}:auth:{path}")
    return f"&nonce={theirs}&cnonce={nonce}&nc={NONCE_COUNT}&response={response}"


def _base64_md5(text: str) -> str:
    return b64encode(_md5(text).digest()).decode()


def _hex_md5(text: str) -> str:
    return _md5(text).hexdigest()


def _md5(text: str) -> "hashlib._Hash":
    return hashlib.md5(text.encode(errors="surrogateescape"), usedforsecurity=False)
