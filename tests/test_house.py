"""Rules for the house as a whole: what two test modules need is in a module of its own."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
TESTS = sorted((ROOT / "tests").rglob("*.py"))


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
