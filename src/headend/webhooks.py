"""Signatures of what webhooks and the callback send: made here, checked in the receiver.

    webhook-id: 3f0c…                           the same in every attempt
    webhook-timestamp: 1795622931               Unix seconds, of this attempt
    webhook-signature: v1,BASE64                HMAC-SHA-256 of ID.TIMESTAMP.BODY

Source: Standard Webhooks 1.0, whose libraries for other languages check the same headers.
"""

import binascii
import hmac
import time
from base64 import b64decode, b64encode
from collections.abc import Mapping
from hashlib import sha256
from typing import Final

from headend.errors import HeadendError

ID_HEADER: Final = "webhook-id"
TIMESTAMP_HEADER: Final = "webhook-timestamp"
SIGNATURE_HEADER: Final = "webhook-signature"
TOLERANCE_S: Final = 300.0  # between two clocks, delivery included; older ones may be replayed

_VERSION: Final = "v1,"
_BASE64_PREFIX: Final = "whsec_"


class SignatureError(HeadendError):
    """A request is not signed with our secret, or not lately."""


def sign(body: bytes, secret: str, *, id: str, timestamp: int) -> dict[str, str]:
    """Return the headers of a signed request.

    Args:
        body: As it is sent.
        secret: Shared with the receiver: any text, or `whsec_` and base64.
        id: Of the message; the same when it is sent again.
        timestamp: Unix seconds.
    """
    return {
        ID_HEADER: id,
        TIMESTAMP_HEADER: str(timestamp),
        SIGNATURE_HEADER: _VERSION + _signature(body, secret, id, str(timestamp)),
    }


def verify(
    body: bytes,
    headers: Mapping[str, str],
    secret: str,
    *,
    now: float | None = None,
    tolerance_s: float = TOLERANCE_S,
) -> str:
    """Check that a request comes from a server that shares the secret.

    Args:
        body: As it was received, before any parsing.
        headers: Of the request; upper and lower case do not matter.
        secret: As in the server's settings.
        now: Unix seconds; None: now.
        tolerance_s: How far the clocks may be apart.

    Returns:
        The message's id, the same whenever it is sent: by it those handled already are known.

    Raises:
        SignatureError: It does not.
    """
    given = {name.lower(): value for name, value in headers.items()}
    try:
        id, sent = given[ID_HEADER], given[TIMESTAMP_HEADER]
        signatures = given[SIGNATURE_HEADER].split()
    except KeyError as error:
        raise SignatureError(f"the header {error.args[0]} is missing") from None
    if not (sent.isascii() and sent.isdigit() and len(sent) <= 15):
        raise SignatureError(f"{TIMESTAMP_HEADER} is no time")
    right = (_VERSION + _signature(body, secret, id, sent)).encode()
    # More than one while a secret is being replaced.
    if not any(hmac.compare_digest(each.encode(), right) for each in signatures):
        raise SignatureError("the signature is not right")
    if abs((time.time() if now is None else now) - int(sent)) > tolerance_s:
        raise SignatureError(f"it was signed more than {tolerance_s:g} s ago, or by a wrong clock")
    return id


def _signature(body: bytes, secret: str, id: str, timestamp: str) -> str:
    message = b".".join((id.encode(), timestamp.encode(), body))
    return b64encode(hmac.digest(_key(secret), message, sha256)).decode()


def _key(secret: str) -> bytes:
    if secret.startswith(_BASE64_PREFIX):
        text = secret.removeprefix(_BASE64_PREFIX)
        try:
            return b64decode(text + "=" * (-len(text) % 4), validate=True)
        except binascii.Error:
            pass  # a text that only looks like it
    return secret.encode()
