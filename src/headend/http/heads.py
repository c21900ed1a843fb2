"""Headers that all answers over HTTP have, whether aiohttp, a handler or a viewer makes them."""

from typing import Final

from headend.settings import Settings

EVERY_ANSWER: Final = {
    "Server": "Headend",  # no version, of ours or of a library: scanners look for old ones
    "X-Content-Type-Options": "nosniff",  # a browser takes what it gets for what it is called
}


def answer_headers(settings: Settings, *, is_secure: bool) -> dict[str, str]:
    """Return the headers that every answer has besides its own.

    Args:
        settings: The settings in effect.
        is_secure: The client came over TLS.
    """
    hsts_s = round(settings.tls.hsts_s)
    if not is_secure or not hsts_s:
        return EVERY_ANSWER
    # Browsers that came over HTTPS use it from now on (RFC 6797).
    return {**EVERY_ANSWER, "Strict-Transport-Security": f"max-age={hsts_s}"}
