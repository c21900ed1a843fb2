"""A comparison of what the source imports with what pyproject.toml declares."""

import ast
import re
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import packages_distributions, version
from pathlib import Path

import pytest

from headend.settings import extras

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
EXTRAS = PROJECT["optional-dependencies"]
OPTIONAL = [each for extra, needs in EXTRAS.items() if extra != "all" for each in needs]
DEPENDENCIES = [*PROJECT["dependencies"], *OPTIONAL]

# A plugin is imported by the program that it is for.
PLUGIN_OF = {"pytest"}
# pydantic and aiohttp bring these, and have some of their types in their own interfaces.
PARTS = {"multidict", "pydantic-core"}


def name_of(requirement: str) -> str:
    """Return the name of a distribution, as in a file's name."""
    match = re.match(r"[\w.-]+", requirement)
    assert match
    return re.sub(r"[-_.]+", "-", match[0]).lower()


def imported() -> Iterator[str]:
    """Name the packages of others that the source imports, those for types only too."""
    for path in (ROOT / "src").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and not node.level:
                names = [node.module or ""]
            yield from (name.partition(".")[0] for name in names)


def distributions() -> set[str]:
    """Return the distributions that hold what the source imports."""
    known = packages_distributions()
    ours = {"headend", *sys.stdlib_module_names}
    return {name_of(known[name][0]) for name in set(imported()) - ours} - PLUGIN_OF - PARTS


def test_what_is_imported_is_declared_and_nothing_else() -> None:
    needed = {name_of(each) for each in PROJECT["dependencies"]}
    assert distributions() - {name_of(each) for each in OPTIONAL} == needed


def test_extra_all_has_every_other_one() -> None:
    (everything,) = EXTRAS["all"]
    named = everything.removeprefix("headend[").removesuffix("]").split(",")
    assert set(named) == set(EXTRAS) - {"all"}


def test_what_is_missing_is_told_with_the_extra_that_has_it() -> None:
    for module, extra in extras.EXTRAS.items():
        assert module in {name_of(each) for each in EXTRAS[extra]}


@pytest.mark.parametrize("requirement", DEPENDENCIES)
def test_dependency_has_a_least_version_and_ends_before_a_major_one(requirement: str) -> None:
    match = re.fullmatch(r"[\w-]+(?:\[\w+\])?>=([\d.]+),<(\d+)(?:; .*)?", requirement)
    assert match, f"{requirement}: NAME>=1.2,<2"
    installed = tuple(map(int, version(name_of(requirement)).split(".")[:2]))
    assert tuple(map(int, match[1].split("."))) <= (*installed, 9999)
    assert installed[0] < int(match[2]), "the newest is not tested with"
