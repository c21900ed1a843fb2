"""What all tests share."""

import asyncio
import inspect
import itertools
import logging
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings
from tests.e2e.wait import LIMIT_S
from tests.no_secrets import WATCH, LogWatch

from headend.codec.priority import kept_priority
from headend.store import database

# `make fuzz`: as many examples as a night allows; a run can be stopped at any time.
settings.register_profile("fuzz", max_examples=50_000, deadline=None)

# An example that has to wait for a core is not slow.
settings.register_profile("suite", settings(), deadline=None)
settings.load_profile("suite")

# A shell that runs the tests in the background has them ignore Ctrl-C, and each program that they
# start would do so too.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def _no_secret_is_let_out() -> Iterator[None]:
    """Fail a test in which a key, a token or a password was written where it must not be."""
    handler = LogWatch()
    logging.getLogger().addHandler(handler)
    yield
    logging.getLogger().removeHandler(handler)
    leaks = WATCH.leaks()
    assert not leaks, "secrets were let out:\n" + "\n".join(leaks)


@pytest.fixture(autouse=True)
def _nobody_goes_before_all_others() -> Iterator[None]:
    """Give the thread its priority back, which encoding in a test or a fixture may raise."""
    with kept_priority():
        if hasattr(os, "sched_setscheduler"):
            os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
        yield


@pytest.fixture(autouse=True)
def _log_is_as_detailed_as_before() -> Iterator[None]:
    """Put the level of the log back, which commands and servers in tests set."""
    logger = logging.getLogger("headend")
    level = logger.level
    yield
    logger.setLevel(level)


@pytest.fixture(autouse=True)
def _database_has_time() -> Iterator[None]:
    """Let a database answer later than a person would wait: tests share the cores."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(database, "TIMEOUT_S", 8.0)  # a decision has 10
        yield


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Run a test that is a coroutine in a loop of its own, within `@pytest.mark.limit(SECONDS)`."""
    test = pyfuncitem.obj
    if not inspect.iscoroutinefunction(test):
        return None
    marker = pyfuncitem.get_closest_marker("limit")
    limit_s = LIMIT_S if marker is None else marker.args[0]
    arguments = {name: pyfuncitem.funcargs[name] for name in inspect.signature(test).parameters}

    async def limited() -> None:
        async with asyncio.timeout(limit_s):
            await test(**arguments)

    asyncio.run(limited())
    return True


_numbers = itertools.count(1)


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """URL of a PostgreSQL server that runs for all tests; `{name}` stands for a database."""
    from tests.access.postgres import postgres

    with postgres() as url:
        yield url


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """URL of an empty database, of each kind in turn."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/test.db"
    from tests.access.postgres import create_database

    url: str = request.getfixturevalue("postgres_url")
    return create_database(url, f"test_{next(_numbers)}")
