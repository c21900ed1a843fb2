"""The documentation site: it builds without a warning, and asks nobody else for anything."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent

# What a browser fetches by itself; a link is followed by a person.
FETCHED = re.compile(r"<(?:script|img|link|iframe|source|video)\b[^>]*?(?:src|href)=\"?([^\"\s>]+)")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, built as `make docs` does."""
    folder = tmp_path_factory.mktemp("site")
    command = (sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder))
    environ = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    done = subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return folder


def test_site_has_a_page_for_every_document(site: Path) -> None:
    documents = [path.relative_to(ROOT / "docs") for path in (ROOT / "docs").rglob("*.md")]
    assert len(documents) > 20
    for document in documents:
        name = document.with_suffix("")
        page = name.parent if name.name in ("index", "README") else name
        assert (site / page / "index.html").is_file(), document


def test_site_asks_nobody_else_for_anything(site: Path) -> None:
    fetched = {
        address for page in site.rglob("*.html") for address in FETCHED.findall(page.read_text())
    }
    assert len(fetched) > 10
    assert [address for address in fetched if re.match(r"(https?:)?//", address)] == []
    styles = "".join(path.read_text() for path in site.rglob("*.css"))
    assert re.findall(r"url\(\"?https?://[^)]*\)", styles) == []


def test_reference_of_python_names_what_is_public(site: Path) -> None:
    page = (site / "python" / "index.html").read_text()
    for name in ("publish", "play", "Server", "on_publish", "ServerThread"):
        assert re.search(rf'id="headend\.[\w.]*\b{name}"', page), name


def test_a_file_that_a_manual_links_to_is_shown_as_text(site: Path) -> None:
    assert (site / "files" / "examples" / "my_hooks.py.txt").read_text() == (
        ROOT / "examples" / "my_hooks.py"
    ).read_text()
