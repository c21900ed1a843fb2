"""Settings of access, of the audit trail, and of privacy."""

from typing import Literal

from pydantic import Field, SecretStr

from headend.settings.hook_values import (
    Actions,
    DatabaseUrl,
    OptionalUrl,
    Outgoing,
    Place,
    Secret,
)
from headend.settings.section import Section
from headend.settings.values import (
    Count,
    Networks,
    OptionalFile,
    Patterns,
    Seconds,
)


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
    jwks: Place = Field(
        default="",
        description="JWKS with the keys of other services that sign tokens: a file or an https "
        "URL; empty: none.",
    )
    jwks_refresh_s: Seconds = Field(
        default=300, ge=1, le=86_400, description="Seconds until the server reads auth.jwks again."
    )
    database: DatabaseUrl = Field(
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
    callback_secret: Secret = Field(
        default=SecretStr(""),
        description="Secret that signs requests to callback_url, in the way of webhooks; empty: "
        "unsigned.",
    )
    callback_actions: Actions = Field(
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
    outgoing: Outgoing = Field(
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


class Audit(Section):
    """The audit trail: who did what, kept in the database."""

    retention_days: Count = Field(
        default=365, ge=1, le=36_500, description="Days for which the server keeps the audit trail."
    )


class Privacy(Section):
    """The data that the server keeps about people."""

    addresses: Literal["full", "pseudonymous", "none"] = Field(
        default="full",
        description="Form of IP addresses in logs, history, audit trail and events: full, "
        "pseudonymous or none.",
    )
    pseudonym_days: Count = Field(
        default=1,
        ge=0,
        le=366,
        description="Days after which an address gets another pseudonym; 0: never.",
    )
    history_days: Count = Field(
        default=90,
        ge=0,
        le=36_500,
        description="Days for which the server keeps the history of who published and watched "
        "what; 0: no history.",
    )
