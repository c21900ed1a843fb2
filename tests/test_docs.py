"""The documents: their links lead somewhere, and they are complete."""

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from headend.settings import KEYS, Http, Rtmp, Tls

ROOT = Path(__file__).parent.parent
DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("bench/*.md")])
DECISIONS = sorted(
    set((ROOT / "docs/decisions").glob("*.md")) - {ROOT / "docs/decisions/README.md"}
)

# Modules as the documents name them in code: `logs.py`, `events.py`.
MODULE = re.compile(r"`((?:\w+/)*\w+\.py)`")

# [text](target), and paths in code such as `docs/protocol.md`.
LINK = re.compile(r"\]\(([^)\s]+)\)|`((?:docs|src|tests|bench|examples)/[\w./-]+\.\w+)`")


def links(text: str) -> Iterator[str]:
    """Name what a document links to, without code blocks."""
    for match in LINK.finditer(re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)):
        yield match[1] or match[2]


def anchors(text: str) -> set[str]:
    """Name the headings of a document as links do."""
    headings = re.findall(r"^#+ (.*)$", text, flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@cache
def all_modules() -> tuple[str, ...]:
    """Return the paths of all modules of the project."""
    folders = ("src", "tests", "bench", "examples")
    return tuple(path.as_posix() for folder in folders for path in (ROOT / folder).rglob("*.py"))


def missing_modules(text: str) -> list[str]:
    """Name the modules a document tells of that the project does not have."""
    named = MODULE.findall(text)
    return [name for name in named if not any(path.endswith(f"/{name}") for path in all_modules())]


# A member of a class as the documents name it in code: `Gate.decide`.
MEMBER = re.compile(r"`([A-Z]\w+)\.(\w+)`")


def members(source: str) -> Iterator[tuple[str, str]]:
    """Name the methods, fields and attributes of each class of a source, each with its class."""
    for kind in ast.walk(ast.parse(source)):
        if not isinstance(kind, ast.ClassDef):
            continue
        for node in ast.walk(kind):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                yield kind.name, node.name
            elif isinstance(node, ast.Name | ast.Attribute) and isinstance(node.ctx, ast.Store):
                yield kind.name, node.id if isinstance(node, ast.Name) else node.attr


@cache
def all_members() -> frozenset[tuple[str, str]]:
    """Return the members of all classes of the source."""
    paths = (ROOT / "src").rglob("*.py")
    return frozenset(each for path in paths for each in members(path.read_text("utf-8")))


def missing_members(text: str) -> list[str]:
    """Name the members that a document tells of and no class of the source has."""
    known = all_members()
    return [f"{kind}.{name}" for kind, name in MEMBER.findall(text) if (kind, name) not in known]


def is_alive(link: str, document: Path) -> bool:
    """Tell whether a link leads to a file, and to a heading of it if it names one."""
    if link.startswith(("http://", "https://", "mailto:")):
        return True
    path, _, anchor = link.partition("#")
    target = document.parent / path if path else document
    if not target.exists():
        target = ROOT / path
    return target.exists() and (not anchor or anchor in anchors(target.read_text()))


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_link_leads_somewhere(document: Path) -> None:
    assert [link for link in links(document.read_text()) if not is_alive(link, document)] == []


@pytest.mark.parametrize("link", ["nowhere.md", "README.md#no-such-heading", "`docs/nowhere.md`"])
def test_dead_link_is_found(link: str) -> None:
    text = link if link.startswith("`") else f"[x]({link})"
    (found,) = links(text)
    assert not is_alive(found, ROOT / "README.md")


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_module_that_is_named_is_there(document: Path) -> None:
    assert missing_modules(document.read_text()) == []


def test_module_that_is_not_there_is_found() -> None:
    text = "`logs.py`, `commands.py` and `server/nowhere.py`, `logs/server.py`"
    assert missing_modules(text) == ["server/nowhere.py", "logs/server.py"]


@pytest.mark.parametrize("document", ["docs/architecture.md", "CONTRIBUTING.md"])
def test_every_member_of_a_class_that_is_named_is_there(document: str) -> None:
    assert missing_members((ROOT / document).read_text()) == []


@pytest.mark.parametrize("member", ["Gate.nothing", "Nobody.decide", "Gate.decide_then"])
def test_member_that_is_not_there_is_found(member: str) -> None:
    text = f"`gate.py`: `Gate.decide`, `Runtime.events`, `ReadPace.CALM`, `{member}`"
    assert missing_members(text) == [member]


# Names in a walk that are of sockets, of whatever is attached, and of Python.
OTHERS = frozenset({"recv", "send", "push", "None"})
STEP = re.compile(r"^\d+\. .*?(?=^\d+\. |^$)", re.MULTILINE | re.DOTALL)


def missing_steps(walk: str) -> list[str]:
    """Name the functions of a walk that no module of their step, or of the step before, has."""
    sources = {path.as_posix(): path.read_text() for path in (ROOT / "src").rglob("*.py")}
    missing: list[str] = []
    here = ""
    for step in STEP.findall(walk):
        before, here = here, ""
        for name in re.findall(r"`([\w./]+)`", step):
            if name.endswith(".py"):
                here += "".join(source for path, source in sources.items() if path.endswith(name))
                continue
            is_function = re.fullmatch("[a-z_]+", name) and name not in OTHERS
            if is_function and not re.search(rf"\b(def {name}\(|{name}:)", before + here):
                missing.append(name)
    return missing


def test_every_function_of_a_walk_is_in_a_module_of_its_step() -> None:
    text = (ROOT / "docs" / "architecture.md").read_text()
    walks = re.findall(r"^## A walk.*?(?=^## )", text, flags=re.MULTILINE | re.DOTALL)
    assert len(walks) == 2
    for walk in walks:
        assert missing_steps(walk) == []


def test_function_that_is_in_no_module_of_its_step_is_found() -> None:
    walk = "1. `live/loops.py`: `check_play`, `check_nothing`.\n2. `_wait`: in `net/poller.py`.\n\n"
    assert missing_steps(walk) == ["check_nothing", "_wait"]


def test_decisions_have_numbers_of_their_own() -> None:
    numbers = [path.name[:4] for path in DECISIONS]
    assert all(number.isdigit() for number in numbers)
    assert len(numbers) == len(set(numbers))


def test_index_of_decisions_names_each_and_every_number_that_is_missing() -> None:
    text = (ROOT / "docs" / "decisions" / "README.md").read_text()
    assert set(re.findall(r"^\| \[\d+\]\((.*?)\) \|", text, flags=re.MULTILINE)) == {
        path.name for path in DECISIONS
    }
    numbers = {int(path.name[:4]) for path in DECISIONS}
    missing = {int(number) for number in re.findall(r"^\| (\d{4}) \|", text, flags=re.MULTILINE)}
    assert missing == set(range(1, max(numbers))) - numbers


SECTIONS = {key.partition(".")[0] for key in KEYS if "." in key}
SETTING = re.compile(rf"`((?:{'|'.join(sorted(SECTIONS))})\.[a-z_.]+)\b(?![(/])")


def missing_settings(text: str) -> list[str]:
    """Name the settings that a document tells of and that are not there."""
    source = "".join(path.read_text() for path in (ROOT / "src").rglob("*.py"))
    text = re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)
    return [
        name
        for name in SETTING.findall(text)
        if name.removesuffix("_file") not in KEYS
        and not any(key.startswith(f"{name}.") for key in KEYS)
        and not name.endswith(".py")
        and f'"{name}"' not in source  # an event or an entry of the audit trail
    ]


