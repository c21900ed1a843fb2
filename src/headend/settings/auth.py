"""Settings of access: who may publish, watch and use the API, and who is asked."""

import re
from typing import Annotated, Final, Literal

from pydantic import AfterValidator, BeforeValidator, Field, PlainSerializer, SecretStr

from headend.redaction import shown_url
from headend.settings.declared import Keys, Tokens, Users
from headend.settings.section import Section
from headend.settings.texts import texts
from headend.settings.values import (
    HIDDEN,
    Count,
    Networks,
    OptionalFile,
    Patterns,
    Seconds,
    http_url,
    is_network,
)

OUTGOING_FORM: Final = (
    'must be a list of host names, patterns and networks such as ["*.example.com", "10.0.0.0/8"]'
)
ACTIONS_FORM: Final = 'must be a list of "publish" and "play"'
SECRET_FORM: Final = "must be a text of at least 16 characters, or empty"
DATABASE_FORM: Final = "must be postgresql://…, sqlite:///… or empty"
SECRET_CHARACTERS: Final = 16  # at least: an HMAC is as good as its key

_HOST: Final = re.compile(r"[a-z0-9*?_-]+(?:\.[a-z0-9*?_-]+)*")
_SCHEMES: Final = ("postgresql://", "postgres://", "sqlite:///")


def _outgoing(value: object) -> tuple[str, ...]:
    return tuple(item.lower() for item in texts(value, _is_place, OUTGOING_FORM))


def _is_place(text: str) -> bool:
    return _HOST.fullmatch(text.lower()) is not None or is_network(text)


def _actions(value: object) -> tuple[str, ...]:
    return texts(value, ("publish", "play").__contains__, ACTIONS_FORM)


def _secret(value: SecretStr) -> SecretStr:
    if 0 < len(value) < SECRET_CHARACTERS:
        raise ValueError(SECRET_FORM)
    return value


def _database(value: SecretStr) -> SecretStr:
    if value and not value.get_secret_value().startswith(_SCHEMES):
        raise ValueError(DATABASE_FORM)
    return value


OptionalUrl = Annotated[
    str, AfterValidator(lambda url: url and http_url(url)), PlainSerializer(shown_url), HIDDEN
]
Place = Annotated[str, PlainSerializer(lambda place: shown_url(place) if "://" in place else place)]


class Auth(Section):
    """Access: who may publish, watch and use the API."""

    publish: Literal["loopback", "key", "open"] = Field(
        default="loopback",
        description="Peers that publish without a key: programs on this machine (loopback), none "
        "(key) or all (open).",
    )
    certificates: bool = Field(
        default=False,
        description="Accept a client certificate from an authority of tls.client_ca in place of "
        "a publish key.",
    )
    password_apps: Patterns = Field(
        default=(),
        description='Apps whose publishers must send a user and a password, such as ["studio"].',
    )
    password_scheme: Literal["adobe", "llnw"] = Field(
        default="adobe",
        description="Method by which publishers send user and password (authmod): adobe or llnw.",
    )
    private: Patterns = Field(
        default=(),
        description='Streams whose viewers need a token, such as ["vip/*"].',
    )
    publish_keys: Keys = Field(
        default=(),
        description="Publish keys besides those of the database: tables with stream, and hash or "
        "key_file.",
    )
    users: Users = Field(
        default=(),
        description="Users of encoders: tables with name, stream, and hash or password_file.",
    )
    api_tokens: Tokens = Field(
        default=(),
        description="Tokens of the API besides the admin token: tables with name, access, and hash "
        "or token_file.",
    )
    jwks: Place = Field(
        default="",
        description="JWKS with the keys of other services that sign tokens: a file or an https "
        "URL; empty: none.",
    )
    jwks_refresh_s: Seconds = Field(
        default=300, ge=1, le=86_400, description="Seconds until the server reads auth.jwks again."
    )
    database: Annotated[SecretStr, AfterValidator(_database)] = Field(
        default=SecretStr(""),
        description="Database: postgresql://USER:PASSWORD@HOST/NAME; if empty, SQLite in the "
        "data folder.",
    )
    on_database_error: Literal["deny", "allow-known"] = Field(
        default="deny",
        description="Keys that are valid while the database fails: none (deny) or recent ones "
        "(allow-known).",
    )
    known_s: Seconds = Field(
        default=86_400,
        ge=0,
        le=31_536_000,
        description="Seconds for which allow-known accepts a key after it was last found valid.",
    )
    wrong_attempts: Count = Field(
        default=20,
        ge=1,
        le=10_000,
        description="Wrong keys, tokens or passwords in a row after which an address is shut out.",
    )
    ban_s: Seconds = Field(
        default=600, ge=1, le=86_400, description="Seconds for which the address is shut out."
    )

    callback_url: OptionalUrl = Field(
        default="",
        description="URL that the server asks whether a peer may publish or play "
        "(docs/hooks.md); empty: none.",
    )
    callback_secret: Annotated[SecretStr, AfterValidator(_secret)] = Field(
        default=SecretStr(""),
        description="Secret that signs requests to callback_url, in the way of webhooks; empty: "
        "unsigned.",
    )
    callback_actions: Annotated[
        tuple[Literal["publish", "play"], ...], BeforeValidator(_actions)
    ] = Field(
        default=("publish", "play"),
        description='Actions that the server asks the callback about: ["publish", "play"], or '
        "one of them.",
    )
    callback_credentials: bool = Field(
        default=False,
        description="Send the peers' keys and tokens to the callback, for a backend with "
        "keys of its own.",
    )
    callback_timeout_s: Seconds = Field(
        default=3, ge=0.1, le=10, description="Seconds that the callback may take to answer."
    )
    callback_calls: Count = Field(
        default=64,
        ge=1,
        le=256,
        description="Requests to the callback at once, for each action; further requests wait.",
    )
    callback_fail: Literal["closed", "open"] = Field(
        default="closed",
        description="What happens when the callback fails: nobody is let in (closed) or "
        "everybody (open).",
    )
    hook_timeout_s: Seconds = Field(
        default=3, ge=0.1, le=10, description="Seconds that a Python hook may take to decide."
    )
    hook_fail: Literal["closed", "open"] = Field(
        default="closed",
        description="What happens when a Python hook fails: nobody is let in (closed) or "
        "everybody (open).",
    )
    outgoing: Annotated[tuple[str, ...], BeforeValidator(_outgoing)] = Field(
        default=(),
        description="Hosts and networks that the callback, webhooks, relays and JWKS may reach; "
        "[]: most.",
    )
    outgoing_ca: OptionalFile = Field(
        default=None,
        description="PEM file of authorities that these calls trust; if empty, the system's "
        "authorities.",
    )
    publish_from: Networks = Field(
        default=(), description='Networks that may publish, such as ["10.0.0.0/8"]; []: all.'
    )
    publish_not_from: Networks = Field(
        default=(), description="Networks that may not publish, even if auth.publish_from has them."
    )
    play_from: Networks = Field(default=(), description="Networks that may watch; []: all.")
    play_not_from: Networks = Field(
        default=(), description="Networks that may not watch, even if auth.play_from has them."
    )
    api_from: Networks = Field(
        default=(), description="Networks that may use the API and metrics; []: all."
    )
    api_not_from: Networks = Field(
        default=(),
        description="Networks that may not use the API and metrics, even if auth.api_from has "
        "them.",
    )
