"""This module holds the settings of who may do what, and of what is kept about it."""

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
    """Who may do what."""

    publish: Literal["loopback", "key", "open"] = Field(
        default="loopback",
        description="Who needs no key to publish: loopback, key (nobody) or open (everybody).",
    )
    certificates: bool = Field(
        default=False,
        description="A client certificate that tls.client_ca vouches for may publish, like a key.",
    )
    password_apps: Patterns = Field(
        default=(),
        description='Apps whose publishers are asked for user and password, such as ["studio"].',
    )
    password_scheme: Literal["adobe", "llnw"] = Field(
        default="adobe",
        description="How they are asked (authmod): adobe or llnw.",
    )
    private: Patterns = Field(
        default=(),
        description='Streams that are watched with a token only, such as ["vip/*"].',
    )
    jwks: Place = Field(
        default="",
        description="JWKS, a file or https URL, with keys of others who sign tokens; empty: none.",
    )
    jwks_refresh_s: Seconds = Field(
        default=300, ge=1, le=86_400, description="Seconds until it is read again."
    )
    database: DatabaseUrl = Field(
        default=SecretStr(""),
        description="postgresql://USER:PASSWORD@HOST/NAME; empty: SQLite in the data folder.",
    )
    on_database_error: Literal["deny", "allow-known"] = Field(
        default="deny",
        description="Without database: no key is valid (deny) or those seen lately (allow-known).",
    )
    known_s: Seconds = Field(
        default=86_400,
        ge=0,
        le=31_536_000,
        description="Seconds that allow-known believes a key that was valid.",
    )
    wrong_attempts: Count = Field(
        default=20,
        ge=1,
        le=10_000,
        description="Wrong keys, tokens or passwords in a row until an address is shut out.",
    )
    ban_s: Seconds = Field(default=600, ge=1, le=86_400, description="Seconds that it is shut out.")

    callback_url: OptionalUrl = Field(
        default="",
        description="URL that is asked who may publish and play (docs/hooks.md); empty: none.",
    )
    callback_secret: Secret = Field(
        default=SecretStr(""),
        description="Signs what is sent to callback_url, as webhooks are signed; empty: unsigned.",
    )
    callback_actions: Actions = Field(
        default=("publish", "play"),
        description='What is asked about: ["publish", "play"], or one of them.',
    )
    callback_credentials: bool = Field(
        default=False,
        description="Send it keys and tokens as shown, for a backend that checks its own.",
    )
    callback_timeout_s: Seconds = Field(
        default=3, ge=0.1, le=10, description="Seconds that the answer may take."
    )
    callback_calls: Count = Field(
        default=64, ge=1, le=256, description="Questions asked at once for each action; more wait."
    )
    callback_fail: Literal["closed", "open"] = Field(
        default="closed",
        description="What holds without an answer: nobody is let in (closed) or everybody (open).",
    )
    hook_timeout_s: Seconds = Field(
        default=3, ge=0.1, le=10, description="Seconds that a Python hook may take to decide."
    )
    hook_fail: Literal["closed", "open"] = Field(
        default="closed",
        description="What holds when a Python hook fails: nobody is let in (closed) or all (open).",
    )
    outgoing: Outgoing = Field(
        default=(),
        description="Hosts and networks that callback, webhooks, relays, JWKS go to; []: most.",
    )
    outgoing_ca: OptionalFile = Field(
        default=None,
        description="PEM file of authorities that they trust instead of the system's; empty: none.",
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
        default=(), description="Networks that may not, even if auth.api_from has them."
    )


class Audit(Section):
    """Who did what, kept in the database."""

    retention_days: Count = Field(
        default=365, ge=1, le=36_500, description="Days that the audit trail is kept."
    )


class Privacy(Section):
    """What is kept about people."""

    addresses: Literal["full", "pseudonymous", "none"] = Field(
        default="full",
        description="IP addresses in logs, history, audit and events: full, pseudonymous or none.",
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
        description="Days that it is kept who published and watched what; 0: it is not kept.",
    )
