"""The command `audit`: who did what, and who was refused."""

import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from headend.access.lifetimes import parse_since
from headend.cli import output
from headend.cli.config import JsonFlag
from headend.cli.data_folder import settings_of_server, tell
from headend.cli.serve import ConfigFlag, DataFlag, SetFlag
from headend.errors import SettingsError
from headend.logs import escape

if TYPE_CHECKING:
    from headend.store.database import Database
    from headend.store.records import AuditEntry, AuditFilter


ActorFlag = Annotated[
    str | None, typer.Option(metavar="WHO", help="Show only what this actor did.")
]
ActionFlag = Annotated[
    str | None,
    typer.Option(metavar="WHAT", help="Show only this action, such as publish, key or key.create."),
]
TargetFlag = Annotated[
    str | None, typer.Option(metavar="ID", help="Show only what was done to this target.")
]
AddressFlag = Annotated[
    str | None, typer.Option(metavar="TEXT", help="Show only this address, written as in the list.")
]
OutcomeFlag = Annotated[
    str | None,
    typer.Option(metavar="OUTCOME", help="Show only this outcome: done, refused or failed."),
]
SinceFlag = Annotated[
    str | None,
    typer.Option(metavar="WHEN", help="Show entries since then: 12h, 30d or 2026-01-31."),
]
LimitFlag = Annotated[
    int, typer.Option(min=1, max=100_000, metavar="N", help="Show the newest N entries.")
]

group = typer.Typer(
    help="Show what administrators did, and which requests were refused.", no_args_is_help=False
)


def register(app: typer.Typer) -> None:
    """Add the command to the program."""
    app.add_typer(group, name="audit")


@group.callback()
def _group() -> None:
    """Show what administrators did, and which requests were refused."""


@group.command("list")
def list_entries(
    actor: ActorFlag = None,
    action: ActionFlag = None,
    target: TargetFlag = None,
    address: AddressFlag = None,
    outcome: OutcomeFlag = None,
    since: SinceFlag = None,
    limit: LimitFlag = 100,
    config: ConfigFlag = None,
    data: DataFlag = None,
    settings: SetFlag = None,
    as_json: JsonFlag = False,
) -> None:
    """List the audit trail, newest first."""
    effective = settings_of_server(config, settings, data, needs_secret=False)
    from headend.cli.database import ask
    from headend.store.records import AuditFilter

    if outcome not in (None, "done", "refused", "failed"):
        raise SettingsError(f"--outcome {outcome}: write done, refused or failed")
    start = None if since is None else parse_since(since, time.time())
    wanted = AuditFilter(actor, action, target, address, outcome, start)

    async def read(database: "Database") -> "list[AuditEntry]":
        return await _read(database, wanted, limit)

    found = ask(effective, read)
    if as_json:
        from dataclasses import asdict

        output.result_json([asdict(entry) for entry in found])
    elif not found:
        output.note("nothing is noted that this asks for")
    else:
        output.result("\n".join(map(_line, found)))
    tell(effective, as_json=as_json)


async def _read(database: "Database", wanted: "AuditFilter", limit: int) -> "list[AuditEntry]":
    from headend.store.audit import AuditTrail

    return await AuditTrail(database).page(wanted, limit=limit)


def _line(entry: "AuditEntry") -> str:
    at = datetime.fromtimestamp(entry.at, UTC).strftime("%Y-%m-%d %H:%M:%SZ")
    words = [at, entry.outcome, entry.action, entry.target, f"by {entry.actor or 'unknown'}"]
    if entry.address is not None:
        words.append(f"from {entry.address}")
    if entry.count > 1:
        words.append(f"({entry.count} times)")
    line = " ".join(filter(None, words))
    return escape(f"{line}: {entry.detail}" if entry.detail else line)
