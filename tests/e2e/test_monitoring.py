"""Prometheus beside a server: it reads what the server has, and its alerts fire."""

import json
import shutil
import socket
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.e2e.conftest import StartServer
from tests.e2e.peers import Peers
from tests.e2e.process import Process
from tests.e2e.server import Server
from tests.e2e.wait import LIMIT_S, wait_for

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

DEPLOY = Path(__file__).parents[2] / "deploy" / "prometheus"


class Prometheus:
    """A Prometheus with the configuration of `deploy/`, which looks five times a second."""

    def __init__(self, folder: Path, target: str) -> None:
        program = shutil.which("prometheus")
        if program is None:
            pytest.skip("prometheus is not installed")
        settings = yaml.safe_load((DEPLOY / "prometheus.yml").read_text())
        settings["global"] = {"scrape_interval": "200ms", "evaluation_interval": "200ms"}
        settings["scrape_configs"][0]["static_configs"] = [{"targets": [target]}]
        rules = yaml.safe_load((DEPLOY / "alerts.yml").read_text())
        for rule in rules["groups"][0]["rules"]:
            rule.pop("for", None)
        folder.mkdir()
        (folder / "prometheus.yml").write_text(yaml.safe_dump(settings))
        (folder / "alerts.yml").write_text(yaml.safe_dump(rules))
        with socket.create_server(("127.0.0.1", 0)) as free:
            self._address = f"127.0.0.1:{free.getsockname()[1]}"
        self.process = Process(
            (
                program,
                f"--config.file={folder}/prometheus.yml",
                f"--storage.tsdb.path={folder}/data",
                f"--web.listen-address={self._address}",
            ),
            folder / "log",
        )

    def ask(self, query: str) -> list[Any]:
        """Return the series that a query has, none while it does not answer."""
        url = f"http://{self._address}/api/v1/query?query={urllib.parse.quote(query)}"
        try:
            with urllib.request.urlopen(url, timeout=LIMIT_S) as answer:
                found: list[Any] = json.load(answer)["data"]["result"]
        except OSError:
            return []
        return found


@pytest.fixture
def watched(start_server: StartServer, tmp_path: Path) -> Iterator[tuple[Server, Prometheus]]:
    server = start_server()
    prometheus = Prometheus(tmp_path / "prometheus", server.http[0])
    yield server, prometheus
    prometheus.process.kill()


def test_prometheus_reads_the_server_and_tells_when_it_is_gone(
    watched: tuple[Server, Prometheus], peers: Peers, clip: Path
) -> None:
    server, prometheus = watched
    peers.publish(clip, server.url("live/a"), is_endless=True)
    (series,) = wait_for(
        lambda: prometheus.ask('headend_stream_live{stream="live/a"} == 1'), "the stream"
    )
    assert series["metric"]["job"] == "headend"
    assert prometheus.ask('ALERTS{alertstate="firing", alertname="HeadendDown"}') == []
    server.stop()
    (alert,) = wait_for(
        lambda: prometheus.ask('ALERTS{alertstate="firing", alertname="HeadendDown"}'), "the alert"
    )
    assert alert["metric"]["severity"] == "critical"
