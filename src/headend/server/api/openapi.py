"""This module describes the API: an OpenAPI 3.1 document and a page, of the table of routes."""

import re
from collections.abc import Sequence
from html import escape
from typing import Final

from pydantic.json_schema import models_json_schema

from headend import __version__
from headend.server.api import models
from headend.server.api.route import Route

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
    503: "Too many listen.",
}
_PARAMETERS: Final = {
    "path": {"type": "string", "minLength": 1, "description": "APP/NAME; slashes stay slashes."},
    "id": {"type": "integer", "minimum": 1, "maximum": 10**14},
}
_TEXT: Final = {"type": "string", "minLength": 1, "maxLength": 1100}


def document(routes: Sequence[Route]) -> dict[str, object]:
    """Return the OpenAPI document."""
    used = {models.Problem} | {m for r in routes for m in (r.answer, r.body) if m is not None}
    _, schemas = models_json_schema(
        [(model, "serialization") for model in sorted(used, key=lambda model: model.__name__)],
        ref_template="#/components/schemas/{model}",
    )
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
        "paths": paths,
        "components": {
            "schemas": schemas["$defs"],
            "securitySchemes": {"admin": {"type": "http", "scheme": "bearer"}},
        },
        "security": [{"admin": []}],
    }


def _operation(route: Route) -> dict[str, object]:
    names = re.findall(r"\{(\w+)\}", route.path)
    parameters = [
        {"name": name, "in": "path", "required": True, "schema": _PARAMETERS.get(name, _TEXT)}
        for name in names
    ]
    parameters += [
        {"name": name, "in": "query", "required": False, "schema": dict(schema)}
        for name, schema in (route.query or {}).items()
    ]
    operation: dict[str, object] = {
        "summary": route.summary,
        "operationId": route.call.__name__,
        "responses": _responses(route),
    }
    if parameters:
        operation["parameters"] = parameters
    if route.body is not None:
        operation["requestBody"] = {
            "required": True,
            "content": {"application/json": {"schema": _reference(route.body)}},
        }
    if route.is_open:
        operation["security"] = []
    return operation


def _responses(route: Route) -> dict[str, object]:
    if route.answer is None and route.content_type == "application/json":
        responses: dict[str, object] = {"204": {"description": "Done."}}
    else:
        # What is no JSON has no schema: it is text or bytes as they are.
        told = {} if route.answer is None else {"schema": _reference(route.answer)}
        content = {route.content_type: told}
        responses = {str(route.status): {"description": "Done.", "content": content}}
    known = {421, *route.statuses}
    known |= set() if route.is_open else {401, 403, 429}
    known |= {422} if route.query else set()
    known |= {413, 415, 422} if route.body is not None else set()
    for status in sorted(known):
        responses[str(status)] = {
            "description": _TEXTS[status],
            "content": {"application/problem+json": {"schema": _reference(models.Problem)}},
        }
    return responses


def _reference(model: type) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{model.__name__}"}


_STYLE: Final = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:56rem;margin:2rem auto;padding:0 1rem;"
    "color-scheme:light dark}code{font:14px ui-monospace,monospace}"
    "table{border-collapse:collapse;width:100%}td{padding:.4rem .6rem;border-top:1px solid #8884}"
    "td:first-child{width:5rem;font-weight:600}"
)


def page(routes: Sequence[Route]) -> str:
    """Return a page that lists the operations."""
    rows = "\n".join(
        f"<tr><td>{route.method}</td><td><code>{escape(route.path)}</code></td>"
        f"<td>{escape(route.summary)}</td></tr>"
        for route in routes
    )
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Headend API</title>
<meta name="viewport" content="width=device-width"><style>{_STYLE}</style></head><body>
<h1>Headend API</h1>
<p>Send the admin token (the file <code>admin.token</code> of the data folder):
<code>Authorization: Bearer TOKEN</code>. Errors are problem documents (RFC 9457). All details are
in the OpenAPI document <a href="/api/openapi.json"><code>/api/openapi.json</code></a>.</p>
<table>{rows}</table></body></html>
"""
