"""Fixtures of the tests of a cluster."""

from collections.abc import Iterator

import pytest
from tests.cluster.redis_server import RedisServer, redis_server


@pytest.fixture
def redis() -> Iterator[RedisServer]:
    """Return a Redis that is empty."""
    with redis_server() as server:
        yield server
