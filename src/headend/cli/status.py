"""The command `status`: what a running server does, refreshed."""

import sys
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from headend.cli import output
from headend.cli.data_folder import found
from headend.cli.serve import ConfigFlag, DataFlag
from headend.errors import HeadendError

if TYPE_CHECKING:
    from headend.cli.api_client import ApiClient

JsonFlag = Annotated[bool, typer.Option("--json", help="Print one JSON document, once.")]


def register(app: typer.Typer) -> None:
    """Add the command to the program."""
    app.command()(status)


def status(config: ConfigFlag = None, data: DataFlag = None, as_json: JsonFlag = False) -> None:
    """Show streams, sessions and rates of the server that uses the data folder."""
    import asyncio

    from headend.cli.api_client import ApiClient

    client = ApiClient(found(config, [], data).settings.data)
    asyncio.run(_print(client) if as_json else _show(client))


async def _print(client: "ApiClient") -> None:
    async with client:
        server, streams, sessions = (
            await client.server(),
            await client.streams(),
            await client.sessions(),
        )
    output.result_json(
        {
            "server": server.model_dump(),
            "streams": [asdict(stream) for stream in streams],
            "sessions": [asdict(session) for session in sessions],
        }
    )


async def _show(client: "ApiClient") -> None:
    """Show updates until the server stops; where nobody watches, one of them."""
    from rich.console import Console
    from rich.live import Live

    from headend.cli.status_tables import tables

    console = Console()
    async with client:
        if not console.is_terminal:
            async for update in client.updates():
                console.print(tables(update, console.width, sys.maxsize))
                return
        with Live(console=console, screen=True, auto_refresh=False) as live:
            async for update in client.updates():
                live.update(tables(update, console.width, console.height), refresh=True)
    raise HeadendError("the server has stopped")
