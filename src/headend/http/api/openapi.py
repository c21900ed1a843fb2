"""The API as an OpenAPI 3.1 document, made of the routes and the models."""

import json
import re
from collections.abc import Iterator, Sequence
from typing import Any, Final, cast

from pydantic import TypeAdapter
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue

from headend import __version__
from headend.features.routes import Route, Schema
from headend.http.api import models
from headend.http.api.route import V1, adapter
from headend.http.api.sign_in import COOKIE, CSRF_HEADER

_TEXTS: Final = {
    400: "The request makes no sense.",
    401: "The token is missing or wrong.",
    403: "The CSRF token is missing or wrong.",
    404: "There is no such thing.",
    409: "It is there already, or its state does not allow this.",
    413: "The body is too large.",
    415: "The body is no JSON.",
    421: "The request names another host.",
    422: "A value is not allowed.",
    429: "Too many wrong tokens came from this address.",
    503: "The server has too much of this to do now.",
}
_PARAMETERS: Final[dict[str, Schema]] = {
    "path": {"type": "string", "minLength": 1, "description": "APP/NAME; a slash may be %2F."},
    "id": {"type": "integer", "minimum": 1, "maximum": 10**14},
}
_TEXT: Final[Schema] = {"type": "string", "minLength": 1, "maxLength": 1100}
_SCHEMES: Final = {
    "admin": {"type": "http", "scheme": "bearer", "description": "The admin token."},
    "browser": {"type": "apiKey", "in": "cookie", "name": COOKIE},
    "csrf": {
        "type": "apiKey",
        "in": "header",
        "name": CSRF_HEADER,
        "description": "With a cookie, for whatever changes something.",
    },
}
_SAFE: Final = frozenset({"GET", "HEAD"})


def document(routes: Sequence[Route]) -> dict[str, object]:
    """Return the OpenAPI document."""
    paths: dict[str, dict[str, object]] = {}
    for route in routes:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Headend",
            "version": __version__,
            "description": "Management of a live-streaming server.",
        },
        "servers": [{"url": "/"}],
        "tags": [{"name": tag} for tag in dict.fromkeys(map(tag_of, routes))],
        "paths": paths,
        "components": {"schemas": schemas(routes), "securitySchemes": _SCHEMES},
        "security": [{"admin": []}],
    }


def schemas(routes: Sequence[Route]) -> dict[str, dict[str, object]]:
    """Return the JSON schemas of all types, by name."""
    used: set[type] = {models.Problem}
    used |= {kind for route in routes for kind in (route.answer, route.body) if kind is not None}
    _, document = TypeAdapter.json_schemas(
        [(kind, "serialization", adapter(kind)) for kind in sorted(used, key=name_of)],
        ref_template="#/components/schemas/{model}",
        schema_generator=_Schemas,
    )
    found = cast("dict[str, dict[str, object]]", document["$defs"])
    names = {name: str(schema["title"]) for name, schema in found.items()}
    text = re.sub(
        r'(?<="#/components/schemas/)\w+', lambda match: names[match[0]], json.dumps(found)
    )
    named = {names[name]: schema for name, schema in json.loads(text).items()}
    # What follows in a docstring is for readers of the code.
    return {
        name: {**schema, "description": schema["description"].partition("\n\n")[0]}
        for name, schema in named.items()
    }


class _Schemas(GenerateJsonSchema):
    """Schemas of types; a value of the server that is given with all its fields has no defaults."""

    def default_schema(self, schema: Any) -> JsonSchemaValue:
        if self._config.json_schema_serialization_defaults_required:
            return self.generate_inner(schema["schema"])
        return super().default_schema(schema)


def name_of(kind: type) -> str:
    """Name a type as the document does: by its title, if it has one."""
    config = getattr(kind, "__pydantic_config__", None) or getattr(kind, "model_config", {})
    return str(config.get("title", kind.__name__))


def tag_of(route: Route) -> str:
    """Name the part of the API that a route belongs to: its module, or of a feature its noun."""
    module = route.call.__module__.rpartition(".")[2]
    return route.path.removeprefix(f"{V1}/").partition("/")[0] if module == "api" else module


def path_names(route: Route) -> list[str]:
    """Name the parameters in a route's path."""
    return re.findall(r"\{(\w+)\}", route.path)


def _operation(route: Route) -> dict[str, object]:
    operation: dict[str, object] = {
        "summary": route.summary,
        "operationId": f"{tag_of(route)}_{route.call.__name__}",
        "tags": [tag_of(route)],
        "responses": _responses(route),
    }
    if parameters := list(_parameters(route)):
        operation["parameters"] = parameters
    if route.body is not None:
        operation["requestBody"] = {
            "required": True,
            "content": {"application/json": {"schema": _reference(route.body)}},
        }
    if route.is_open:
        operation["security"] = []
    else:
        by_cookie: dict[str, list[str]] = (
            {"browser": []} if route.method in _SAFE else {"browser": [], "csrf": []}
        )
        operation["security"] = [{"admin": []}, by_cookie]
    return operation


def _parameters(route: Route) -> Iterator[dict[str, object]]:
    for name in path_names(route):
        schema = _PARAMETERS.get(name, _TEXT)
        yield {"name": name, "in": "path", "required": True, "schema": dict(schema)}
    for name, schema in (route.query or {}).items():
        yield {"name": name, "in": "query", "required": False, "schema": dict(schema)}


def _responses(route: Route) -> dict[str, object]:
    if route.answer is None and route.content_type == "application/json":
        responses: dict[str, object] = {"204": {"description": "Done."}}
    else:
        # What is no JSON has no schema: it is text or bytes as they are.
        told = {} if route.answer is None else {"schema": _reference(route.answer)}
        content = {route.content_type: told}
        responses = {str(route.status): {"description": "Done.", "content": content}}
    for status in sorted(_failures(route)):
        content = {"application/problem+json": {"schema": _reference(models.Problem)}}
        if status == 400:  # of a head that is no HTTP, before anybody knows the operation
            content["text/plain"] = {}
        responses[str(status)] = {"description": _TEXTS[status], "content": content}
    return responses


def _failures(route: Route) -> set[int]:
    """Return the statuses that an operation may fail with."""
    known = {400, 421, *route.statuses}
    if not route.is_open:
        known |= {401, 403, 429}
    if route.query:
        known.add(422)
    if route.body is not None:
        known |= {413, 415, 422}
    if path_names(route):
        known.add(404)
    return known


def _reference(model: type) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{name_of(model)}"}
