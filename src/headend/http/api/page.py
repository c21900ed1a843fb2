"""The API on a page for people, made of the same routes and models as the document."""

from collections.abc import Iterator, Mapping, Sequence
from html import escape
from itertools import groupby
from typing import Final

from headend.features.routes import Route
from headend.http.api import openapi

_STYLE: Final = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;"
    "color-scheme:light dark}code{font:14px ui-monospace,monospace}"
    "table{border-collapse:collapse;width:100%;margin-bottom:1rem}"
    "td{padding:.4rem .6rem;border-top:1px solid #8884;vertical-align:top}"
    "td:first-child{width:5rem;font-weight:600}h3{margin-bottom:.2rem}"
    "#models td:first-child{width:14rem}"
)


def page(routes: Sequence[Route]) -> str:
    """Return the page, which needs nothing but itself."""
    parts = "".join(_part(tag, list(group)) for tag, group in groupby(routes, openapi.tag_of))
    models = "".join(_model(name, schema) for name, schema in openapi.schemas(routes).items())
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Headend API</title>
<meta name="viewport" content="width=device-width"><style>{_STYLE}</style></head><body>
<h1>Headend API</h1>
<p>Send the admin token, which is in the file <code>admin.token</code> of the data folder:
<code>Authorization: Bearer TOKEN</code>. Errors are problem documents (RFC 9457). The same as
OpenAPI 3.1: <a href="openapi.json"><code>/api/openapi.json</code></a>.</p>
{parts}<section id="models"><h2>Models</h2>{models}</section></body></html>
"""


def _part(tag: str, routes: Sequence[Route]) -> str:
    rows = "\n".join(
        f"<tr><td>{route.method}</td><td><code>{escape(route.path)}</code><br>{_more(route)}</td>"
        f"<td>{escape(route.summary)}</td></tr>"
        for route in routes
    )
    return f"<h2>{escape(tag.replace('_', ' ').capitalize())}</h2><table>{rows}</table>\n"


def _more(route: Route) -> str:
    """Say what goes in and what comes out."""
    words = []
    if route.query:
        words.append(", ".join(f"<code>?{escape(name)}=</code>" for name in route.query))
    if route.body is not None:
        words.append(f"takes {_link(openapi.name_of(route.body))}")
    if route.answer is not None:
        words.append(f"gives {_link(openapi.name_of(route.answer))}")
    elif route.content_type != "application/json":
        words.append(f"gives <code>{escape(route.content_type)}</code>")
    return "; ".join(words)


def _model(name: str, schema: Mapping[str, object]) -> str:
    rows = "\n".join(
        f"<tr><td><code>{escape(field)}</code></td><td>{form}</td><td>{escape(text)}</td></tr>"
        for field, form, text in _fields(schema)
    )
    text = escape(str(schema.get("description", "")))
    return f'<h3 id="{escape(name)}">{escape(name)}</h3><p>{text}</p><table>{rows}</table>\n'


def _fields(schema: Mapping[str, object]) -> Iterator[tuple[str, str, str]]:
    """Name a model's fields, with their form and what they mean."""
    properties = schema.get("properties", {})
    assert isinstance(properties, dict)
    for field, told in properties.items():
        yield field, _form(told), str(told.get("description", ""))


def _form(told: Mapping[str, object]) -> str:
    """Say in a word or two what values look like."""
    if reference := told.get("$ref"):
        return _link(str(reference).rpartition("/")[2])
    if isinstance(choices := told.get("anyOf"), list):
        return " or ".join(map(_form, choices))
    if isinstance(values := told.get("enum"), list):
        return " or ".join(f"<code>{escape(str(value))}</code>" for value in values)
    if isinstance(items := told.get("items"), dict):
        return f"list of {_form(items)}"
    if isinstance(values := told.get("additionalProperties"), dict):
        return f"by name: {_form(values)}"
    return escape(str(told.get("type", "any")))


def _link(name: str) -> str:
    return f'<a href="#{escape(name)}">{escape(name)}</a>'
