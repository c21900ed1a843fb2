"""Tokens of any content, signed with HS256."""

import hmac
from base64 import urlsafe_b64encode
from typing import Final

# Claims and headers that no library that signs tokens would write; the first part is signed too.
ODD: Final = (
    ('{"stream":"live/*","exp":1e400}', '{"alg":"HS256"}'),
    ('{"stream":"live/*","exp":NaN}', '{"alg":"HS256"}'),
    ('{"stream":"live/*","exp":' + "9" * 400 + "}", '{"alg":"HS256"}'),
    ('{"stream":"live/*","exp":4e9,"more":' + "[" * 1200 + "]" * 1200 + "}", '{"alg":"HS256"}'),
    ('{"stream":"live/*","exp":4e9}', '{"alg":"HS256","crit":7}'),
    ('{"stream":"live/*","exp":4e9}', '{"alg":"HS256","crit":[[]]}'),
    ("[]", '{"alg":"HS256"}'),
    ("{}", "[]"),
)


def raw_token(key: bytes, claims: str, header: str = '{"alg":"HS256"}') -> str:
    """Sign a token, whatever its parts are."""
    parts = (urlsafe_b64encode(part.encode()).rstrip(b"=") for part in (header, claims))
    signed = b".".join(parts)
    proof = urlsafe_b64encode(hmac.digest(key, signed, "sha256")).rstrip(b"=")
    return (signed + b"." + proof).decode()
