"""Tests of the API by its own document, made by schemathesis, all checks on."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from tests.e2e.peers import Peers
from tests.e2e.server import Server

pytestmark = pytest.mark.e2e

# A stream and a session that are there, and updates that end.
CONFIG = """
[parameters]
path = "live/a"
[[operations]]
include-path = "/api/v1/events"
parameters = {{ "query.count" = 1 }}
[[operations]]
include-method = "DELETE"
include-path = "/api/v1/streams/{{path}}"
parameters = {{ path = "live/b" }}
[[operations]]
include-path = "/api/v1/sessions/{{id}}"
include-method = "GET"
parameters = {{ id = {session} }}
# What makes a relay right is more than a schema can tell.
[[operations]]
include-operation-id = "relays_add"
[operations.checks.positive_data_acceptance]
expected-statuses = ["2xx", 401, 403, 422, 503]
# So is what can be the name of a stream.
[[operations]]
include-operation-id = "keys_create"
[operations.checks.positive_data_acceptance]
expected-statuses = ["2xx", 401, 403, 422, 503]
[[operations]]
include-operation-id = "recordings_record"
[operations.checks.positive_data_acceptance]
expected-statuses = ["2xx", 401, 403, 404, 409, 422, 503]
# A time is written in one of two ways, of which one is a number.
[[operations]]
include-operation-id = "recordings_recordings"
[operations.checks.positive_data_acceptance]
expected-statuses = ["2xx", 401, 403, 422, 503]
# What else cannot be printed is more than a pattern can tell everybody.
[[operations]]
include-operation-id = "keys_sign"
[operations.checks.positive_data_acceptance]
expected-statuses = ["2xx", 401, 403, 422]
"""
SIGN_IN = "/api/v1/sign-in"
DRAIN = "/api/v1/drain"  # stops the server: see test_drain.py


def schemathesis(server: Server, folder: Path, *options: str, session: int = 1) -> str:
    """Run it; return what it says once it found nothing."""
    (folder / "schemathesis.toml").write_text(CONFIG.format(session=session))
    command = [
        *(sys.executable, "-m", "schemathesis.cli", "run"),
        f"http://{server.http[0]}/api/openapi.json",
        *("--header", f"Authorization: Bearer {server.token}", "--checks", "all", "--seed", "1"),
        *("--suppress-health-check", "all", "--request-timeout", "15", *options),
    ]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, done.stdout + done.stderr + "\n".join(server.log()[-20:])
    return done.stdout


def test_api_does_what_its_document_says(
    server: Server, peers: Peers, clip: Path, tmp_path: Path
) -> None:
    for name in "ab":
        peers.publish(clip, server.url(f"live/{name}"), is_endless=True)
        server.wait_media(f"live/{name}")
    peers.play(server.url("live/a"), tmp_path / "a.flv")
    server.wait_stream("live/a", viewers=1)
    (session,) = [
        each["id"]
        for each in json.loads(server.get("/api/v1/sessions", server.token)[1])["sessions"]
        if each["plays"]
    ]
    document = json.loads(server.get("/api/openapi.json")[1])
    paths = document["paths"].items()
    operations = sum(len(methods) for path, methods in paths if path not in (SIGN_IN, DRAIN))
    left_out = ("--exclude-path", SIGN_IN, "--exclude-path", DRAIN)
    said = schemathesis(server, tmp_path, *left_out, "-n", "6", session=session)
    assert f"Tested: {operations}" in " ".join(said.split())
    assert "Authentication failed" not in said  # a few wrong tokens shut nobody out
    assert server.get("/readyz")[0] == 200
    assert not [line for line in server.log() if " ERROR " in line]


def test_sign_in_does_what_its_document_says(server: Server, tmp_path: Path) -> None:
    schemathesis(server, tmp_path, "--include-path", SIGN_IN, "-n", "6")
    assert server.get("/readyz")[0] == 200
