"""Tests of the examples in Python, and of the cells of the notebook."""

import ast
import asyncio
import inspect
import json
import re
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from tests.e2e.examples import EXAMPLES
from tests.e2e.peers import Peers
from tests.e2e.server import environ
from tests.e2e.wait import LIMIT_S, wait_for

from headend import client
from headend.errors import Rejected
from headend.testing import PeerPlaying, PeerPublishing, ServerThread, make_clip

pytestmark = pytest.mark.e2e


def example(name: str, *arguments: str) -> tuple[str, ...]:
    return sys.executable, str(EXAMPLES / name), *arguments


def test_motion_is_seen_when_something_moves(
    headend_server: ServerThread, rtmp_publisher: Callable[..., PeerPublishing], peers: Peers
) -> None:
    url = headend_server.url("live/a")
    watcher = peers.run(*example("motion.py", url), environ=environ())
    headend_server.wait_stream("live/a", state="waiting", viewers=1)
    rtmp_publisher("live/a", make_clip(2.0), repeats=False).wait_end()
    watcher.succeed()
    assert "motion: " in watcher.output()
    assert "the stream is over" in watcher.output()


def test_drawn_pictures_are_a_stream(
    headend_server: ServerThread, rtmp_player: Callable[..., PeerPlaying], peers: Peers
) -> None:
    player = rtmp_player("live/a")
    program = peers.run(
        *example("pictures.py", headend_server.url("live/a"), "1"), environ=environ()
    )
    program.succeed()
    recording = player.wait_end()
    recording.assert_starts_with_keyframe().assert_no_gap(50).assert_decodes()
    recording.assert_tracks("avc1", width=640, height=360)
    assert 900 <= recording.duration_ms <= 1000


def test_encoder_is_tested_with_pytest(ffmpeg: str, tmp_path: Path) -> None:
    """The example is a test itself, of ffmpeg as the encoder."""
    command = (sys.executable, "-m", "pytest", "-q", "-c", "/dev/null", "--rootdir", str(tmp_path))
    done = subprocess.run(
        [*command, "-p", "no:cacheprovider", str(EXAMPLES / "test_encoder.py")],
        cwd=tmp_path, env=environ(), capture_output=True, text=True, timeout=100,
    )  # fmt: skip
    assert "3 passed" in done.stdout, done.stdout + done.stderr


@contextmanager
def fastapi_app(peers: Peers, tmp_path: Path) -> Iterator[str]:
    """Run the application with uvicorn; give its address."""
    program = peers.run(
        *(sys.executable, "-m", "uvicorn", "fastapi_app:app", "--app-dir", str(EXAMPLES)),
        *("--port", "0"),
        environ=environ() | {"RTMP": "127.0.0.1:0"},
    )
    found = wait_for(
        lambda: re.search(r"Uvicorn running on (\S+)", program.output()), "uvicorn's start"
    )
    assert found is not None
    yield found[1]
    program.send(signal.SIGINT)
    program.wait()
    assert "Traceback" not in program.output()


def ask(url: str, user: str = "", **data: str) -> tuple[int, Any]:
    """Ask the application; return status and document."""
    query = f"?{urlencode(data)}" if data else ""
    request = urllib.request.Request(url + query, method="POST" if user else "GET")
    if user:
        request.add_header("Authorization", f"Basic {b64encode(user.encode()).decode()}")
    try:
        with urllib.request.urlopen(request, timeout=LIMIT_S) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error)


def test_fastapi_application_lets_its_own_users_publish(peers: Peers, tmp_path: Path) -> None:
    async def publish_to(url: str) -> float:
        async with client.publish(url) as out:
            for tag in make_clip(0.4).tags:
                await out.write(tag)
            return float(ask(f"{address}/streams/live/a/brightness")[1])

    with fastapi_app(peers, tmp_path) as address:
        assert ask(f"{address}/tickets", "ann:wrong", name="a")[0] == 401
        status, answer = ask(f"{address}/tickets", "ann:correct horse", name="a")
        assert status == 200
        with pytest.raises(Rejected, match="this stream needs a ticket"):
            asyncio.run(publish_to(answer["url"].partition("?")[0]))
        with pytest.raises(Rejected, match="this stream needs a ticket"):
            asyncio.run(publish_to(answer["url"].replace("live/a", "live/b")))
        assert 0.2 < asyncio.run(publish_to(answer["url"])) < 0.8
        assert ask(f"{address}/streams") == (200, [])
        assert ask(f"{address}/streams/live/a/brightness")[0] == 404
        # Its ticket was good for one stream.
        wait_for(lambda: refuses(answer["url"]), "the end of the ticket")


def refuses(url: str) -> bool:
    async def main() -> bool:
        try:
            async with client.publish(url):
                return False
        except Rejected:
            return True

    return asyncio.run(main())


def cells(notebook: Path) -> list[str]:
    document = json.loads(notebook.read_text())
    return ["".join(cell["source"]) for cell in document["cells"] if cell["cell_type"] == "code"]


async def run_cells(sources: list[str]) -> tuple[dict[str, Any], list[object]]:
    """Run cells as a notebook does, `await` outside of functions included.

    Returns:
        Their names, and the value of the last expression of each cell.
    """
    names: dict[str, Any] = {"__name__": "__main__"}
    values: list[object] = []
    for source in sources:
        tree = ast.parse(source)
        if isinstance(last := tree.body[-1], ast.Expr):
            tree.body[-1] = ast.copy_location(
                ast.Assign([ast.Name("_", ast.Store())], last.value), last
            )
        names["_"] = None
        code = compile(
            ast.fix_missing_locations(tree), "cell", "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
        )
        running = eval(code, names)
        if inspect.isawaitable(running):
            await running
        values.append(names["_"])
    return names, values


def test_notebook_plots_bit_rate_and_gops(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MPLBACKEND", "agg")
    names, values = asyncio.run(run_cells(cells(EXAMPLES / "stream.ipynb")))
    plots = names["plt"]
    drawn = [plots.figure(number).axes[0] for number in plots.get_fignums()]
    assert [axes.get_title() for axes in drawn] == ["Bit rate", "Pictures"]
    assert len(drawn[1].patches) == 100
    rates = drawn[0].lines[0].get_ydata()
    assert list(rates) == sorted(rates)  # the noise grows
    assert "4 keyframes, 1.00 s apart" in values
    plots.close("all")


def test_notebook_is_kept_without_output() -> None:
    document = json.loads((EXAMPLES / "stream.ipynb").read_text())
    assert all(not cell.get("outputs") for cell in document["cells"])
