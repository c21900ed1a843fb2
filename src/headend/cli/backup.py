"""The commands `backup` and `restore`: the state of a server in one file, and back."""

import os
from contextlib import suppress
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from headend import __version__
from headend.cli import output
from headend.cli.config import JsonFlag
from headend.cli.data_folder import settings_of_server, tell
from headend.cli.serve import ConfigFlag, DataFlag, SetFlag, load
from headend.errors import HeadendError

if TYPE_CHECKING:
    from headend.settings import Settings
    from headend.store.backup import Manifest
    from headend.store.restore import Restore

NICE: Final = 15  # of 19

FileArgument = Annotated[Path, typer.Argument(metavar="FILE", help="The backup, a ZIP file.")]
ForceFlag = Annotated[
    bool, typer.Option("--force", help="Replace what is in the data folder already.")
]


def register(app: typer.Typer) -> None:
    """Add the commands to the program."""
    app.command()(backup)
    app.command()(restore)


def backup(
    file: FileArgument,
    config: ConfigFlag = None,
    data: DataFlag = None,
    settings: SetFlag = None,
    as_json: JsonFlag = False,
) -> None:
    """Write keys, history, secret, token and certificates to one file, while the server runs."""
    effective = settings_of_server(config, settings, data)
    _give_way()
    from headend.store.backup import make_backup

    url = effective.auth.database.get_secret_value()
    manifest = make_backup(effective.data, url, file, __version__, _outside(effective, config))
    _show(file, manifest, "in the backup", as_json=as_json)
    if not as_json:
        _tell_outside(manifest)
    tell(effective, as_json=as_json)


def _give_way() -> None:
    """Have the server, and all else, come first on the cores: packing takes one for seconds."""
    with suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, 0, max(NICE, os.getpriority(os.PRIO_PROCESS, 0)))


def restore(
    file: FileArgument,
    force: ForceFlag = False,
    config: ConfigFlag = None,
    data: DataFlag = None,
    settings: SetFlag = None,
    as_json: JsonFlag = False,
) -> None:
    """Check a backup and put it into the data folder of a server that does not run."""
    effective = load(config, settings or [], {"data": data}).settings
    from headend.app.running_file import find
    from headend.store.restore import Restore

    if (running := find(effective.data)) is not None:
        raise HeadendError(
            f"a server (process {running.pid}) runs with the data folder {effective.data}: stop it"
        )
    with Restore(file, effective.data, effective.auth.database.get_secret_value()) as archive:
        _check_place(archive, force=force)
        archive.run()
        manifest = archive.manifest
    _show(file, manifest, "restored", as_json=as_json)
    if not as_json:
        _tell_outside(manifest)
    tell(effective, as_json=as_json)


def _check_place(archive: "Restore", *, force: bool) -> None:
    there = archive.replaced()
    if there and not force:
        more = f" and {len(there) - 1} more" if len(there) > 1 else ""
        raise HeadendError(f"{there[0]}{more} is there already; --force replaces it")


def _outside(settings: "Settings", config: Path | None) -> tuple[str, ...]:
    """Name what a restored server needs and no backup holds."""
    from headend.cli.serve import DEFAULT_FILE
    from headend.record.recordings import folder_of

    file = config or (DEFAULT_FILE if DEFAULT_FILE.is_file() else None)
    paths = [] if file is None else [file]
    for pair in settings.tls.certificates:
        paths += [pair.cert, pair.key]
    if settings.tls.client_ca is not None:
        paths.append(settings.tls.client_ca)
    if (recordings := folder_of(settings)).is_dir():
        paths.append(recordings)
    return tuple(dict.fromkeys(str(path.absolute()) for path in paths))


def _show(file: Path, manifest: "Manifest", what: str, *, as_json: bool) -> None:
    made_at = datetime.fromtimestamp(manifest.made_at, UTC).strftime("%Y-%m-%d %H:%M:%SZ")
    if as_json:
        output.result_json({"file": str(file.absolute()), **asdict(manifest)})
        return
    lines = [f"{each.bytes:>12,}  {each.name}" for each in manifest.files]
    total = sum(each.bytes for each in manifest.files)
    head = f"{len(lines)} files, {total:,} bytes {what}; made {made_at}"
    output.result("\n".join([*lines, f"{head} by Headend {manifest.version}"]))


def _tell_outside(manifest: "Manifest") -> None:
    for path in manifest.outside:
        output.note(f"not in the backup, copy it yourself: {path}")
    if manifest.database == "postgresql":
        output.note(
            "not in the backup: the database; pg_dump --format=custom --file=headend.dump makes "
            "one of it, pg_restore --clean --dbname=… restores that"
        )
