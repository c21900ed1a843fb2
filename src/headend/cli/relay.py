"""This module is the command `relay`: streams sent to and fetched from other servers, while live.

It asks the server that runs with the data folder; relays of the settings are changed there.
"""

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from headend.cli import output
from headend.cli.config import JsonFlag
from headend.cli.serve import ConfigFlag, DataFlag, load
from headend.errors import SettingsError

if TYPE_CHECKING:
    from headend.cli.api_client import ApiClient
    from headend.server.api.relays import NewRelay, Relay

group = typer.Typer(help="Streams sent to other servers, and fetched from them.")


def register(app: typer.Typer) -> None:
    """Add the commands to the program."""
    app.add_typer(group, name="relay")


@group.command("list")
def list_relays(
    config: ConfigFlag = None, data: DataFlag = None, as_json: JsonFlag = False
) -> None:
    """List relays, and how each of their streams is."""
    import asyncio

    found = asyncio.run(_list(_client(config, data)))
    if as_json:
        output.result_json({"relays": [each.model_dump() for each in found]})
        return
    for each in found:
        output.result("\n".join(_lines(each)))


async def _list(client: "ApiClient") -> "list[Relay]":
    async with client:
        return await client.relays()


def _lines(relay: "Relay") -> list[str]:
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
    match: Annotated[str, typer.Argument(help='Streams, such as live/show or "live/*".')],
    url: Annotated[
        list[str] | None,
        typer.Argument(help="Where to; with --from where from, several in order."),
    ] = None,
    key: Annotated[
        str, typer.Option("--key", help="Stream key; - reads it from stdin.", metavar="KEY")
    ] = "",
    preset: Annotated[
        str, typer.Option("--preset", help="Platform: youtube, twitch, facebook, kick …")
    ] = "",
    is_in: Annotated[bool, typer.Option("--from", help="Fetch, do not send.")] = False,
    always: Annotated[
        bool, typer.Option("--always", help="Fetch also while nobody watches.")
    ] = False,
    fingerprint: Annotated[
        str, typer.Option("--fingerprint", help="SHA-256 of the one certificate to trust.")
    ] = "",
    insecure: Annotated[bool, typer.Option("--insecure", help="Trust any certificate.")] = False,
    config: ConfigFlag = None,
    data: DataFlag = None,
    as_json: JsonFlag = False,
) -> None:
    """Send streams to another server, or fetch them from one; kept over a restart."""
    import asyncio

    from headend.server.api.relays import NewRelay

    urls = url or []
    if not is_in and len(urls) > 1:
        raise SettingsError("one URL is enough to send to; add a relay for each destination")
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
    if as_json:
        output.result_json({"id": id})
    else:
        output.result(id)


async def _add(client: "ApiClient", new: "NewRelay") -> str:
    async with client:
        return await client.add_relay(new)


@group.command()
def remove(
    id: Annotated[str, typer.Argument(help="As `headend relay list` shows it.")],
    config: ConfigFlag = None,
    data: DataFlag = None,
) -> None:
    """End a relay that was added, and forget it."""
    import asyncio

    asyncio.run(_remove(_client(config, data), id))


async def _remove(client: "ApiClient", id: str) -> None:
    async with client:
        await client.remove_relay(id)


def _client(config: ConfigFlag, data: DataFlag) -> "ApiClient":
    from headend.cli.api_client import ApiClient

    return ApiClient(load(config, [], {"data": data}).settings.data)
