"""Charts filled in: the part of Go's templates, and of Helm's functions, that our chart uses.

It stands in for Helm, which no package registry has. What it does not know is an error, so a
template that needs more is noticed.
"""

import hashlib
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import yaml

TOKEN = re.compile(r"(\{\{-?\s*(?:\"[^\"]*\"|[^}])*?\s*-?\}\})", re.DOTALL)
WORD = re.compile(r'"[^"]*"|\([^)]*\)|\S+')

# A template is text, or (words of a block, what is in it, what is in its "else").
Node = str | tuple[str, list[Any], list[Any]]


def render(chart: Path, values: Mapping[str, Any], release: str = "live") -> list[dict[str, Any]]:
    """Return the objects that a chart makes.

    Args:
        chart: Its folder.
        values: What differs from its `values.yaml`.
        release: The name of the release.
    """
    about = yaml.safe_load((chart / "Chart.yaml").read_text())
    defaults = yaml.safe_load((chart / "values.yaml").read_text())
    scope = {
        "Values": _merged(defaults, values),
        "Release": {"Name": release},
        "Chart": {"AppVersion": about["appVersion"], "Version": about["version"]},
    }
    parts: dict[str, list[Node]] = {}
    for path in sorted((chart / "templates").glob("*.tpl")):
        _text(_parse(path.read_text()), scope, scope, parts)
    made: list[dict[str, Any]] = []
    for path in sorted((chart / "templates").glob("*.yaml")):
        text = _text(_parse(path.read_text()), scope, scope, parts)
        made += [each for each in yaml.safe_load_all(text) if each is not None]
    return made


def _merged(one: Any, other: Any) -> Any:
    if not isinstance(one, Mapping) or not isinstance(other, Mapping):
        return other
    return {**one, **{key: _merged(one.get(key), value) for key, value in other.items()}}


def _parse(text: str) -> list[Node]:
    text = re.sub(r"\s*\{\{- ", "{{ ", text)
    text = re.sub(r" -\}\}\s*", " }}", text)
    tokens = [token for token in TOKEN.split(text) if token]
    nodes, rest = _block(tokens)
    assert not rest, f"an end too many: {rest[0]}"
    return nodes


def _block(tokens: list[str]) -> tuple[list[Node], list[str]]:
    nodes: list[Node] = []
    while tokens:
        token = tokens[0]
        words = token[2:-2].strip() if token.startswith("{{") else None
        if words in ("end", "else"):
            return nodes, tokens
        tokens = tokens[1:]
        if words is None:
            nodes.append(token)
            continue
        if words.split()[0] not in ("if", "with", "range", "define"):
            nodes.append((words, [], []))
            continue
        inside, tokens = _block(tokens)
        otherwise: list[Node] = []
        if tokens[0][2:-2].strip() == "else":
            otherwise, tokens = _block(tokens[1:])
        nodes.append((words, inside, otherwise))
        tokens = tokens[1:]
    return nodes, []


def _text(nodes: list[Node], here: Any, top: Any, parts: dict[str, list[Node]]) -> str:
    out: list[str] = []
    for node in nodes:
        if isinstance(node, str):
            out.append(node)
            continue
        words, inside, otherwise = node
        kind, _, rest = words.partition(" ")
        if kind == "define":
            parts[rest.strip('"')] = inside
        elif kind == "range":
            out += [_text(inside, each, top, parts) for each in _value(rest, here, top, parts)]
        elif kind in ("if", "with"):
            value = _value(rest, here, top, parts)
            chosen = inside if value else otherwise
            out.append(_text(chosen, value if kind == "with" and value else here, top, parts))
        else:
            value = _value(words, here, top, parts)
            out.append(str(value).lower() if isinstance(value, bool) else str(value))
    return "".join(out)


def _value(words: str, here: Any, top: Any, parts: dict[str, list[Node]]) -> Any:
    functions: dict[str, Callable[..., Any]] = {
        "include": lambda name, scope: _text(parts[name], scope, top, parts),
        "toYaml": lambda value: yaml.safe_dump(value, sort_keys=False).rstrip("\n"),
        "nindent": lambda count, text: "\n" + _indented(count, text),
        "quote": lambda value: '"' + str(value).replace('"', '\\"') + '"',
        "default": lambda other, value: value or other,
        "sha256sum": lambda text: hashlib.sha256(text.encode()).hexdigest(),
        "ne": lambda one, other: one != other,
    }
    piped: list[Any] = []
    for step in words.split(" | "):
        name, *arguments = WORD.findall(step)
        if name in functions:
            given = [_atom(each, here, top) for each in arguments]
            piped = [functions[name](*given, *piped)]
        else:
            assert not arguments, f"not known here: {step}"
            piped = [_atom(name, here, top)]
    return piped[0]


def _indented(count: int, text: str) -> str:
    return "\n".join(" " * count + line if line else line for line in text.splitlines())


def _atom(word: str, here: Any, top: Any) -> Any:
    if word.startswith('"'):
        return word[1:-1]
    if word.isdigit():
        return int(word)
    if word == ".":
        return here
    assert word.startswith("."), f"not known here: {word}"
    value = top
    for name in word[1:].split("."):
        value = value[name]
    return value
