"""The API's part about publish keys and tokens.

A key itself is in the answer to its making only, and nowhere else.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from ipaddress import IPv4Network, IPv6Network, ip_network
from time import time
from typing import TYPE_CHECKING, Annotated, Final, Literal

from aiohttp import web
from pydantic import (
    ConfigDict,
    Field,
    PlainSerializer,
    PlainValidator,
    WithJsonSchema,
)

from headend.access.tokens import Token
from headend.errors import DatabaseError, ProtocolError, SettingsError
from headend.features.routes import Route, Schema
from headend.http.api.auditing import TARGET
from headend.http.api.models import Model
from headend.http.api.route import PAGE, V1, page_limit, read_body
from headend.http.problems import Problem
from headend.live.publish_urls import publish_servers
from headend.live.services import Services
from headend.names import stream_path
from headend.store.publish_key import LABEL_CHARACTERS, KeyOptions, NewKey, PublishKey

if TYPE_CHECKING:
    from headend.store.keys import KeyStore

LONGEST_S: Final = 100 * 366 * 86_400  # a token or key lives no longer
NETWORKS: Final = 100
PATTERN_CHARACTERS: Final = 1024
LATEST: Final = 4e9  # Unix seconds: the year 2096
_QUERY: Final[Mapping[str, Schema]] = {
    **PAGE,
    "after": {"type": "string", "maxLength": 32},
    "stream": {"type": "string", "maxLength": 1100},
}


@dataclass(frozen=True, slots=True, kw_only=True)
class MadeKey(PublishKey):
    """A key that was just made: the only time that it is shown."""

    __pydantic_config__ = ConfigDict(
        title="MadeKey", extra="forbid", json_schema_serialization_defaults_required=True
    )

    key: Annotated[str, Field(description="What encoders such as OBS call stream key, by itself.")]
    servers: Annotated[
        list[str],
        Field(
            description="What they call server, the one that works at once first; then over TLS."
        ),
    ]


class Keys(Model):
    """A page of keys, in the order of their ids."""

    keys: list[PublishKey]
    total: int
    next: str | None = Field(description="For `after`; null: that was all.")


def _network(value: object) -> IPv4Network | IPv6Network:
    """Read a network as a person writes it; a number, which Python would take, is none."""
    if not isinstance(value, str):
        raise ValueError("a network such as 10.0.0.0/8 or an address is expected")
    return ip_network(value, strict=False)


_BYTE: Final = r"(25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])"
_GROUP: Final = "[0-9a-f]{1,4}"
# IPv6 is taken in its shorter forms too, which would fill a page here.
_FORMS: Final = (
    rf"^({_BYTE}(\.{_BYTE}){{3}}(/(3[0-2]|[12]?[0-9]))?"
    rf"|{_GROUP}(:{_GROUP}){{7}}(/(12[0-8]|1[01][0-9]|[1-9]?[0-9]))?)$"
)
Network = Annotated[
    IPv4Network | IPv6Network,
    PlainValidator(_network),
    PlainSerializer(str),
    WithJsonSchema(
        {"type": "string", "pattern": _FORMS, "description": "10.0.0.0/8, 2001:db8::/32"}
    ),
]


# For the document alone, as `str.isprintable` is asked where keys and tokens are made. Not every
# dialect of patterns knows Unicode's categories: control characters are as far as all go.
Printable = Annotated[str, Field(json_schema_extra={"pattern": r"^[^\x00-\x1F\x7F-\x9F]*$"})]


class KeyRequest(Model):
    """A key to be made."""

    stream: str = Field(max_length=1024)
    label: Printable = Field("", max_length=LABEL_CHARACTERS, description="Printable.")
    expires_at: float | None = Field(None, ge=0, le=LATEST)
    networks: list[Network] = Field(default=[], max_length=NETWORKS)
    tls_only: bool = False
    priority: int = Field(0, ge=-1000, le=1000)


class TokenRequest(Model):
    """A token to be signed."""

    pattern: Printable = Field(
        min_length=1, max_length=PATTERN_CHARACTERS, description="Printable, such as vip/*."
    )
    action: Literal["play", "publish"] = "play"
    expires_s: float = Field(3600, gt=0, le=LONGEST_S)
    ip: Network | None = None
    max_viewers: int | None = Field(None, ge=1, le=1_000_000)
    subject: Printable = Field("", max_length=200, description="Printable.")


class SignedToken(Model):
    """A token."""

    token: str
    expires_at: float


def routes(services: Services) -> Sequence[Route]:
    """List the operations."""
    api = _Keys(services)
    one = f"{V1}/keys/{{key}}"
    return (
        Route("GET", f"{V1}/keys", "Publish keys, revoked ones too.", api.keys, Keys,
              query=_QUERY, statuses=(503,)),
        Route("POST", f"{V1}/keys", "Make a publish key.", api.create, MadeKey, body=KeyRequest,
              status=201, statuses=(503,), action="key.create"),
        Route("GET", one, "One publish key.", api.key, PublishKey, statuses=(404, 503)),
        Route("DELETE", one, "Revoke a publish key; what it publishes ends.", api.revoke,
              PublishKey, statuses=(404, 409, 503), action="key.revoke"),
        Route("POST", f"{one}/rotate", "Make a key in place of another, which is revoked.",
              api.rotate, MadeKey, status=201, statuses=(404, 409, 503), action="key.rotate"),
        Route("POST", f"{V1}/tokens", "Sign a playback or publish token.", api.sign, SignedToken,
              body=TokenRequest, status=201, action="token.sign"),
    )  # fmt: skip


class _Keys:
    def __init__(self, services: Services) -> None:
        self._services: Final = services

    async def _store(self) -> "KeyStore":
        return await self._services.access.keys.store()

    async def keys(self, request: web.Request) -> Keys:
        limit, query = page_limit(request), request.query
        stream = query.get("stream")
        try:
            store = await self._store()
            page = await store.page(stream=stream, limit=limit + 1, after=query.get("after", ""))
            total = await store.count(stream=stream)
        except DatabaseError as error:
            raise _away(error) from error
        declared = self._services.access.keys.declared.all(stream)
        more = [key for key in declared if key.id > query.get("after", "")]
        page = sorted((*page, *more), key=lambda key: key.id)
        total += len(declared)
        following = page[limit - 1].id if len(page) > limit else None
        return Keys(keys=page[:limit], total=total, next=following)

    async def create(self, request: web.Request) -> MadeKey:
        asked = await read_body(request, KeyRequest)
        now = time()
        if asked.expires_at is not None and asked.expires_at <= now:
            raise Problem(422, "expires_at: that is over already.")
        options = KeyOptions(
            asked.label, asked.expires_at, tuple(asked.networks), asked.tls_only, asked.priority
        )
        try:
            stream_path(asked.stream)
            new = await (await self._store()).create(asked.stream, options, now)
        except ProtocolError as error:
            raise Problem(422, f"stream: {error}.") from error
        except SettingsError as error:
            raise Problem(422, f"{error}.") from error
        except DatabaseError as error:
            raise _away(error) from error
        request[TARGET] = new.key.id
        return self._made(new, request)

    async def key(self, request: web.Request) -> PublishKey:
        id = request.match_info["key"]
        if (declared := self._services.access.keys.declared.get(id)) is not None:
            return declared
        try:
            found = await (await self._store()).get(id)
        except DatabaseError as error:
            raise _away(error) from error
        if found is None:
            raise _missing()
        return found

    async def revoke(self, request: web.Request) -> PublishKey:
        id = self._changeable(request)
        try:
            key = await (await self._store()).revoke(id, time())
        except DatabaseError as error:
            raise _away(error) from error
        if key is None:
            raise _missing()
        self._services.gate.revoke({key.id})
        return key

    async def rotate(self, request: web.Request) -> MadeKey:
        id = self._changeable(request)
        try:
            new = await (await self._store()).rotate(id, time())
        except DatabaseError as error:
            raise _away(error) from error
        if new is None:
            raise _missing()
        self._services.gate.revoke({id})
        return self._made(new, request)

    def _changeable(self, request: web.Request) -> str:
        """Return the id of the key that a request changes.

        Raises:
            Problem: 409: the settings declare it.
        """
        id = request.match_info["key"]
        if self._services.access.keys.declared.get(id) is not None:
            raise Problem(
                409, "The settings declare this key: change auth.publish_keys or auth.users."
            )
        return id

    def _made(self, new: NewKey, request: web.Request) -> MadeKey:
        services, stream = self._services, new.key.stream
        servers = publish_servers(
            services.addresses,
            request.url.host or "localhost",
            stream,
            needs_tls=new.key.tls_only or services.gate.policy.wants_tls("publish", stream),
        )
        known = {each.name: getattr(new.key, each.name) for each in fields(new.key)}
        return MadeKey(**known, key=new.secret, servers=servers)

    async def sign(self, request: web.Request) -> SignedToken:
        asked = await read_body(request, TokenRequest)
        now = time()
        token = Token(
            "",
            asked.pattern,
            asked.action,
            now + asked.expires_s,
            network=None if asked.ip is None else str(asked.ip),
            viewers=asked.max_viewers,
            subject=asked.subject,
        )
        try:
            text = self._services.access.tokens.sign(token, now)
        except SettingsError as error:
            raise Problem(422, f"{error}.") from error
        request[TARGET] = asked.pattern
        return SignedToken(token=text, expires_at=token.expires_at)


def _missing() -> Problem:
    return Problem(404, "There is no such key, or not any more.", title="Key not found")


def _away(error: DatabaseError) -> Problem:
    return Problem(503, f"{error}; try again in a moment.", headers={"Retry-After": "2"})
