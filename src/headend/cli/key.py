"""The command `key`: publish keys, with or without a running server.

It works on the server's database; a running server notices what changes there by itself.
"""

import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import TYPE_CHECKING, Annotated, Final, TypeVar

import typer

from headend.cli import output
from headend.cli.config import JsonFlag
from headend.cli.data_folder import settings_of_server, tell
from headend.cli.declare import declare_key
from headend.cli.serve import ConfigFlag, DataFlag, SetFlag
from headend.cli.stream_names import note_name
from headend.errors import HeadendError, ProtocolError, SettingsError

if TYPE_CHECKING:
    from headend.settings import Settings
    from headend.store.database import Database
    from headend.store.keys import KeyStore
    from headend.store.publish_key import NewKey, PublishKey

PAGE: Final = 1000  # keys read at once

T = TypeVar("T")

StreamArgument = Annotated[
    str, typer.Argument(metavar="APP/NAME", help="Stream that the key publishes.")
]
IdArgument = Annotated[str, typer.Argument(metavar="ID", help="Id of the key; starts with pk_.")]
LabelFlag = Annotated[str, typer.Option(metavar="TEXT", help="Owner or purpose of the key.")]
ExpiresFlag = Annotated[
    str | None,
    typer.Option(metavar="WHEN", help="Expiry: 12h, 30d or 2030-12-31; default: never."),
]
NetworkFlag = Annotated[
    list[str] | None,
    typer.Option(metavar="CIDR", help="Valid from this network only; repeatable."),
]
TlsOnlyFlag = Annotated[bool, typer.Option("--tls-only", help="Valid over RTMPS only.")]
PriorityFlag = Annotated[
    int,
    typer.Option(
        min=-1000,
        max=1000,
        metavar="N",
        help="The publisher with the highest priority is on air.",
    ),
]
OnlyFlag = Annotated[
    str | None, typer.Option("--stream", metavar="APP/NAME", help="Keys of this stream only.")
]

group = typer.Typer(help="Make, list and revoke publish keys.", no_args_is_help=False)


def register(app: typer.Typer) -> None:
    """Add the command to the program."""
    app.add_typer(group, name="key")
    group.command("declare")(declare_key)


@group.command()
def create(
    stream: StreamArgument,
    label: LabelFlag = "",
    expires: ExpiresFlag = None,
    network: NetworkFlag = None,
    tls_only: TlsOnlyFlag = False,
    priority: PriorityFlag = 0,
    config: ConfigFlag = None,
    data: DataFlag = None,
    settings: SetFlag = None,
    as_json: JsonFlag = False,
) -> None:
    """Make a publish key; it is shown this once."""
    effective = settings_of_server(config, settings, data, makes=True)
    from headend.access.lifetimes import parse_expiry
    from headend.names import stream_path
    from headend.store.publish_key import KeyOptions

    now = time.time()
    try:
        stream_path(stream)
    except ProtocolError as error:
        raise SettingsError(f"APP/NAME: {error}") from None
    note_name(stream)
    options = KeyOptions(
        label,
        None if expires is None else parse_expiry(expires, now),
        tuple(_network(text) for text in network or ()),
        tls_only,
        priority,
    )

    async def make(keys: "KeyStore") -> "NewKey":
        return await keys.create(stream, options, now)

    new = _run(effective, make, lambda new: ("key.create", new.key.id))
    _show_new(new, effective, as_json=as_json)
    tell(effective, as_json=as_json)


@group.command("list")
def list_keys(
    stream: OnlyFlag = None,
    config: ConfigFlag = None,
    data: DataFlag = None,
    settings: SetFlag = None,
    as_json: JsonFlag = False,
) -> None:
    """List publish keys, also revoked and expired ones; the keys themselves are not stored."""
    effective = settings_of_server(config, settings, data)

    async def read(keys: "KeyStore") -> list["PublishKey"]:
        found: list[PublishKey] = []
        while True:
            after = found[-1].id if found else ""
            page = await keys.page(stream=stream, limit=PAGE, after=after)
            found += page
            if len(page) < PAGE:
                return found

    from headend.access.declared_keys import DeclaredKeys

    auth = effective.auth
    found = _run(effective, read) + DeclaredKeys(auth.publish_keys, auth.users).all(stream)
    from headend.store.publish_key import document

    if as_json:
        output.result_json([document(key) for key in found])
    elif not found:
        output.note("no keys yet: headend key create APP/NAME makes one")
    else:
        output.result(_table(found))
    tell(effective, as_json=as_json)


