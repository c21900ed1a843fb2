"""The command `token`: signs what a viewer shows for a private stream."""

import time
from datetime import UTC, datetime
from ipaddress import ip_network
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from headend.cli import output
from headend.cli.config import JsonFlag
from headend.cli.data_folder import settings_of_server, tell
from headend.cli.declare import declare_token
from headend.cli.serve import ConfigFlag, DataFlag, SetFlag
from headend.cli.stream_names import note_pattern
from headend.errors import HeadendError, SettingsError

if TYPE_CHECKING:
    from headend.access.tokens import Token, Tokens
    from headend.settings import Settings

PatternArgument = Annotated[
    str,
    typer.Argument(
        metavar="PATTERN", help="Streams that the token is for, such as vip/cam1 or vip/*."
    ),
]
TokenArgument = Annotated[
    str, typer.Argument(metavar="TOKEN", help="A signed token; - reads it from stdin.")
]
ForFlag = Annotated[
    str, typer.Option("--for", metavar="play|publish", help="Action that the token allows.")
]
ExpiresFlag = Annotated[
    str, typer.Option(metavar="WHEN", help="Expiry: 90s, 1h, 30d or 2030-12-31.")
]
IpFlag = Annotated[
    str | None, typer.Option("--ip", metavar="CIDR", help="Valid from this address only.")
]
MaxViewersFlag = Annotated[
    int | None, typer.Option(min=1, metavar="N", help="Number of viewers that may use it at once.")
]
SubjectFlag = Annotated[
    str, typer.Option(metavar="TEXT", help="Holder of the token, for history and events.")
]

group = typer.Typer(help="Sign and check tokens.", no_args_is_help=False)


def register(app: typer.Typer) -> None:
    """Add the command to the program."""
    app.add_typer(group, name="token")
    group.command("declare")(declare_token)


@group.command()
def sign(
    pattern: PatternArgument,
    action: ForFlag = "play",
    expires: ExpiresFlag = "1h",
    ip: IpFlag = None,
    max_viewers: MaxViewersFlag = None,
    subject: SubjectFlag = "",
    config: ConfigFlag = None,
    data: DataFlag = None,
    settings: SetFlag = None,
    as_json: JsonFlag = False,
) -> None:
    """Sign a token with the server's secret; viewers use it as ?token=…"""
    effective = settings_of_server(config, settings, data, makes=True)
    from headend.access.lifetimes import parse_expiry
    from headend.access.tokens import Token

    now = time.time()
    token = Token(
        "",
        pattern,
        _action(action),
        parse_expiry(expires, now),
        network=None if ip is None else _network(ip),
        viewers=max_viewers,
        subject=subject,
    )
    note_pattern(pattern)
    tokens = _tokens(effective)
    text = tokens.sign(token, now)
    if as_json:
        output.result_json({"token": text, **_document(tokens.verify(text))})
    else:
        output.result(text)
    tell(effective, as_json=as_json)


@group.command()
def verify(
    token: TokenArgument,
    config: ConfigFlag = None,
    data: DataFlag = None,
    settings: SetFlag = None,
    as_json: JsonFlag = False,
) -> None:
    """Say what a token allows; exit code 1 if it is not valid, or no longer valid."""
    effective = settings_of_server(config, settings, data)
    import asyncio

    text = typer.get_text_stream("stdin").read().strip() if token == "-" else token
    read = asyncio.run(_tokens_of_all(effective)).verify(text)
    if as_json:
        output.result_json(_document(read))
    else:
        rows = {name: value for name, value in _document(read).items() if value not in (None, "")}
        rows["expires_at"] = datetime.fromtimestamp(read.expires_at, UTC).isoformat()
        output.result("\n".join(f"{name:<11} {value}" for name, value in rows.items()))
    if time.time() >= read.expires_at:
        raise HeadendError("the token has expired")


def _tokens(settings: "Settings") -> "Tokens":
    from headend.access.tokens import Tokens
    from headend.store.server_secret import ServerSecret

    return Tokens(ServerSecret.load_or_create(settings.data).derive("tokens"))


async def _tokens_of_all(settings: "Settings") -> "Tokens":
    """Return what checks tokens of others too."""
    tokens = _tokens(settings)
    if settings.auth.jwks:
        from headend.access.jwks import read_keys
        from headend.net.places import Rules

        auth = settings.auth
        others = await read_keys(auth.jwks, Rules.of(auth.outgoing), auth.outgoing_ca)
        for line in others.left_out:
            output.note(f"auth.jwks: {line}")
        tokens.take_others(others.keys)
    return tokens


def _document(token: "Token") -> dict[str, object]:
    return {
        "id": token.id,
        "stream": token.stream,
        "action": token.action,
        "expires_at": token.expires_at,
        "ip": token.network,
        "max_viewers": token.viewers,
        "subject": token.subject,
    }


def _action(text: str) -> Literal["play", "publish"]:
    if text == "play":
        return "play"
    if text == "publish":
        return "publish"
    raise SettingsError(f"--for {text}: write play or publish")


def _network(text: str) -> str:
    try:
        return str(ip_network(text, strict=False))
    except ValueError:
        raise SettingsError(f"--ip {text}: write an address or a network") from None
