"""Tests that connections are made by modules that ask whether they may be.

Each module that connects or resolves names is listed with what it calls: one that is new here must
ask `headend.net.places` first, or say why it need not.
"""

import ast
from pathlib import Path

ROOT = Path(__file__).parent.parent / "src" / "headend"

WAYS = {
    "ClientSession",
    "TCPConnector",
    "create_connection",
    "getaddrinfo",
    "open_connection",
    "sock_connect",
    "start_connection",
    "urlopen",
}
GUARDED = {
    "net/names.py": {"getaddrinfo"},  # of `places`
    "access/jwks.py": {"ClientSession", "TCPConnector"},
    "client/http_flv.py": {"ClientSession", "TCPConnector"},
    "client/http_opener.py": {"create_connection"},  # has one already
    "client/sockets.py": {"open_connection", "start_connection"},
    "relay/dialling.py": {"start_connection"},
    "net/outgoing.py": {"ClientSession", "TCPConnector"},
}
OTHERS = {
    "cli/api_client.py": {"ClientSession", "TCPConnector"},  # this machine's server
    "cli/diagnoses.py": {"getaddrinfo"},  # the server's own public name
    "cli/doctor.py": {"create_connection", "getaddrinfo"},  # the same, and what the settings name
    "elsewhere/copy.py": {"sock_connect"},  # a unix socket of this machine's other workers
    "http/passing.py": {"ClientSession"},  # the same
    "cli/bench.py": {"getaddrinfo"},  # a server that a person names
    "cli/tls_probe.py": {"create_connection"},  # a server that a person names
    "relay/link.py": {"ClientSession"},  # of RTMP, on a socket of `dialling`
    "client/negotiation.py": {"ClientSession"},  # the same, of `sockets`
    "testing/slow_reader.py": {"ClientSession"},  # this machine's server
    "net/listener.py": {"getaddrinfo"},  # where we listen
    "tls/self_signed.py": {"getaddrinfo"},  # our own name
}


def called(tree: ast.AST) -> set[str]:
    """Name what a module calls of WAYS."""
    calls = (node.func for node in ast.walk(tree) if isinstance(node, ast.Call))
    names = {
        each.attr if isinstance(each, ast.Attribute) else getattr(each, "id", "") for each in calls
    }
    return names & WAYS


def test_connections_are_made_by_modules_that_ask_where_they_may_go() -> None:
    found = {
        str(path.relative_to(ROOT)): ways
        for path in sorted(ROOT.rglob("*.py"))
        if (ways := called(ast.parse(path.read_text())))
    }
    assert found == GUARDED | OTHERS


def test_clients_of_http_have_the_guard() -> None:
    for name, ways in GUARDED.items():
        text = (ROOT / name).read_text()
        if "TCPConnector" in ways:
            assert text.count("TCPConnector(") == text.count("resolver=Resolver(")
            assert text.count("aiohttp.ClientSession(") == text.count("middlewares=(checked(")
