"""Words for what a setting takes."""

import pytest

from headend.settings.allowed import allowed
from headend.settings.keys import KEYS


@pytest.mark.parametrize(
    ("key", "words"),
    [
        ("auth.publish", 'must be "loopback", "key" or "open"'),
        ("log.format", 'must be "text" or "json"'),
        ("limits.message_bytes", 'must be a size from 64 KiB to 16 MiB, such as "16 MiB"'),
        ("live.flush_ms", "must be a whole number from 0 to 1000"),
        ("live.wait_s", "must be a number from 0 to 3600"),
        ("live.gop_cache", "must be true or false"),
        ("rtmp.listen", "must be a list of texts"),
    ],
)
def test_what_is_allowed_is_said_in_words(key: str, words: str) -> None:
    assert allowed(key, KEYS[key]) == words
