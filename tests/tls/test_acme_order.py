"""Tests of what is made of an authority that fails; Pebble's tests have one that works."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from headend.tls.acme_order import AcmeError, Wanted, obtain
from headend.tls.challenges import Challenges

KEY = ec.generate_private_key(ec.SECP256R1())
PROBLEM = "application/problem+json"

# Path to status, body, and further headers.
Script = Callable[[str], dict[str, tuple[int, object, dict[str, str]]]]


@contextmanager
def authority(script: Script) -> Iterator[str]:
    """Run an authority that says what is in its script; gives its URL without a slash."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            status, body, headers = script(url).get(self.path, (404, "", {}))
            text = b"" if self.command == "HEAD" else json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json" if status < 400 else PROBLEM)
            self.send_header("Replay-Nonce", "bm9uY2U")
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(text)

        do_POST = do_HEAD = do_GET

        def log_message(self, format: str, *args: object) -> None:
            """Nobody wants to know."""

    server = HTTPServer(("127.0.0.1", 0), Handler)
    url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield url
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _fail(directory: str, ca: Path | None = None) -> AcmeError:
    challenges = Challenges()
    challenges.add_http("token", "left over")
    wanted = Wanted(("a.example",), directory, ca, "", ("tls-alpn-01", "http-01"))
    with pytest.raises(AcmeError) as failure:
        obtain(wanted, KEY, challenges)
    assert challenges.answer("token") is None
    assert "\n" not in str(failure.value)
    return failure.value


def _directory(url: str) -> dict[str, tuple[int, object, dict[str, str]]]:
    paths = {name: f"{url}/{name}" for name in ("newNonce", "newAccount", "newOrder")}
    return {"/dir": (200, paths, {}), "/newNonce": (200, "", {})}


def _account(url: str) -> dict[str, tuple[int, object, dict[str, str]]]:
    account = (201, {"status": "valid"}, {"Location": f"{url}/account"})
    return _directory(url) | {"/newAccount": account}


def _order(url: str, *kinds: str) -> dict[str, tuple[int, object, dict[str, str]]]:
    order = {
        "status": "pending",
        "identifiers": [{"type": "dns", "value": "a.example"}],
        "authorizations": [f"{url}/authorization"],
        "finalize": f"{url}/finalize",
    }
    authorization = {
        "status": "pending",
        "identifier": {"type": "dns", "value": "a.example"},
        "challenges": [
            {"type": kind, "url": f"{url}/{kind}", "token": "evaGxfADs6pSRb2LAv9IZf17Dt3juxGJ"}
            for kind in kinds
        ],
    }
    return _account(url) | {
        "/newOrder": (201, order, {"Location": f"{url}/order"}),
        "/authorization": (200, authorization, {}),
    }


def test_nobody_there_is_unreachable() -> None:
    with authority(_directory) as url:
        pass
    error = _fail(f"{url}/dir")
    assert (str(error), error.is_unreachable) == (f"{url}/dir: Connection refused", True)


def test_file_to_trust_that_is_missing_is_told(tmp_path: Path) -> None:
    error = _fail("https://127.0.0.1:1/dir", tmp_path / "no.pem")
    assert "no.pem" in str(error)


def test_directory_that_is_none_is_no_reason_to_ask_again_soon() -> None:
    with authority(_directory) as url:
        assert not _fail(f"{url}/nowhere").is_unreachable
    with authority(lambda url: {"/dir": (200, {}, {})}) as url:
        error = _fail(f"{url}/dir")
        assert "newAccount" in str(error)
        assert not error.is_unreachable


def test_refusal_is_told_in_the_authoritys_words_and_its_wish_is_known() -> None:
    problem = {"type": "urn:ietf:params:acme:error:rateLimited", "detail": "too many\norders"}
    with authority(
        lambda url: _account(url) | {"/newOrder": (429, problem, {"Retry-After": "7200"})}
    ) as url:
        error = _fail(f"{url}/dir")
    assert str(error) == "too many orders"
    assert 7100 < error.retry_after_s <= 7200


def test_refusal_without_words_is_told_by_its_type() -> None:
    problem = {"type": "urn:ietf:params:acme:error:externalAccountRequired"}
    with authority(lambda url: _directory(url) | {"/newAccount": (403, problem, {})}) as url:
        error = _fail(f"{url}/dir")
    assert (str(error), error.retry_after_s) == ("The server requires external account binding", 0)


def test_connection_lost_during_an_order_counts_as_a_refusal() -> None:
    gone = "http://127.0.0.1:1/order"  # nobody listens on tcpmux
    with authority(
        lambda url: (
            _account(url) | {"/dir": (200, {"newNonce": f"{url}/newNonce", "newAccount": gone}, {})}
        )
    ) as url:
        assert not _fail(f"{url}/dir").is_unreachable


def test_challenges_that_nobody_here_can_answer_are_named() -> None:
    with authority(lambda url: _order(url, "dns-01", "sky-01")) as url:
        error = _fail(f"{url}/dir")
    assert str(error) == (
        "a.example: the authority offers dns-01, sky-01, this server tls-alpn-01, http-01"
    )
    with authority(lambda url: _order(url)) as url:
        assert "the authority offers no challenge, " in str(_fail(f"{url}/dir"))
