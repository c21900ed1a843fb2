"""Rules for the house: names of classes, heads of modules, and what test modules may import."""

import ast
from collections import Counter
from collections.abc import Container, Iterable, Iterator, Mapping
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
TESTS = sorted((ROOT / "tests").rglob("*.py"))
SOURCE = ROOT / "src" / "headend"

# Schemas of the management API have the names that its callers know.
API = SOURCE / "http" / "api"
# Names that two things may share, and why.
SHARED = {
    "Recording": "what a player got (headend.testing), and what was written of a stream",
    "Server": "headend.Server is headend.app.Server inside another program",
}


def names_of_classes(modules: Iterable[Path]) -> Counter[str]:
    """Count the classes of each name."""
    trees = (ast.walk(ast.parse(path.read_text())) for path in modules)
    return Counter(node.name for nodes in trees for node in nodes if isinstance(node, ast.ClassDef))


def test_name_of_a_class_names_one_class() -> None:
    counts = names_of_classes(path for path in SOURCE.rglob("*.py") if API not in path.parents)
    assert {name for name, count in counts.items() if count > 1} == SHARED.keys()


def test_class_names_that_occur_twice_are_counted(tmp_path: Path) -> None:
    module = tmp_path / "module.py"
    module.write_text("class A:\n    class B: pass\nclass B: pass\n")
    assert names_of_classes([module]) == {"A": 1, "B": 2}


def imported(source: str) -> Iterator[str]:
    """Name the test modules that a source imports."""
    for node in ast.walk(ast.parse(source)):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        for name in names:
            root, *parts = name.split(".")
            if root == "tests" and any(part.startswith("test_") for part in parts):
                yield name


@pytest.mark.parametrize("path", TESTS, ids=lambda path: str(path.relative_to(ROOT / "tests")))
def test_no_module_imports_a_test_module(path: Path) -> None:
    assert list(imported(path.read_text())) == []


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("from tests.hub.test_stream import AVC", ["tests.hub.test_stream.AVC"]),
        ("def f():\n    import tests.test_client", ["tests.test_client"]),
        ("from tests import test_logs as logs", ["tests.test_logs"]),
        ("from tests.hub.fakes import AVC\nfrom headend import testing", []),
    ],
)
def test_rule_finds_test_modules_that_are_imported(source: str, found: list[str]) -> None:
    assert list(imported(source)) == found


@pytest.mark.parametrize(
    "path", sorted(SOURCE.rglob("*.py")), ids=lambda path: str(path.relative_to(SOURCE))
)
def test_docstring_of_a_module_begins_with_what_it_is(path: Path) -> None:
    text = ast.get_docstring(ast.parse(path.read_text())) or ""
    assert not text.startswith(("This module", "This package"))


# ---------------------------------------------------------------------- circles


def loaded(source: str, known: Container[str]) -> Iterator[str]:
    """Name the modules that a module loads with itself: not in functions, nor for types alone."""
    for node in ast.parse(source).body:
        if isinstance(node, ast.ImportFrom) and node.module is not None:
            for name in node.names:
                inner = f"{node.module}.{name.name}"
                yield inner if inner in known else node.module
        elif isinstance(node, ast.Import):
            yield from (name.name for name in node.names)


def circle(sources: Mapping[str, str]) -> list[str]:
    """Return modules that load one another in a circle; empty: none do."""
    graph = {module: set(loaded(source, sources)) for module, source in sources.items()}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return list(error.args[1])
    return []


def module_of(path: Path) -> str:
    parts = path.relative_to(SOURCE.parent).with_suffix("").parts
    return ".".join(parts).removesuffix(".__init__")


def test_no_modules_load_one_another_in_a_circle() -> None:
    # The package itself loads its public names when they are asked for.
    paths = set(SOURCE.rglob("*.py")) - {SOURCE / "__init__.py"}
    assert circle({module_of(path): path.read_text() for path in paths}) == []


def test_modules_that_load_one_another_are_found() -> None:
    back = "if TYPE_CHECKING:\n    from h.a import A\n\ndef f():\n    import h.a\n"
    assert circle({"h.a": "from h import b", "h.b": back}) == []
    assert circle({"h.a": "from h import b", "h.b": "from h.c import C", "h.c": "import h.a"}) != []
