"""The commands `key declare` and `token declare`: new secrets for the settings file.

They use no database and no data folder: what they print goes into the file, and the secret to
whoever will show it.
"""

import secrets
import string
from typing import Annotated, Final, Literal

import typer

from headend.cli import output
from headend.cli.config import JsonFlag
from headend.errors import ProtocolError, SettingsError

SECRET_CHARACTERS: Final = 32  # of 62: 190 bits
_ALPHABET: Final = string.ascii_letters + string.digits

StreamArgument = Annotated[
    str, typer.Argument(metavar="APP/NAME", help="Stream that the key or user publishes.")
]
UserFlag = Annotated[
    str | None,
    typer.Option("--user", metavar="NAME", help="Make a user with a password, not a key."),
]
NameArgument = Annotated[
    str, typer.Argument(metavar="NAME", help="Name of the token, for the audit trail.")
]
AccessFlag = Annotated[
    Literal["read", "all"], typer.Option(help="See everything (read), or change it too (all).")
]


def declare_key(stream: StreamArgument, user: UserFlag = None, as_json: JsonFlag = False) -> None:
    """Make a key or a user for the settings file; the file holds its hash only."""
    from headend.names import KEY_PREFIX, stream_path
    from headend.settings.declared import SALT_BYTES, sha256

    try:
        stream_path(stream)
    except ProtocolError as error:
        raise SettingsError(f"APP/NAME: {error}") from None
    secret = _random()
    if user is None:
        key = KEY_PREFIX + secret
        _show(
            "key",
            key,
            "auth.publish_keys",
            {"stream": stream, "hash": sha256(key)},
            as_json=as_json,
        )
        return
    from headend.rtmp.authmod import verifier

    kept = verifier(user, secret, secrets.token_hex(SALT_BYTES))
    check = f"authmod:{kept.salt}:{kept.adobe}:{kept.llnw}"
    table = {"name": user, "stream": stream, "hash": check}
    _show("password", secret, "auth.users", table, as_json=as_json)


def declare_token(
    name: NameArgument, access: AccessFlag = "read", as_json: JsonFlag = False
) -> None:
    """Make a token of the API for the settings file; the file holds its hash only."""
    from headend.settings.declared import sha256

    secret = _random()
    table = {"name": name, "access": access, "hash": sha256(secret)}
    _show("token", secret, "auth.api_tokens", table, as_json=as_json)


def _random() -> str:
    return "".join(secrets.choice(_ALPHABET) for _ in range(SECRET_CHARACTERS))


def _show(kind: str, secret: str, key: str, table: dict[str, str], *, as_json: bool) -> None:
    """Show a secret, and the table of the settings that declares it.

    Raises:
        SettingsError: No settings can hold it, such as a name with blanks.
    """
    from headend.settings import settings_of

    settings_of({key: [table]}, "command line")
    if as_json:
        output.result_json({kind: secret, "settings": {key: [table]}})
        return
    lines = [f"{name} = {_quoted(value)}" for name, value in table.items()]
    output.result("\n".join([f"{kind:<9} {secret}", "", f"[[{key}]]", *lines]))
    output.note(f"the {kind} is shown this once: keep it; the rest goes into the settings file")


def _quoted(text: str) -> str:
    import json

    return json.dumps(text, ensure_ascii=False)
