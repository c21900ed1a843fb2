"""The data folder that a command works on: which it is, and whether any server has used it.

    named by a flag, the environment or the file ─► that one
    a server runs with the default folder        ─► that one
    one server runs elsewhere                    ─► its folder, and its settings file
    several do                                   ─► the command asks which

A command that takes a folder of its own for that of the server makes keys that no server knows. So
it makes no new state, but in an empty folder that was named on purpose, and says where it works.
"""

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

from headend.cli import output
from headend.cli.serve import load
from headend.errors import HeadendError, SettingsError

if TYPE_CHECKING:
    from headend.app.running_file import Running
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
    loaded = found(config, overrides, data)
    settings = loaded.settings
    _check(loaded, makes=makes, needs_secret=needs_secret)
    from headend.store.data_folder import warnings

    for line in warnings(settings.data, settings.auth.database.get_secret_value()):
        output.note(f"warning: {line}")
    return settings


def found(config: Path | None, overrides: list[str] | None, data: str | None) -> "LoadedSettings":
    """Load the settings of the server that is meant, which may be one that was not named.

    Raises:
        SettingsError: As `load`, or several servers run.
    """
    loaded = load(config, overrides or [], {"data": data})
    if loaded.sources["data"] != "default" or _runs(loaded.settings.data):
        return loaded
    running = _running_elsewhere()
    if not running:
        return loaded
    if len(running) > 1:
        choices = " or ".join(f"--data {folder}" for folder in running)
        raise SettingsError(f"{len(running)} servers run: choose with {choices}")
    ((folder, server),) = running.items()
    output.note(f"using the server that runs (process {server.pid}), data folder {folder}")
    file = loaded.path or server.config
    loaded = load(file, overrides or [], {"data": str(folder)})
    if server.has_own_database and not loaded.settings.auth.database.get_secret_value():
        raise SettingsError(
            "the server that runs has its auth.database from its environment or its flags: "
            "give it to this command too"
        )
    return loaded


def _running_elsewhere() -> "dict[Path, Running]":
    """Return the servers that run as this user, or as the service, by their folders."""
    from headend.app.running_file import find, folders_in_use

    servers: dict[Path, Running] = {}
    for folder in dict.fromkeys((*folders_in_use(), SERVICE)):
        with suppress(HeadendError):
            if (server := find(folder)) is not None:
                servers[folder] = server
    return servers


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
