"""The layers: who may import whom, exactly, and what pure layers never import."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SOURCE = ROOT / "src"

# What the modules of a layer may import of Headend besides their own layer, ground floor first.
LAYERS = {
    "errors": set(),
    "redaction": set(),
    "names": {"errors", "redaction"},
    "files": {"errors"},
    "log_writer": set(),
    "logs": {"redaction", "log_writer"},
    "decisions": set(),
    "directory": {"errors"},
    "events": set(),
    "webhooks": {"errors"},
    "hooks": {"decisions", "events"},
    "trust": {"errors"},
    "srt_url": {"errors", "redaction"},
    "settings": {"errors", "names", "redaction", "trust", "srt_url"},
    "media": {"errors"},
    "rtmp": {"errors", "redaction", "names", "media"},
    "hub": {"errors", "media"},
    "outputs": {"errors", "media", "rtmp", "hub"},
    "codec": {"errors", "media"},
    "sources": {"errors", "media", "codec"},
    "net": {"errors", "redaction", "logs", "decisions", "events", "trust", "settings"},
    "features": {"errors", "settings", "hub", "net"},
    "tls": {"errors", "files", "logs", "events", "settings", "net", "features"},
    "libsrt": {"errors", "srt_url", "net"},
    "client": {
        "errors", "redaction", "media", "rtmp", "hub", "outputs", "codec", "sources", "net",
        "srt_url", "libsrt",
    },
    "store": {
        "errors", "names", "files", "logs", "decisions", "events", "settings", "rtmp",
        "net", "features",
    },
    "objects": {"errors", "settings"},
    "access": {
        "errors", "names", "logs", "decisions", "events", "settings", "rtmp", "net",
        "store",
    },
    "hls": {
        "errors", "logs", "decisions", "settings", "media", "hub", "codec", "net",
        "features", "access",
    },
    "thumbnails": {"errors", "logs", "media", "hub", "codec", "net", "features"},
    "live": {
        "errors", "logs", "decisions", "events", "settings", "media", "rtmp", "hub",
        "outputs", "net", "features", "tls", "access", "hls",
    },
    "http": {
        "errors", "redaction", "names", "logs", "decisions", "directory", "events", "settings",
        "rtmp", "hub", "outputs", "net", "features", "tls", "store", "access", "hls", "thumbnails",
        "live",
    },
    "notify": {
        "errors", "redaction", "logs", "decisions", "events", "webhooks", "hooks",
        "settings", "net", "features", "store", "access", "http",
    },
    "fallback": {
        "errors", "logs", "events", "settings", "media", "hub", "codec", "sources",
        "features", "live",
    },
    "relay": {
        "errors", "redaction", "logs", "decisions", "events", "trust", "srt_url", "settings",
        "media", "rtmp", "hub", "outputs", "net", "libsrt", "features", "client",
        "store", "live", "http",
    },
    "elsewhere": {
        "errors", "logs", "decisions", "directory", "events", "trust", "media", "rtmp", "hub",
        "features", "access", "live", "relay",
    },
    "cluster": {"errors", "logs", "directory", "settings", "features", "live", "http"},
    "drain": {"features", "live", "http"},
    "cdn": {"errors", "logs", "settings", "hub", "features", "objects", "hls", "live"},
    "record": {
        "errors", "names", "logs", "events", "settings", "media", "hub", "codec", "net", "features",
        "store", "objects", "hls", "live", "http",
    },
    "vod": {
        "errors", "media", "codec", "net", "features", "hls", "live", "http", "record",
    },
    "srt": {
        "errors", "logs", "decisions", "settings", "media", "rtmp", "hub", "outputs", "net",
        "libsrt", "features", "access", "live",
    },
    "workers": {"errors", "directory", "events", "settings", "net"},
    "app": {
        "errors", "redaction", "files", "logs", "decisions", "directory", "events", "hooks",
        "trust", "settings", "rtmp", "hub", "net", "features", "tls", "store", "access", "hls",
        "thumbnails", "live", "http", "notify", "fallback", "relay", "elsewhere", "cluster", "cdn",
        "record", "vod", "srt", "workers", "drain",
    },
    "embed": {
        "errors", "names", "decisions", "events", "hooks", "settings", "media", "rtmp", "hub",
        "outputs", "codec", "net", "store", "access", "live", "app",
    },
    "testing": {
        "errors", "decisions", "events", "settings", "media", "rtmp", "codec", "net", "tls",
        "client", "live", "app", "embed",
    },
    "pytest_plugin": {"testing"},
    "cli": {
        "errors", "redaction", "names", "files", "logs", "srt_url", "settings", "media", "rtmp",
        "codec", "sources", "net", "libsrt", "tls", "client", "store", "objects", "access",
        "live", "http", "relay", "cluster", "record", "app", "drain",
    },
    "__main__": {"cli"},
    "__init__": {"hooks", "settings", "media", "codec", "features", "embed"},
}  # fmt: skip

# Time, randomness and input are arguments there, so that every timeout is testable in microseconds.
PURE = {"media", "rtmp", "hub", "outputs"}
PURE_MODULES = (
    *(
        f"hls/{path.stem}"
        for path in (SOURCE / "headend/hls").glob("*.py")
        if path.stem not in ("streams", "viewers")
    ),
    *("codec/package", "codec/packets", "codec/tracks", "codec/times", "codec/pictures"),
)
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


def used(layer: str) -> set[str]:
    """Name the layers that the modules of a layer import."""
    folder = SOURCE / "headend" / layer
    modules = folder.rglob("*.py") if folder.is_dir() else [folder.with_suffix(".py")]
    names = {name for path in modules for name in imports(ast.parse(path.read_text()))}
    found = {layer_of(name) for name in names if name.startswith("headend.")}
    return found - {layer, "__init__"}


@pytest.mark.parametrize("layer", LAYERS)
def test_each_right_of_a_layer_is_used(layer: str) -> None:
    assert LAYERS[layer] - used(layer) == set()


def test_layers_stand_on_those_before_them() -> None:
    order = list(LAYERS)
    for number, (layer, imported) in enumerate(LAYERS.items()):
        assert imported <= set(order[:number]), f"{layer} imports what stands above it"


@pytest.mark.parametrize(("room", "library"), [("codec", "av"), ("objects", "obstore")])
def test_one_room_alone_knows_a_library(room: str, library: str) -> None:
    users = {
        path.relative_to(SOURCE / "headend").parts[0]
        for path in MODULES
        if any(name.split(".")[0] == library for name in imports(ast.parse(path.read_text())))
    }
    assert users == {room}


@pytest.mark.parametrize("name", [*PURE_MODULES])
def test_pure_modules_of_other_layers_take_time_and_input_as_arguments(name: str) -> None:
    text = (SOURCE / "headend" / f"{name}.py").read_text()
    roots = {imported.split(".")[0] for imported in imports(ast.parse(text))}
    assert roots & IMPURE_MODULES == set()


@pytest.mark.parametrize(
    ("layer", "source", "found"),
    [
        ("media", "import asyncio", ["asyncio"]),
        ("hub", "def f():\n    from time import monotonic", ["time.monotonic"]),
        ("outputs", "import os.path as p", ["os.path"]),
        ("rtmp", "from headend.hub import stream", ["headend.hub.stream"]),
        ("hub", "from headend import rtmp", ["headend.rtmp"]),
        ("media", "from . import tag", ["..tag"]),
        ("live", "import time\nfrom headend.access import policy", []),
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
