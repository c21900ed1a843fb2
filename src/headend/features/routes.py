"""What a feature answers over HTTP: addresses of its own, and operations of the API."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from aiohttp import web
    from pydantic import BaseModel

Handler = Callable[["web.Request"], Awaitable["web.StreamResponse"]]
Schema = Mapping[str, object]
Call = Callable[["web.Request"], Awaitable[object]]


@dataclass(frozen=True, slots=True)
class HttpRoute:
    """An address outside of the API.

    Attributes:
        path: As aiohttp has it. Names of streams may be anything: what no stream can be called,
            such as a name with two slashes or an ending of its own, is not taken from one.
        handler: Answers; decides who may have it, see `headend/http/access.py`.
        method: HTTP method; GET answers HEAD too.
    """

    path: str
    handler: Handler
    method: str = "GET"


@dataclass(frozen=True, slots=True)
class Route:
    """One operation of the API.

    Attributes:
        method: HTTP method.
        path: With parameters in braces; {path} is a stream, {id} a number, any other a text
            without slashes.
        summary: What it does, for the document.
        call: What answers: a value, a response of its own, or None for 204.
        answer: Type of the answer, a model or a dataclass; None: nothing, or no JSON.
        body: Model of the request's body.
        query: Parameters, with their JSON schema.
        is_open: Needs no token.
        content_type: Of the answer.
        status: Of the answer, where it is a value.
        statuses: What it may fail with besides what the form of the operation tells.
        action: Its name in the audit trail, such as `session.kick`; empty: method and path. What
            only reads is not noted there.
    """

    method: str
    path: str
    summary: str
    call: Call
    answer: type | None = None
    body: "type[BaseModel] | None" = None
    query: Mapping[str, Schema] | None = None
    is_open: bool = False
    content_type: str = "application/json"
    status: int = 200
    statuses: tuple[int, ...] = ()
    action: str = ""
