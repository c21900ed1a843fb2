"""Bodies and queries that operations of the API read, and JSON that they write.

Every module of the API has `routes(services)`, which lists its operations, and a feature
`api_routes`; `routes.py` puts the lists together, serves them and has the OpenAPI document made of
them.
"""

import re
from collections.abc import Mapping
from functools import cache
from typing import Any, Final, TypeVar

from aiohttp import web
from pydantic import BaseModel, TypeAdapter, ValidationError

from headend.features.routes import Route, Schema
from headend.http.problems import Problem

V1: Final = "/api/v1"
BODY_BYTES: Final = 64 * 1024
DEFAULT_LIMIT: Final = 100
MOST: Final = 1000  # entries of a page
MOST_ID: Final = 10**14
DIGITS: Final = re.compile(r"\d{1,15}", re.ASCII)

Model = TypeVar("Model", bound=BaseModel)

# Query parameters of a list that comes in pages, with their JSON schema.
PAGE: Final[Mapping[str, Schema]] = {
    "limit": {"type": "integer", "minimum": 1, "maximum": MOST, "default": DEFAULT_LIMIT},
    "after": {"type": "string", "maxLength": 1100},
}


@cache
def adapter(kind: Any) -> TypeAdapter[Any]:
    """Return the adapter that writes values of a type as JSON, and describes them."""
    return TypeAdapter(kind)


def json_response(answer: object, status: int = 200) -> web.Response:
    """Return a model or a dataclass as JSON."""
    kind: Any = type(answer)
    body = adapter(kind).dump_json(answer)
    return web.Response(body=body, status=status, content_type="application/json")


async def read_body(request: web.Request, model: type[Model]) -> Model:
    """Read a JSON body.

    Raises:
        Problem: 415, 413 or 422; the text says what is wrong, without repeating values.
    """
    if request.content_type != "application/json":
        raise Problem(415, "Send JSON, with Content-Type: application/json.")
    data = bytearray()
    try:
        async for piece in request.content.iter_any():
            data += piece
            if len(data) > BODY_BYTES:
                raise Problem(413, f"The body is larger than {BODY_BYTES} bytes.")
    except ConnectionError as error:
        error.__traceback__ = None  # the body keeps it, and its frames hold the body
        raise ConnectionResetError("the client has left") from None
    try:
        return model.model_validate_json(data)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        where = ".".join(map(str, first["loc"])) or "the body"
        raise Problem(422, f"{where}: {first['msg']}.") from None


def check_query(route: Route, request: web.Request) -> None:
    """Refuse texts in a query that are longer than any valid one.

    Raises:
        Problem: 422.
    """
    for name, schema in (route.query or {}).items():
        most = schema.get("maxLength")
        if isinstance(most, int) and len(request.query.get(name, "")) > most:
            raise Problem(422, f"{name}: {most} characters are allowed.")


def page_limit(request: web.Request) -> int:
    """Return how many entries a page may have: `?limit=`.

    Raises:
        Problem: 422.
    """
    return number("limit", request.query.get("limit", str(DEFAULT_LIMIT)), MOST)


def page_after(request: web.Request) -> int:
    """Return the number after which a page begins: `?after=`, of lists that go by number.

    Raises:
        Problem: 422.
    """
    return number("after", request.query.get("after", "0"), MOST_ID, least=0)


def number(name: str, text: str, most: int, *, least: int = 1) -> int:
    """Read the value of a query parameter, a whole number.

    Raises:
        Problem: 422.
    """
    if not (DIGITS.fullmatch(text) and least <= int(text) <= most):
        raise Problem(422, f"{name}: a number from {least} to {most} is expected.")
    return int(text)
