"""The data folder that a command works on: which it is, and whether any server has used it.

A command that takes a folder of its own for that of the server makes keys that no server knows. So
it makes no new state, but in an empty folder that was named on purpose, and says where it works.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Final

from headend.cli import output
from headend.cli.serve import load
from headend.errors import HeadendError, SettingsError

if TYPE_CHECKING:
    from headend.settings import LoadedSettings, Settings

SERVICE: Final = Path("/var/lib/headend")  # where a service of systemd has its own


def settings_of_server(
    config: Path | None,
    overrides: list[str] | None,
    data: str | None,
    *,
    makes: bool = False,
    needs_secret: bool = True,
) -> "Settings":
    """Load the settings of a command that works on the state of a server.

    Args:
        config: Of `-c`.
        overrides: Of `--set`.
        data: Of `--data`.
        makes: What it does makes sense before the first start too.
        needs_secret: It does not do without `server.secret`.

    Raises:
        SettingsError: As `load`, or no server has used the data folder.
    """
    loaded = load(config, overrides or [], {"data": data})
    settings = loaded.settings
    _check(loaded, makes=makes, needs_secret=needs_secret)
    from headend.store.data_folder import warnings

    for line in warnings(settings.data, settings.auth.database.get_secret_value()):
        output.note(f"warning: {line}")
    return settings


def tell(settings: "Settings", *, as_json: bool) -> None:
    """Say which data folder was used; not to a program, which may read stderr too."""
    if as_json:
        return
    place = f"data folder {settings.data.absolute()}"
    if settings.auth.database.get_secret_value():
        place += ", database of auth.database"
    output.note(place)


def _check(loaded: "LoadedSettings", *, makes: bool, needs_secret: bool) -> None:
    from headend.store import server_secret
    from headend.store.data_folder import database_file

    settings = loaded.settings
    data = settings.data
    is_named = loaded.sources["data"] != "default"
    database = database_file(data, settings.auth.database.get_secret_value())
    has_secret = (data / server_secret.FILE_NAME).exists()
    has_database = database is None or database.exists()
    if not is_named and data != SERVICE and _runs(SERVICE) and not _runs(data):
        raise SettingsError(
            f"no server runs with the data folder {data}, but one runs with {SERVICE}: "
            f"choose with --data {data} or --data {SERVICE}"
        )
    if has_secret or (has_database and not needs_secret):
        return
    if database is not None and has_database:
        raise SettingsError(
            f"{data} lacks the {server_secret.FILE_NAME} that {database.name} was made with: "
            "restore that file from the backup"
        )
    if makes and is_named and data.is_dir() and not any(data.iterdir()):
        return
    kind = "has been used by no server yet" if data.is_dir() else "does not exist"
    hint = f", such as {SERVICE}" if SERVICE.exists() and data != SERVICE else ""
    raise SettingsError(f"data folder {data} {kind}: name that of the server with --data{hint}")


def _runs(data: Path) -> bool:
    from headend.app.running_file import find

    try:
        return find(data) is not None
    except HeadendError:  # it may not be read
        return False
