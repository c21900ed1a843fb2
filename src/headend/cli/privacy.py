"""The command `privacy`: give out, or overwrite, what is kept about one person."""

import time
from ipaddress import ip_address
from typing import TYPE_CHECKING, Annotated, Final

import typer

from headend.cli import output
from headend.cli.config import JsonFlag
from headend.cli.data_folder import settings_of_server, tell
from headend.cli.serve import ConfigFlag, DataFlag, SetFlag
from headend.errors import HeadendError, SettingsError

if TYPE_CHECKING:
    from headend.record.erasure import DeletedRecordings
    from headend.settings import Settings
    from headend.store.database import Database
    from headend.store.erasure import Erased, Person

DAY_S: Final = 86_400
MOST_DAYS: Final = 10_000  # whose pseudonyms are looked for: a database takes only so many at once

AddressFlag = Annotated[
    str | None,
    typer.Option(metavar="IP", help="IP address; also finds data under its pseudonyms."),
]
SubjectFlag = Annotated[
    str | None, typer.Option(metavar="TEXT", help="Subject that playback tokens were made for.")
]
KeyFlag = Annotated[str | None, typer.Option(metavar="ID", help="Id of a publish key: pk_…")]

group = typer.Typer(help="Export or erase the data about one person.", no_args_is_help=False)


def register(app: typer.Typer) -> None:
    """Add the command to the program."""
    app.add_typer(group, name="privacy")


@group.command()
def export(
    address: AddressFlag = None,
    subject: SubjectFlag = None,
    key: KeyFlag = None,
    config: ConfigFlag = None,
    data: DataFlag = None,
    settings: SetFlag = None,
) -> None:
    """Print all data about one viewer or publisher as one JSON document."""
    effective = settings_of_server(config, settings, data, needs_secret=bool(address))
    from headend.cli.database import ask, note
    from headend.store.erasure import export as find

    person = _person(effective, address, subject, key)

    async def read(database: "Database") -> dict[str, list[dict[str, object]]]:
        found = await find(database, person)
        counts = ", ".join(f"{len(rows)} {name}" for name, rows in found.items())
        await note(database, "privacy.export", _kinds(address, subject, key), counts)
        return found

    output.result_json(ask(effective, read))


@group.command()
def erase(
    address: AddressFlag = None,
    subject: SubjectFlag = None,
    key: KeyFlag = None,
    config: ConfigFlag = None,
    data: DataFlag = None,
    settings: SetFlag = None,
    keep_recordings: Annotated[
        bool, typer.Option("--keep-recordings", help="Keep the recordings of a publisher.")
    ] = False,
    as_json: JsonFlag = False,
) -> None:
    """Overwrite what identifies one viewer or publisher, and delete recordings of a publisher."""
    effective = settings_of_server(config, settings, data, needs_secret=bool(address))
    from dataclasses import asdict

    from headend.cli.database import ask, note
    from headend.record.erasure import DeletedRecordings
    from headend.store.erasure import erase as overwrite

    person = _person(effective, address, subject, key)

    async def write(database: "Database") -> "tuple[Erased, DeletedRecordings]":
        recordings = DeletedRecordings(0, 0, 0)
        if not keep_recordings:
            recordings = await _delete_recordings(database, effective, person)
        erased = await overwrite(database, person)
        told = f"{erased}, {recordings.deleted} recordings"
        await note(database, "privacy.erase", _kinds(address, subject, key), told)
        return erased, recordings

    erased, recordings = ask(effective, write)
    if as_json:
        output.result_json({**asdict(erased), "recordings": recordings.deleted})
    else:
        output.result(f"overwritten: {erased}; deleted: {recordings.deleted} recordings")
    if recordings.running:
        output.note(f"{recordings.running} recordings go on: end them, and erase again")
    if recordings.objects:
        output.note(
            f"{recordings.objects} files are in the object store still: the server deletes them "
            "once it runs and the store answers"
        )
    if recordings.elsewhere:
        output.note(f"{recordings.elsewhere} recordings are at other servers: erase there too")
    tell(effective, as_json=as_json)


async def _delete_recordings(
    database: "Database", settings: "Settings", person: "Person"
) -> "DeletedRecordings":
    """Delete what a person has published.

    Raises:
        HeadendError: A file cannot be deleted.
    """
    from headend.app.parts import node
    from headend.objects.stores import Stores
    from headend.record.erasure import delete_recordings
    from headend.record.recordings import folder_of

    stores = Stores(lambda: settings)
    try:
        return await delete_recordings(
            database, person, folder_of(settings), node(settings), stores
        )
    except OSError as error:
        raise HeadendError(
            f"a recording cannot be deleted: {error.filename}: {error.strerror}"
        ) from error


def _person(
    settings: "Settings", address: str | None, subject: str | None, key: str | None
) -> "Person":
    """Put together whom a command is about.

    Raises:
        SettingsError: Nobody, or an address that is none.
    """
    from headend.store.erasure import Person

    if not (address or subject or key):
        raise SettingsError("say whom: --address IP, --subject TEXT or --key ID")
    return Person(() if not address else _forms(settings, address), subject or None, key or None)


def _forms(settings: "Settings", text: str) -> list[str]:
    """Return an address in every form in which it may have been kept."""
    from headend.net.pseudonyms import PSEUDONYMS, Pseudonyms
    from headend.store.server_secret import ServerSecret

    try:
        address = ip_address(text.strip())
    except ValueError:
        raise SettingsError(f"--address {text}: that is no IP address") from None
    privacy, now = settings.privacy, time.time()
    days = min(max(privacy.history_days, settings.audit.retention_days) + 1, MOST_DAYS)
    key = ServerSecret.load_or_create(settings.data).derive(PSEUDONYMS)
    pseudonyms = Pseudonyms(key, "pseudonymous", privacy.pseudonym_days)
    return pseudonyms.all(address, now - days * DAY_S, now)


def _kinds(address: str | None, subject: str | None, key: str | None) -> str:
    """Say by what somebody was looked for, without saying whom: that is to be forgotten."""
    named = (("address", address), ("subject", subject), ("key", key))
    return ", ".join(name for name, value in named if value)
