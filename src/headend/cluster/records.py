"""Records of members as they lie in Redis: signed, so that only members can make one."""

import hmac
import json
from dataclasses import asdict
from hashlib import sha256
from typing import Final
from urllib.parse import urlsplit

from headend.directory.values import Member

MOST_BYTES: Final = 4096
_TEXTS: Final = ("node", "boot", "rtmp", "http")


def write_record(member: Member, secret: bytes) -> str:
    """Write the record of a member."""
    values = asdict(member)
    values.pop("unix")
    values.pop("unix_http")
    text = json.dumps(values, separators=(",", ":"))
    return f"{_sign(text, secret)} {text}"


def read_record(record: str, boot: str, secret: bytes) -> Member | None:
    """Read the record of a member; None: it was made without the secret, or for another boot."""
    signature, _, text = record[:MOST_BYTES].partition(" ")
    if not hmac.compare_digest(_sign(text, secret).encode(), signature.encode()):
        return None
    try:
        values = json.loads(text)
        node, boot_told, rtmp, http = texts = [values[name] for name in _TEXTS]
        worker, public = values["worker"], values.get("public", "")
    except (ValueError, KeyError, TypeError):
        return None
    if not all(isinstance(each, str) for each in (*texts, public)) or not isinstance(worker, int):
        return None
    member = Member(node, boot_told, rtmp, http, worker=worker, public=public)
    is_rtmp = urlsplit(member.rtmp).scheme in ("rtmp", "rtmps")
    return member if member.boot == boot and is_rtmp else None


def _sign(text: str, secret: bytes) -> str:
    return hmac.digest(secret, b"headend member " + text.encode(), sha256).hex()
