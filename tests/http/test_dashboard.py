"""Tests that the dashboard for Grafana shows what the server serves, and all of it."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

from tests.harness import KEYFRAME, live_server

from headend.http.exposition import Exposition

FILE = Path(__file__).parents[2] / "examples" / "grafana-dashboard.json"
WIDTH = 24  # of Grafana's grid

# What is told by others on the dashboard, or is worth an alert rather than a graph.
NOT_SHOWN = {
    "headend_connections",
    "headend_flushes_total",
    "headend_tls_handshakes",
    "headend_tls_sessions",
    "headend_tls_reload_failures_total",
    "headend_acme_failures_total",
}
# Served once the disk has been looked at for the first time.
LATER = {"headend_recordings_bytes", "headend_recordings_free_bytes"}


def texts(value: object) -> Iterator[str]:
    """Return every text within a document."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for inner in value.values():
            yield from texts(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from texts(inner)


async def test_dashboard_shows_every_metric_and_no_other(tmp_path: Path) -> None:
    document = json.loads(FILE.read_text())
    shown = {name for text in texts(document) for name in re.findall(r"headend_\w+", text)}

    listen = ("http.listen=127.0.0.1:0", "tls.listen=127.0.0.1:0")
    async with live_server(tmp_path, *listen) as live:
        await live.player("a")
        publisher = await live.publisher("a")
        await publisher.send_video(KEYFRAME)
        body = await Exposition(live.services).text(names_all=True)
        lines = body.decode().splitlines()
    families = [line.split()[2:4] for line in lines if line.startswith("# TYPE headend_")]
    served = {f"{name}_bucket" if form == "histogram" else name for name, form in families}
    assert shown - LATER == served - NOT_SHOWN - LATER
    assert shown >= LATER
    assert served >= NOT_SHOWN


def test_panels_have_numbers_of_their_own_and_do_not_overlap() -> None:
    panels = json.loads(FILE.read_text())["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    taken: set[tuple[int, int]] = set()
    for panel in panels:
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= WIDTH
        cells = {
            (place["x"] + x, place["y"] + y) for x in range(place["w"]) for y in range(place["h"])
        }
        assert not cells & taken, panel["title"]
        taken |= cells


def test_queries_have_their_brackets_and_only_variables_that_are_there() -> None:
    document = json.loads(FILE.read_text())
    known = {each["name"] for each in document["templating"]["list"]} | {"__rate_interval", "__all"}
    queries = [
        target["expr"] for panel in document["panels"] for target in panel.get("targets", [])
    ]
    assert len(queries) > 30
    for query in queries:
        for opening, closing in ("()", "[]", "{}"):
            assert query.count(opening) == query.count(closing), query
    assert {name for text in texts(document) for name in re.findall(r"\$\{?(\w+)", text)} <= known
