"""Publish keys, users and tokens of the API that the settings declare, beside the database's.

    [[auth.publish_keys]]   stream, key or hash              what an encoder shows as ?key=
    [[auth.users]]          name, stream, password or hash   user and password of an encoder
    [[auth.api_tokens]]     name, access, token or hash      bearer of the API, as the admin token

A secret may be in a file (`key_file` …). A hash says nothing of it: keys and tokens are too long to
be guessed. The hash of a password is what Adobe's and Limelight's challenges check, by MD5: who
has it can sign in with it, and guess the password.
"""

import hashlib
import re
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, time
from operator import not_
from typing import Annotated, Final, Literal, Self

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    PlainSerializer,
    SecretStr,
    StrictBool,
    WithJsonSchema,
    model_validator,
)

from headend.errors import ProtocolError
from headend.names import KEY_PREFIX, stream_path
from headend.settings.tables import Table, entries
from headend.settings.texts import text_like
from headend.settings.values import HIDDEN, Count, Networks

KEYS_FORM: Final = (
    'must be a list such as [{ stream = "live/a", key_file = "/run/secrets/a" }]; '
    "`headend key declare APP/NAME` prints one"
)
USERS_FORM: Final = (
    'must be a list such as [{ name = "studio", stream = "studio/a", password_file = "…" }]; '
    "`headend key declare APP/NAME --user NAME` prints one"
)
TOKENS_FORM: Final = (
    'must be a list such as [{ name = "grafana", access = "read", token_file = "…" }]; '
    "`headend token declare NAME` prints one"
)
MOST_DECLARED: Final = 10_000  # keys, and users
MOST_TOKENS: Final = 100  # all are compared with each that is shown
LABEL_CHARACTERS: Final = 200
TOKEN_CHARACTERS: Final = 32  # at least; 190 bits where they are random letters and digits
PASSWORD_CHARACTERS: Final = 8  # at least
SALT_BYTES: Final = 6
SHOWN_SECRET: Final = str(SecretStr("x"))

_KEY: Final = re.compile(rf"{KEY_PREFIX}[A-Za-z0-9]{{32}}")
_SHA256: Final = re.compile(r"sha256:[0-9a-f]{64}")
_AUTHMOD: Final = re.compile(r"authmod:[0-9a-f]{12}:[A-Za-z0-9+/]{22}==:[0-9a-f]{32}")
_NAME: Final = re.compile(r"(?!pk_)[A-Za-z0-9._-]{1,32}")
_NAME_FORM: Final = "must be 1 to 32 of letters, digits, . - and _, and not begin with pk_"


def _stream(value: object) -> object:
    if not isinstance(value, str):
        raise ValueError('must be APP/NAME, such as "live/a"')
    try:
        return stream_path(value)
    except ProtocolError as error:
        raise ValueError(str(error)) from None


def _expires(value: object) -> float | None:
    """Unix seconds of a date or time; without a zone it is UTC. TOML has types of its own."""
    if value is None or value == "":
        return None
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value.strip())
        except ValueError:
            value = None
    if isinstance(value, datetime):
        return (value if value.tzinfo else value.replace(tzinfo=UTC)).timestamp()
    if isinstance(value, date):
        return datetime.combine(value, time(), UTC).timestamp()
    raise ValueError("must be a date or time, such as 2030-12-31 or 2030-12-31T12:00:00Z")


def _shown_time(seconds: float | None) -> str:
    if seconds is None:
        return ""
    return datetime.fromtimestamp(seconds, UTC).isoformat().replace("+00:00", "Z")


def _long_enough(least: int) -> Callable[[SecretStr | None], SecretStr | None]:
    def check(value: SecretStr | None) -> SecretStr | None:
        if value is not None and len(value) < least:
            raise ValueError(f"must be a text of at least {least} characters")
        return value

    return check


def _key(value: SecretStr | None) -> SecretStr | None:
    if value is not None and not _KEY.fullmatch(value.get_secret_value()):
        raise ValueError(f"must be {KEY_PREFIX} and 32 letters and digits, as Headend makes keys")
    return value


def sha256(secret: str) -> str:
    """Return the hash of a key or a token, as settings have it."""
    return f"sha256:{hashlib.sha256(secret.encode(errors='surrogatepass')).hexdigest()}"


