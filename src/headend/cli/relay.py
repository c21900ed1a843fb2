"""The command `relay`: streams sent to and fetched from other servers, while live.

It asks the server that runs with the data folder; relays of the settings are changed there.
"""

import sys
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from headend.cli import output
from headend.cli.config import JsonFlag
from headend.cli.data_folder import found
from headend.cli.serve import ConfigFlag, DataFlag
from headend.cli.stream_names import note_pattern
from headend.errors import SettingsError

if TYPE_CHECKING:
    from headend.cli.api_client import ApiClient
    from headend.relay.api import NewRelay
    from headend.relay.status import RelayStatus

group = typer.Typer(help="Send streams to other servers, and fetch streams from them.")


def register(app: typer.Typer) -> None:
    """Add the commands to the program."""
    app.add_typer(group, name="relay")


@group.command("list")
def list_relays(
    config: ConfigFlag = None, data: DataFlag = None, as_json: JsonFlag = False
) -> None:
    """List relays, and the state of each of their streams."""
    import asyncio

    found = asyncio.run(_list(_client(config, data)))
    if as_json:
        output.result_json({"relays": [asdict(each) for each in found]})
        return
    for each in found:
        output.result("\n".join(_lines(each)))


async def _list(client: "ApiClient") -> "list[RelayStatus]":
    async with client:
        return await client.relays()


def _lines(relay: "RelayStatus") -> list[str]:
    """Show a relay: a line about it, and one for each of its streams."""
    arrow = "to" if relay.direction == "out" else "from"
    more = [relay.preset] if relay.preset else []
    more += ["with a key"] if relay.has_key else []
    head = f"{relay.id}  {', '.join(relay.match)} {arrow} {', '.join(relay.url)}"
    lines = [f"{head}  ({', '.join([relay.source, *more])})"]
    for target in relay.targets:
        figures = f"{target.bit_rate / 1e6:.1f} Mbit/s" if target.state == "live" else target.reason
        late = f", {target.lag_s:.1f} s late" if target.lag_s >= 0.1 else ""
        lines.append(f"    {target.stream}  {target.state}  {figures}{late}")
        lines += [f"        {warning}" for warning in target.warnings]
    return lines


@group.command()
def add(
    match: Annotated[str, typer.Argument(help='Streams to relay, such as live/show or "live/*".')],
    url: Annotated[
        list[str] | None,
        typer.Argument(help="Destination; with --from one or several sources, in order."),
    ] = None,
    key: Annotated[
        str, typer.Option("--key", help="Stream key; - reads it from stdin.", metavar="KEY")
    ] = "",
    preset: Annotated[
        str, typer.Option("--preset", help="Platform: youtube, twitch, facebook, kick …")
    ] = "",
    is_in: Annotated[
        bool, typer.Option("--from", help="Fetch streams instead of sending them.")
    ] = False,
    always: Annotated[
        bool, typer.Option("--always", help="Also fetch while nobody watches.")
    ] = False,
    fingerprint: Annotated[
        str, typer.Option("--fingerprint", help="Trust only the certificate with this SHA-256.")
    ] = "",
    insecure: Annotated[bool, typer.Option("--insecure", help="Trust any certificate.")] = False,
    config: ConfigFlag = None,
    data: DataFlag = None,
    as_json: JsonFlag = False,
) -> None:
    """Send streams to another server, or fetch them from one; the relay survives restarts."""
    import asyncio

    from headend.relay.api import NewRelay

    urls = url or []
    if is_in:
        _check_in(match, urls, has_key=bool(key or preset), is_always=always)
    else:
        _check_out(urls, key=key, preset=preset, is_always=always)
    new = NewRelay(
        direction="in" if is_in else "out",
        match=match,
        url=urls if is_in else "".join(urls),
        key=sys.stdin.readline().strip() if key == "-" else key,
        preset=preset,
        on_demand=not always,
        fingerprint=fingerprint,
        insecure=insecure,
    )
    id = asyncio.run(_add(_client(config, data), new))
    note_pattern(match)
    if as_json:
        output.result_json({"id": id})
    else:
        output.result(id)


def _check_in(match: str, urls: Sequence[str], *, has_key: bool, is_always: bool) -> None:
    """Refuse what makes no sense for a relay that fetches, in the words of the command.

    Raises:
        SettingsError: Says what is missing or too much.
    """
    from headend.settings.relay import has_wildcard

    if not urls:
        words = "where to fetch it is missing, such as rtmps://origin.example/live/{name}"
        raise SettingsError(f"URL: {words}")
    if has_key:
        raise SettingsError("--key and --preset are for sending: leave them out with --from")
    if is_always and has_wildcard(match):
        raise SettingsError(
            "--always needs the name of one stream, such as live/cam1: "
            f"nobody knows which streams match {match} until somebody asks for them"
        )


def _check_out(urls: Sequence[str], *, key: str, preset: str, is_always: bool) -> None:
    """The same of a relay that sends."""
    from headend.settings.relay_presets import PRESETS

    known = PRESETS.get(preset)
    if is_always:
        raise SettingsError("--always is for relays that fetch: --from is missing")
    if len(urls) > 1:
        raise SettingsError("a relay sends to one URL: add a relay for each destination")
    if not urls and not preset:
        words = "where to send it is missing, such as rtmps://backup.example/live/{name}"
        raise SettingsError(f"URL: {words}; or a platform by --preset, with --key")
    if not urls and known is not None and not key:
        raise SettingsError(f"--key: the stream key of {known.title} is missing; - reads stdin")


async def _add(client: "ApiClient", new: "NewRelay") -> str:
    async with client:
        return await client.add_relay(new)


@group.command()
def remove(
    id: Annotated[str, typer.Argument(help="Id of the relay, from `headend relay list`.")],
    config: ConfigFlag = None,
    data: DataFlag = None,
) -> None:
    """End a relay that was added, and delete it."""
    import asyncio

    asyncio.run(_remove(_client(config, data), id))


async def _remove(client: "ApiClient", id: str) -> None:
    async with client:
        await client.remove_relay(id)


def _client(config: ConfigFlag, data: DataFlag) -> "ApiClient":
    from headend.cli.api_client import ApiClient

    return ApiClient(found(config, [], data).settings.data)
