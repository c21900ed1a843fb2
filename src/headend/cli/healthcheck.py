"""The command `healthcheck`: whether the server that uses the data folder is well.

For containers and load balancers: it needs no token, and asks the address that the server listens
at, whatever that is.
"""

from typing import TYPE_CHECKING, Annotated, Final

import typer

from headend.cli import output
from headend.cli.data_folder import found
from headend.cli.serve import ConfigFlag, DataFlag
from headend.errors import HeadendError

if TYPE_CHECKING:
    from headend.app.running_file import Running

TIMEOUT_S: Final = 4.0
_ALL: Final = {"0.0.0.0": "127.0.0.1", "[::]": "::1"}  # addresses of the whole machine

ReadyFlag = Annotated[
    bool, typer.Option("--ready", help="Ask whether it takes publishers and players, too.")
]


def register(app: typer.Typer) -> None:
    """Add the command to the program."""
    app.command()(healthcheck)


def healthcheck(ready: ReadyFlag = False, config: ConfigFlag = None, data: DataFlag = None) -> None:
    """Ask the running server whether it is well; exit code 1 if it is not."""
    from http.client import HTTPException

    from headend.app.running_file import find

    folder = found(config, [], data).settings.data
    running = find(folder)
    if running is None:
        raise HeadendError(f"no server runs with the data folder {folder}")
    if not (running.http or running.tls):
        output.result(f"the server (process {running.pid}) runs; it has no HTTP to ask")
        return
    path = "/readyz" if ready else "/healthz"
    try:
        status = _ask(running, path)
    except (OSError, HTTPException) as error:
        raise HeadendError(f"the server (process {running.pid}) does not answer: {error}") from None
    if status != 200:
        raise HeadendError(f"the server (process {running.pid}) answers {path} with {status}")
    output.result(f"the server (process {running.pid}) is {'ready' if ready else 'well'}")


def _ask(running: "Running", path: str) -> int:
    """Return the status of an answer.

    The server holds a lock in its data folder: its certificate would tell no more.
    """
    import socket
    import ssl
    from http.client import HTTPConnection, HTTPSConnection

    address = running.http[0] if running.http else running.tls[0]
    if address.startswith("unix:"):
        connection: HTTPConnection = HTTPConnection("localhost", timeout=TIMEOUT_S)
        connection.sock = socket.socket(socket.AF_UNIX)
        connection.sock.settimeout(TIMEOUT_S)
        connection.sock.connect(address.removeprefix("unix:"))
    else:
        host, _, port = address.rpartition(":")
        host = _ALL.get(host, host.strip("[]"))
        if running.http:
            connection = HTTPConnection(host, int(port), timeout=TIMEOUT_S)
        else:
            context = ssl.create_default_context()
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            connection = HTTPSConnection(host, int(port), timeout=TIMEOUT_S, context=context)
    try:
        connection.request("GET", path)
        return connection.getresponse().status
    finally:
        connection.close()