@group.command()
def revoke(
    id: IdArgument,
    config: ConfigFlag = None,
    data: DataFlag = None,
    settings: SetFlag = None,
    as_json: JsonFlag = False,
) -> None:
    """Revoke a publish key for ever; a running server ends its streams within a second."""
    effective = settings_of_server(config, settings, data)

    async def end(keys: "KeyStore") -> "PublishKey | None":
        return await keys.revoke(id, time.time())

    key = _run(effective, end, lambda key: None if key is None else ("key.revoke", key.id))
    if key is None:
        raise HeadendError(f"there is no key {id} in {effective.data}")
    from headend.store.publish_key import document

    if as_json:
        output.result_json(document(key))
    else:
        output.result(f"{key.id} of {key.stream} is revoked")
    tell(effective, as_json=as_json)


@group.command()
def rotate(
    id: IdArgument,
    config: ConfigFlag = None,
    data: DataFlag = None,
    settings: SetFlag = None,
    as_json: JsonFlag = False,
) -> None:
    """Make a new key with the same rights as another, and revoke the other one."""
    effective = settings_of_server(config, settings, data)

    async def replace(keys: "KeyStore") -> "NewKey | None":
        return await keys.rotate(id, time.time())

    new = _run(effective, replace, lambda new: None if new is None else ("key.rotate", id))
    if new is None:
        raise HeadendError(f"there is no valid key {id} in {effective.data}")
    _show_new(new, effective, as_json=as_json)
    tell(effective, as_json=as_json)


def _run(
    settings: "Settings",
    question: "Callable[[KeyStore], Awaitable[T]]",
    done: "Callable[[T], tuple[str, str] | None]" = lambda result: None,
) -> T:
    """Ask the database, and note in its audit trail what was done, if anything was.

    Raises:
        DatabaseError: It can't be used.
        SettingsError: The data folder can't be used.
    """

    from headend.cli.database import ask, note
    from headend.store.keys import KeyStore, foreign_warning
    from headend.store.server_secret import ServerSecret

    secret = ServerSecret.load_or_create(settings.data)

    async def answer(database: "Database") -> T:
        keys = KeyStore(database, secret)
        result = await question(keys)
        if foreign := await keys.foreign(time.time()):
            output.note(f"warning: {foreign_warning(foreign)}")
        if (fact := done(result)) is not None:
            await note(database, *fact)
        return result

    return ask(settings, answer)


def _network(text: str) -> IPv4Network | IPv6Network:
    try:
        return ip_network(text, strict=False)
    except ValueError:
        raise SettingsError(f"--network {text}: write an address or a network") from None


def _show_new(new: "NewKey", settings: "Settings", *, as_json: bool) -> None:
    from headend.store.publish_key import document

    servers = _servers(new.key, settings)
    if as_json:
        shown = {"id": new.key.id, "key": new.secret, "servers": servers, **document(new.key)}
        output.result_json(shown)
        return
    rows = [
        ("key", new.secret),
        ("id", new.key.id),
        ("stream", new.key.stream),
        ("expires", _time(new.key.expires_at) or "never"),
        ("", ""),
        *(("Server", server) for server in servers[:1]),
        ("Stream Key", new.secret),
        *(
            ("or Server", f"{server}  (encoders must trust its certificate)")
            for server in servers[1:]
        ),
    ]
    output.result("\n".join(f"{name:<11} {value}".rstrip() for name, value in rows))
    output.note("the key is shown this once: keep it; Server and Stream Key are what OBS asks for")


def _servers(key: "PublishKey", settings: "Settings") -> list[str]:
    """Return where encoders publish with a key, the one that works at once first."""
    from headend.access.policy import Policy
    from headend.cli.reached import addresses, public_host
    from headend.live.publish_urls import publish_servers
    from headend.settings import RuleBook

    policy = Policy(RuleBook(settings))
    needs_tls = key.tls_only or policy.wants_tls("publish", key.stream)
    host = public_host(settings)
    return publish_servers(addresses(settings), host, key.stream, needs_tls=needs_tls)


def _table(keys: "list[PublishKey]") -> str:
    now = time.time()
    rows = [("ID", "STREAM", "STATE", "USED", "LABEL")]
    for key in keys:
        state = "valid" if key.is_valid(now) else "revoked" if key.revoked_at else "expired"
        if state == "valid" and key.expires_at is not None:
            state = f"until {_time(key.expires_at)}"
        used = _time(key.used_at) or ("never" if key.source == "database" else "-")
        rows.append((key.id, key.stream, state, used, key.label))
    widths = [max(len(row[column]) for row in rows) for column in range(5)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    )


def _time(seconds: float | None) -> str:
    if seconds is None:
        return ""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%MZ")
