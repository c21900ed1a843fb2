"""The command `drain`: has a running server take nobody new, and stop once all have left."""

from typing import TYPE_CHECKING, Annotated, Final

import typer

from headend.cli import output
from headend.cli.data_folder import found
from headend.cli.serve import ConfigFlag, DataFlag
from headend.errors import HeadendError

if TYPE_CHECKING:
    from pathlib import Path

    from headend.cli.api_client import ApiClient
    from headend.drain.drain import DrainState

LOOK_S: Final = 0.5  # from one look at the peers that are left to the next
STOP_S: Final = 60.0  # that a server without answers may take to stop

UndoFlag = Annotated[bool, typer.Option("--undo", help="Call off a drain that has begun.")]
NoWaitFlag = Annotated[bool, typer.Option("--no-wait", help="Begin, and do not wait for the end.")]


def register(app: typer.Typer) -> None:
    """Add the command to the program."""
    app.command()(drain)


def drain(
    undo: UndoFlag = False,
    no_wait: NoWaitFlag = False,
    config: ConfigFlag = None,
    data: DataFlag = None,
) -> None:
    """Have the server take nobody new, wait until all have left, and stop."""
    import asyncio

    from headend.cli.api_client import ApiClient

    folder = found(config, [], data).settings.data
    client = ApiClient(folder)
    if undo:
        asyncio.run(_undo(client))
    else:
        asyncio.run(_drain(client, folder, waits=not no_wait))


async def _undo(client: "ApiClient") -> None:
    async with client:
        await client.undo_drain()
    output.result("the server takes publishers and players again")


async def _drain(client: "ApiClient", data: "Path", *, waits: bool) -> None:
    """Begin, and tell how many peers are left until the server has stopped."""
    import asyncio

    from headend.app.running_file import find

    async with client:
        state = await client.drain()
        output.result(_line(state))
        failures = 0
        while waits:
            await asyncio.sleep(LOOK_S)
            if find(data) is None:
                output.result("the server has stopped")
                return
            try:
                now = await client.drain_state()
            except HeadendError:  # it is about to stop: one of several workers may have done so
                failures += 1
                if failures * LOOK_S > STOP_S:
                    raise
                continue
            failures = 0
            if now.state == "serving":
                raise HeadendError("somebody has called the drain off")
            if (now.publishers, now.players) != (state.publishers, state.players):
                output.result(_line(now))
            state = now


def _line(state: "DrainState") -> str:
    people = f"{state.publishers} publishers and {state.players} players"
    return f"draining: {people} are left, for {state.left_s or 0:.0f} s at most"
