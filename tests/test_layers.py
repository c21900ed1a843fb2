"""This module keeps the layers apart: who may import whom, and what pure layers never import."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SOURCE = ROOT / "src"

# What the modules of a layer may import of Headend besides their own layer.
LAYERS = {
    "errors": set(),
    "events": {"errors"},
    "webhooks": {"errors"},
    "settings": {"errors"},
    "media": {"errors"},
    "rtmp": {"errors", "media"},
    "hub": {"errors", "media"},
    "outputs": {"errors", "media", "rtmp", "hub", "settings"},
    "sources": {"errors", "media"},
    "fallback": {"errors", "events", "media", "hub", "settings", "sources", "server"},
    "access": {"errors", "events", "media", "rtmp", "hub", "outputs", "settings"},
    "codec": {"errors", "media", "hub", "outputs"},
    "client": {
        "errors", "media", "rtmp", "hub", "outputs", "settings", "sources", "access", "server",
        "codec",
    },
    "hooks": {"errors", "events", "access"},
    "server": {
        "errors", "events", "webhooks", "hooks", "media", "rtmp", "hub", "outputs", "settings",
        "access",
    },
    "relay": {
        "errors", "events", "media", "rtmp", "hub", "outputs", "settings", "server", "access",
        "client",
    },
    "app": {
        "errors", "events", "media", "rtmp", "hub", "outputs", "settings", "server", "access",
        "fallback", "relay", "hooks",
    },
    "embed": {
        "errors", "events", "media", "rtmp", "hub", "outputs", "settings", "server", "access",
        "codec", "client", "app", "hooks",
    },
    "testing": {
        "errors", "events", "media", "rtmp", "hub", "outputs", "settings", "server", "access",
        "codec", "client", "app", "embed",
    },
    "pytest_plugin": {"testing"},
    "cli": {
        "errors", "events", "media", "rtmp", "hub", "outputs", "settings", "sources", "server",
        "access", "client", "app",
    },
    "__main__": {"cli"},
    "__init__": {"errors", "hooks", "media", "settings", "codec", "client", "embed"},
}  # fmt: skip

# Time, randomness and input are arguments there, so that every timeout is testable in microseconds.
PURE = {"media", "rtmp", "hub", "outputs"}
IMPURE_MODULES = {
    "asyncio", "logging", "os", "random", "secrets", "selectors", "socket", "ssl", "subprocess",
    "threading", "time",
}  # fmt: skip

MODULES = sorted((SOURCE / "headend").rglob("*.py"))


def imports(tree: ast.AST) -> Iterator[str]:
    """Name what a module imports, as dotted names; a relative import starts with a dot."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            module = "." * node.level + (node.module or "")
            # `from headend import app` imports the module headend.app.
            yield from (f"{module}.{alias.name}" for alias in node.names)


def layer_of(name: str) -> str:
    """Name the layer of `headend.media.tag` or of `headend.__version__`, which is the package."""
    layer = name.split(".")[1]
    return layer if layer in LAYERS else "__init__"


def faults(layer: str, source: str) -> list[str]:
    """Name the imports that a module of a layer must not have."""
    found = []
    for name in imports(ast.parse(source)):
        root = name.split(".")[0]
        if (
            name.startswith(".")
            or (root == "headend" and layer_of(name) not in LAYERS[layer] | {layer, "__init__"})
            or (layer in PURE and root in IMPURE_MODULES)
        ):
            found.append(name)
    return found


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_module_imports_only_what_its_layer_may(path: Path) -> None:
    layer = path.relative_to(SOURCE / "headend").parts[0].removesuffix(".py")
    assert layer in LAYERS, f"{layer} has no place in LAYERS"
    assert faults(layer, path.read_text()) == []


@pytest.mark.parametrize(
    ("layer", "source", "found"),
    [
        ("media", "import asyncio", ["asyncio"]),
        ("hub", "def f():\n    from time import monotonic", ["time.monotonic"]),
        ("outputs", "import os.path as p", ["os.path"]),
        ("rtmp", "from headend.hub import stream", ["headend.hub.stream"]),
        ("hub", "from headend import rtmp", ["headend.rtmp"]),
        ("media", "from . import tag", ["..tag"]),
        ("server", "import time\nfrom headend.access import policy", []),
        ("cli", "from headend import __version__, app", []),
    ],
)
def test_rules_find_what_breaks_them(layer: str, source: str, found: list[str]) -> None:
    assert faults(layer, source) == found


def test_architecture_tells_of_every_layer_and_what_it_may_import() -> None:
    text = (ROOT / "docs" / "architecture.md").read_text()
    table = text.partition("| layer | knows | may import |")[2].partition("\n\n")[0]
    told = {
        layer: set(re.findall(r"\w+", imported))
        for layer, imported in re.findall(r"^\| `(\w+)` \|.*\| (.*) \|$", table, flags=re.MULTILINE)
    }
    packages = {path.stem for path in (SOURCE / "headend").iterdir() if path.stem in LAYERS}
    outside = {"__init__", "__main__", "pytest_plugin"}
    assert told == {layer: LAYERS[layer] - {"errors"} for layer in packages - outside}
