"""The command `recordings`: what a running server has recorded, listed, exported, cut and deleted.

It asks the server that runs with the data folder.
"""

from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from headend.cli import output
from headend.cli.config import JsonFlag
from headend.cli.data_folder import found
from headend.cli.serve import ConfigFlag, DataFlag
from headend.errors import HeadendError, SettingsError

if TYPE_CHECKING:
    from headend.cli.api_client import ApiClient
    from headend.record.api import ListedRecording

MB: Final = 1_000_000

IdArgument = Annotated[
    str, typer.Argument(help="Id of the recording, from `headend recordings list`.", metavar="ID")
]

group = typer.Typer(help="List, export and delete what a running server has recorded.")


def register(app: typer.Typer) -> None:
    """Add the commands to the program."""
    app.add_typer(group, name="recordings")


@group.command("list")
def list_recordings(
    pattern: Annotated[
        str | None, typer.Argument(help='Streams, such as live/show or "live/*".')
    ] = None,
    since: Annotated[
        str | None,
        typer.Option("--from", help="Only those that ran after this: 2026-01-31T12:00:00Z."),
    ] = None,
    until: Annotated[
        str | None, typer.Option("--to", help="Only those that had begun before this.")
    ] = None,
    config: ConfigFlag = None,
    data: DataFlag = None,
    as_json: JsonFlag = False,
) -> None:
    """List recordings, the newest first."""
    import asyncio

    query = {"stream": pattern, "from": since, "to": until}
    wanted = {name: value for name, value in query.items() if value is not None}

    async def ask() -> "list[ListedRecording]":
        async with _client(config, data) as client:
            return await client.recordings(wanted)

    found = asyncio.run(ask())
    if as_json:
        output.result_json({"recordings": [asdict(each) for each in found]})
        return
    for each in found:
        output.result(_line(each))


@group.command()
def show(
    id: IdArgument, config: ConfigFlag = None, data: DataFlag = None, as_json: JsonFlag = False
) -> None:
    """Show one recording."""
    import asyncio

    async def ask() -> "ListedRecording":
        async with _client(config, data) as client:
            return await client.recording(id)

    found = asyncio.run(ask())
    if as_json:
        output.result_json(asdict(found))
    else:
        output.result("\n".join([_line(found), f"    {found.url}"]))


@group.command()
def export(
    id: IdArgument,
    file: Annotated[Path, typer.Argument(help="MP4 file to write.", metavar="FILE")],
    config: ConfigFlag = None,
    data: DataFlag = None,
) -> None:
    """Write a recording that is over to one MP4 file."""
    import asyncio

    if file.exists():
        raise SettingsError(f"{file}: it is there already; choose another name, or delete it")
    part = file.with_name(f".{file.name}.part")

    async def fetch() -> None:
        try:
            with part.open("wb") as into:
                async with _client(config, data) as client:
                    await client.export(id, into)
        except OSError as error:
            raise HeadendError(f"{file}: {error.strerror or error}") from error

    try:
        asyncio.run(fetch())
        part.rename(file)
    finally:
        part.unlink(missing_ok=True)


@group.command()
def clip(
    id: IdArgument,
    since: Annotated[
        float, typer.Option("--from", min=0, help="Where it begins, seconds from the start.")
    ],
    until: Annotated[
        float, typer.Option("--to", min=0, help="Where it ends, seconds from the start.")
    ],
    is_exact: Annotated[
        bool, typer.Option("--exact", help="To the picture; its two edges are encoded anew.")
    ] = False,
    config: ConfigFlag = None,
    data: DataFlag = None,
    as_json: JsonFlag = False,
) -> None:
    """Cut a clip from a recording; it is a recording of its own, cut at segments or exactly."""
    import asyncio

    async def cut() -> "ListedRecording":
        async with _client(config, data) as client:
            return await client.clip(id, since, until, is_exact=is_exact)

    made = asyncio.run(cut())
    if as_json:
        output.result_json(asdict(made))
    else:
        output.result(_line(made))


@group.command()
def delete(id: IdArgument, config: ConfigFlag = None, data: DataFlag = None) -> None:
    """Delete a recording that is over, with its files."""
    import asyncio

    async def remove() -> None:
        async with _client(config, data) as client:
            await client.delete_recording(id)

    asyncio.run(remove())


def _line(recording: "ListedRecording") -> str:
    began = datetime.fromtimestamp(recording.started, UTC)
    figures = f"{_clock(recording.duration_s)}  {recording.bytes / MB:.1f} MB"
    return (
        f"{recording.id}  {recording.stream}  {began:%Y-%m-%dT%H:%M:%SZ}  {figures}  "
        f"{recording.state}"
    )


def _clock(seconds: float) -> str:
    whole = int(seconds)
    return f"{whole // 3600}:{whole // 60 % 60:02}:{whole % 60:02}"


def _client(config: ConfigFlag, data: DataFlag) -> "ApiClient":
    from headend.cli.api_client import ApiClient

    return ApiClient(found(config, [], data).settings.data)
