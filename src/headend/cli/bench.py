"""The command `bench`: load against a server of your own, and what came of it.

It is Python and takes part of the machine itself. The bench in the repository, whose load is in C,
is the one to compare servers with.
"""

import ipaddress
import socket
from contextlib import suppress
from typing import TYPE_CHECKING, Annotated, Final

import typer

from headend.cli import output
from headend.cli.config import JsonFlag
from headend.cli.tls_flags import CaFlag, FingerprintFlag, InsecureFlag, tls_options
from headend.cli.url_argument import given_url
from headend.errors import RelayError, SettingsError

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from headend.cli.bench_load import Load, Plan
    from headend.rtmp.url import Url

BUSY_PERCENT: Final = 80.0  # of a core, from which on the load's own work shows in the figures

UrlArgument = Annotated[
    str, typer.Argument(metavar="URL", help="rtmp[s]://HOST/APP/NAME?key=KEY of a free name.")
]
PlayersFlag = Annotated[int, typer.Option(min=1, help="Number of players.")]
PublishersFlag = Annotated[int, typer.Option(min=1, help="Number of publishers.")]
SecondsFlag = Annotated[float, typer.Option(min=0.1, max=3600, help="Seconds to measure.")]
KbpsFlag = Annotated[int, typer.Option(min=100, max=50_000, help="Bit rate of a stream.")]
OwnFlag = Annotated[
    bool, typer.Option("--yes-it-is-mine", help="Load a server that is not on this machine.")
]

group = typer.Typer(help="Put load on a server of your own.", no_args_is_help=False)


def register(app: typer.Typer) -> None:
    """Add the command to the program."""
    app.add_typer(group, name="bench")


@group.command()
def fanout(
    url: UrlArgument,
    players: PlayersFlag = 100,
    seconds: SecondsFlag = 10.0,
    kbps: KbpsFlag = 2650,
    ca: CaFlag = None,
    fingerprint: FingerprintFlag = None,
    insecure: InsecureFlag = False,
    is_own: OwnFlag = False,
    as_json: JsonFlag = False,
) -> None:
    """Publish one stream to many players; measure what they get, gaps and latency."""
    from headend.cli import bench_report
    from headend.cli.bench_load import Plan, play_many

    target = _own_target(url, is_own=is_own)
    tls = tls_options(target, ca, fingerprint, insecure=insecure)
    load = _run(play_many, Plan(target, players, seconds, kbps, tls))
    bench_report.show_players("fanout", load, as_json=as_json)
    _warn(load)


@group.command()
def latency(
    url: UrlArgument,
    players: PlayersFlag = 1,
    seconds: SecondsFlag = 10.0,
    kbps: KbpsFlag = 2650,
    ca: CaFlag = None,
    fingerprint: FingerprintFlag = None,
    insecure: InsecureFlag = False,
    is_own: OwnFlag = False,
    as_json: JsonFlag = False,
) -> None:
    """Publish one stream to a few players and measure how old its pictures are there."""
    from headend.cli import bench_report
    from headend.cli.bench_load import Plan, play_many

    target = _own_target(url, is_own=is_own)
    tls = tls_options(target, ca, fingerprint, insecure=insecure)
    load = _run(play_many, Plan(target, players, seconds, kbps, tls))
    bench_report.show_players("latency", load, as_json=as_json)
    _warn(load)


@group.command()
def ingest(
    url: UrlArgument,
    publishers: PublishersFlag = 50,
    seconds: SecondsFlag = 10.0,
    kbps: KbpsFlag = 2650,
    ca: CaFlag = None,
    fingerprint: FingerprintFlag = None,
    insecure: InsecureFlag = False,
    is_own: OwnFlag = False,
    as_json: JsonFlag = False,
) -> None:
    """Publish NAME-0, NAME-1 and so on without players; measure how long encoders wait."""
    from headend.cli import bench_report
    from headend.cli.bench_load import Plan, publish_many

    target = _own_target(url, is_own=is_own)
    tls = tls_options(target, ca, fingerprint, insecure=insecure)
    load = _run(publish_many, Plan(target, publishers, seconds, kbps, tls))
    bench_report.show_publishers(load, as_json=as_json)
    _warn(load)


@group.command("tls")
def compare_tls(
    players: PlayersFlag = 50,
    seconds: SecondsFlag = 10.0,
    kbps: KbpsFlag = 2650,
    as_json: JsonFlag = False,
) -> None:
    """Start a separate server and compare RTMP with RTMPS: CPU per viewer, and latency."""
    from headend.cli import bench_report
    from headend.cli.bench_load import Plan, play_many
    from headend.cli.bench_server import own_server

    loads: dict[str, Load] = {}
    with own_server() as server:
        for name, url, tls in server.targets():
            output.note(f"{name}: {players} players for {seconds:g} s")
            loads[name] = _run(play_many, Plan(url, players, seconds, kbps, tls, server.pid))
    bench_report.show_comparison(loads, as_json=as_json)
    for load in loads.values():
        _warn(load)


def _own_target(text: str, *, is_own: bool) -> "Url":
    """Read the URL of a stream.

    Raises:
        SettingsError: It names no stream, or a server that may not be the user's own.
        RelayError: Its host is not found.
    """
    from headend.rtmp.url import parse_url

    url = parse_url(given_url(text))
    if not url.name:
        raise SettingsError("the URL names no stream: expected rtmp://HOST/APP/NAME")
    if not is_own and not _is_loopback(url.host, url.connect_port):
        raise SettingsError(
            f"{url.host} is not this machine, and others' servers are not to be loaded: "
            "--yes-it-is-mine if it is yours"
        )
    return url


def _is_loopback(host: str, port: int) -> bool:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError as error:
        raise RelayError(f"{host}: {error.strerror}") from error
    addresses = [ipaddress.ip_address(str(place[0]).partition("%")[0]) for *_, place in found]
    return all(address.is_loopback for address in addresses)


def _run(load: "Callable[[Plan], Coroutine[object, object, Load]]", plan: "Plan") -> "Load":
    """Run a load on uvloop where it is installed: the less it costs, the less it is in the way."""
    import asyncio

    from headend.cli.bench_server import raise_descriptor_limit

    factory: Callable[[], asyncio.AbstractEventLoop] = asyncio.new_event_loop
    with suppress(ImportError):
        import uvloop

        factory = uvloop.new_event_loop
    raise_descriptor_limit()
    with asyncio.Runner(loop_factory=factory) as runner:
        return runner.run(load(plan))


def _warn(load: "Load") -> None:
    if load.usage.load > BUSY_PERCENT:
        output.note(
            f"the load took {load.usage.load:.0f} % of a core itself: "
            "latency and gaps are those of the load, not of the server"
        )