Stream = Annotated[str, BeforeValidator(_stream)]
Expires = Annotated[
    float | None,
    BeforeValidator(_expires),
    PlainSerializer(_shown_time),
    WithJsonSchema({"type": "string"}),
]
Sha256 = Annotated[str, text_like(_SHA256, "must be sha256: and 64 hexadecimal digits")]
Authmod = Annotated[
    str,
    text_like(_AUTHMOD, "must be as `headend key declare APP/NAME --user NAME` prints it"),
    PlainSerializer(lambda hash: hash and SHOWN_SECRET),
]
Name = Annotated[str, text_like(_NAME, _NAME_FORM)]
_TEXT: Final = WithJsonSchema({"type": "string"})
Key = Annotated[SecretStr | None, AfterValidator(_key), _TEXT]
Password = Annotated[SecretStr | None, AfterValidator(_long_enough(PASSWORD_CHARACTERS)), _TEXT]
Token = Annotated[SecretStr | None, AfterValidator(_long_enough(TOKEN_CHARACTERS)), _TEXT]
Label = Annotated[str, Field(max_length=LABEL_CHARACTERS)]


class _Declared(Table):
    """What is declared by a secret or by its hash."""

    @model_validator(mode="after")
    def _has_one(self) -> Self:
        (secret,) = self.secret_fields()
        given = [name for name in (secret, "hash") if getattr(self, name)]
        if len(given) != 1:
            raise ValueError(f"one of {secret}, {secret}_file and hash must be given")
        return self


class _DeclaredPublisher(_Declared):
    """A key or a user: who may publish one stream, and from where."""

    stream: Stream = Field(description="APP/NAME that it publishes.")
    label: Label = Field(default="", description="Owner or purpose, for lists and events.")
    expires: Expires = Field(default=None, description="Date or time from which it is not valid.")
    networks: Networks = Field(default=(), description="Networks it is valid from; []: all.")
    tls_only: StrictBool = Field(default=False, description="Valid over RTMPS only.")
    priority: Count = Field(
        default=0,
        ge=-1000,
        le=1000,
        description="The publisher with the highest priority is on air.",
    )


class DeclaredKey(_DeclaredPublisher):
    """A publish key."""

    key: Key = Field(
        default=None, exclude_if=not_, description="The key: hk_ and 32 letters and digits."
    )
    hash: Sha256 = Field(
        default="", exclude_if=not_, description="SHA-256 of the key, in its place."
    )

    @property
    def digest(self) -> str:
        """The hash of the key, whichever way it was declared."""
        return self.hash if self.key is None else sha256(self.key.get_secret_value())


class DeclaredUser(_DeclaredPublisher):
    """A user with a password, for encoders that know nothing else."""

    name: Name = Field(description="Name that the encoder sends.")
    password: Password = Field(
        default=None, exclude_if=not_, description="Password, 8 characters or more."
    )
    hash: Authmod = Field(
        default="", exclude_if=not_, description="What checks the password, in its place."
    )

    @property
    def secrets(self) -> tuple[str, ...]:
        """What lets somebody sign in and is no password."""
        return (self.hash,) if self.hash else ()


class DeclaredToken(_Declared):
    """A token of the API."""

    name: Name = Field(description="Its name, for the audit trail.")
    access: Literal["read", "all"] = Field(
        default="read", description="What it may do: see everything (read), or change it too (all)."
    )
    token: Token = Field(
        default=None, exclude_if=not_, description="The token, 32 characters or more."
    )
    hash: Sha256 = Field(
        default="", exclude_if=not_, description="SHA-256 of the token, in its place."
    )

    @property
    def digest(self) -> str:
        """The hash of the token, whichever way it was declared."""
        return self.hash if self.token is None else sha256(self.token.get_secret_value())


def _differ(
    what: str, name_of: Callable[[object], str]
) -> Callable[[Sequence[object]], Sequence[object]]:
    def check(declared: Sequence[object]) -> Sequence[object]:
        known: dict[str, int] = {}
        for number, each in enumerate(declared, 1):
            first = known.setdefault(name_of(each), number)
            if first != number:
                raise ValueError(f"entries {first} and {number} have the same {what}")
        return declared

    return check


def _digest(declared: object) -> str:
    assert isinstance(declared, DeclaredKey | DeclaredToken)
    return declared.digest


def _name(declared: object) -> str:
    assert isinstance(declared, DeclaredUser | DeclaredToken)
    return declared.name


Keys = Annotated[
    tuple[DeclaredKey, ...],
    entries(DeclaredKey, KEYS_FORM, "keys", name="stream", most=MOST_DECLARED),
    AfterValidator(_differ("key", _digest)),
    HIDDEN,
]
Users = Annotated[
    tuple[DeclaredUser, ...],
    entries(DeclaredUser, USERS_FORM, "users", name="name", most=MOST_DECLARED),
    AfterValidator(_differ("name", _name)),
    HIDDEN,
]
Tokens = Annotated[
    tuple[DeclaredToken, ...],
    entries(DeclaredToken, TOKENS_FORM, "tokens", name="name", most=MOST_TOKENS),
    AfterValidator(_differ("name", _name)),
    AfterValidator(_differ("token", _digest)),
    HIDDEN,
]
