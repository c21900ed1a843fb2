"""Gates for tests."""

import time
from asyncio import AbstractEventLoop
from unittest.mock import Mock

from headend.access.gate import Gate
from headend.access.guard import Guard
from headend.access.known_keys import KnownKeys
from headend.access.policy import Policy
from headend.access.tokens import Tokens
from headend.events import Events
from headend.net.pseudonyms import Pseudonyms
from headend.settings import RuleBook, Settings
from headend.store.server_secret import ServerSecret

SECRET = ServerSecret(bytes(range(32)))
TOKENS = Tokens(SECRET.derive("tokens"))


def gate(
    settings: Settings | None = None,
    loop: AbstractEventLoop | None = None,
    keys: KnownKeys | None = None,
) -> Gate:
    """Make a gate by settings; without a loop nothing of it may be awaited."""
    settings = settings or Settings()
    auth = settings.auth
    if loop is None:
        loop = Mock(spec=["time"])
        assert isinstance(loop, Mock)
        loop.time = time.monotonic

    def report(event: object, error: Exception) -> None:
        raise error

    return Gate(
        loop,
        Policy(RuleBook(settings), "rtmps://HOST:1936"),
        TOKENS,
        keys or KnownKeys(SECRET, auth.on_database_error, auth.known_s),
        Guard(auth.wrong_attempts, auth.ban_s),
        Events(report),
        Pseudonyms(),
    )