@pytest.mark.parametrize(
    "document", [ROOT / "README.md", *ROOT.glob("docs/*.md"), *ROOT.glob("docs/encoders/*.md")]
)
def test_every_setting_that_a_manual_names_is_there(document: Path) -> None:
    assert missing_settings(document.read_text()) == []


def test_setting_that_is_not_there_is_found() -> None:
    text = "`live.wait_s`, `tls.acme`, `relay.changed`, `auth.database_file` and `live.weight_s`"
    assert missing_settings(text) == ["live.weight_s"]


def test_readme_names_every_section_of_the_settings() -> None:
    readme = (ROOT / "README.md").read_text()
    assert [key for key in KEYS if f"`{key.split('.')[0]}" not in readme] == []


def texts() -> list[Path]:
    """Return what a user reads: documents, examples, and the programs' own words."""
    code = [*ROOT.glob("src/headend/**/*.py"), *ROOT.glob("examples/*")]
    return [*DOCUMENTS, *(path for path in code if path.is_file())]


def test_contributors_are_told_of_every_room() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text()
    rooms = set((ROOT / "src" / "headend").glob("*/__init__.py"))
    named = set(re.findall(r"`(\w+)`", text[text.index("| room | has |") :]))
    assert {room.parent.name for room in rooms} - named == set()


def test_no_text_tells_to_install_a_package_that_is_not_there() -> None:
    # There is none on PyPI: it is installed from a checkout.
    named = re.compile(r"pip install (?:-\S+ )*['\"]?headend\b")
    assert [path.name for path in texts() if named.search(path.read_text())] == []


def test_examples_of_other_servers_take_no_port_of_ours() -> None:
    ours = {str(address.port) for listener in (Rtmp, Tls, Http) for address in listener().listen}
    configurations = sorted(ROOT.glob("examples/*.conf"))
    assert configurations
    for path in configurations:
        taken = set(re.findall(r"listen\s+(?:[\d.]+:)?(\d+)", path.read_text()))
        assert taken
        assert not taken & ours, path.name


def test_unit_leaves_no_secrets_in_core_dumps_and_its_user_can_read_the_settings() -> None:
    unit = (ROOT / "examples" / "headend.service").read_text()
    values = dict(line.split("=", 1) for line in unit.splitlines() if re.match(r"[A-Z]\w+=", line))
    assert values["LimitCORE"] == "0"
    user, file = values["User"], "/etc/headend/headend.toml"
    assert f"-c {file} " in values["ExecStart"]
    assert f"useradd --system --home-dir /var/lib/{user}" in unit
    assert f"chown {user}: {file}" in unit  # which headend config init makes for its owner alone
    assert values["StateDirectory"] == user
    assert (
        f"{values['RestartPreventExitStatus']} | wrong usage"
        in (ROOT / "docs" / "guide.md").read_text()
    )
