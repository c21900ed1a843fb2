"""The feature that is written as an example: examples/unwatched.py."""

import runpy
from pathlib import Path
from typing import Any

import pytest
from tests.harness import log_lines

import headend

EXAMPLE = Path(__file__).parents[2] / "examples" / "unwatched.py"


@pytest.fixture
def unwatched() -> Any:
    return runpy.run_path(str(EXAMPLE))["Unwatched"]


async def test_stream_that_nobody_watches_is_told_of_once_after_a_minute(
    unwatched: Any, caplog: pytest.LogCaptureFixture
) -> None:
    async with headend.Server({"rtmp.listen": "127.0.0.1:0"}, features=[unwatched]) as server:
        feature: Any = server.services.features[unwatched]
        async with server.publish("live/a"):
            began = server.services.loop.time()
            feature.look(began + 59)
            assert log_lines(caplog, "no viewer") == []
            feature.look(began + 61)
            feature.look(began + 90)
            assert len(log_lines(caplog, "WARNING stream live/a: no viewer for 6")) == 1


async def test_stream_that_is_watched_is_not_told_of_and_counts_anew_afterwards(
    unwatched: Any, caplog: pytest.LogCaptureFixture
) -> None:
    async with headend.Server({"rtmp.listen": "127.0.0.1:0"}, features=[unwatched]) as server:
        feature: Any = server.services.features[unwatched]
        async with server.publish("live/a"):
            began = server.services.loop.time()
            async with server.stream("live/a"):
                feature.look(began + 100)
            feature.look(began + 159)
            assert log_lines(caplog, "no viewer") == []
            feature.look(began + 161)
            assert len(log_lines(caplog, "stream live/a: no viewer for 61 s")) == 1


async def test_stream_that_is_over_is_forgotten(
    unwatched: Any, caplog: pytest.LogCaptureFixture
) -> None:
    async with headend.Server({"rtmp.listen": "127.0.0.1:0"}, features=[unwatched]) as server:
        feature: Any = server.services.features[unwatched]
        async with server.publish("live/a"):
            pass
        feature.look(server.services.loop.time() + 1000)
        assert log_lines(caplog, "no viewer") == []
        assert feature._watched == {}
