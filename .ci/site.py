"""A hook of MkDocs: pages that live outside `docs/`, and links to files that are no pages.

The documents are read in a checkout too, so they link to each other by their paths in it. On the
site, documents outside `docs/` are pages of their own, and every other file of the project is
shown as text.
"""

import posixpath
import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

ROOT = Path(__file__).parent.parent
# Documents outside `docs/`, and where the site has them.
PAGES = {
    "README.md": "overview.md",
    "CHANGELOG.md": "changelog.md",
    "CONTRIBUTING.md": "contributing.md",
    "SECURITY.md": "security.md",
    "CODE_OF_CONDUCT.md": "code-of-conduct.md",
    "bench/README.md": "bench/index.md",
}
PATHS = {there: here for here, there in PAGES.items()}

# [text](target), outside of blocks of code.
LINK = re.compile(r"\]\((?![a-z]+:|#)([^)\s]+)\)")
BLOCK = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)


def on_files(files: Files, config: Any) -> Files:
    """Add the documents from outside `docs/`, and what any document links to."""
    for name, there in PAGES.items():
        files.append(File.generated(config, there, content=(ROOT / name).read_text("utf-8")))
    for target in sorted({t for page in files.documentation_pages() for t in _targets(page)}):
        files.append(File.generated(config, f"files/{target}.txt", content=(ROOT / target).read_text("utf-8")))
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Have links lead to where their targets are on the site."""
    return _outside_code(markdown, lambda text: LINK.sub(lambda found: _link(found, page.file), text))


def _link(found: re.Match[str], page: File) -> str:
    path, mark, anchor = found[1].partition("#")
    target = _in_project(page, path)
    if target.startswith("docs/"):
        where = target.removeprefix("docs/")
    elif target in PAGES:
        where = PAGES[target]
    else:
        where = f"files/{target}.txt"
    return f"]({posixpath.relpath(where, posixpath.dirname(page.src_uri) or '.')}{mark}{anchor})"


def _targets(page: File) -> set[str]:
    """Name the files of the project that a page links to and that are no pages themselves."""
    found: set[str] = set()
    for path in LINK.findall(BLOCK.sub("", page.content_string)):
        target = _in_project(page, path.partition("#")[0])
        if not target.startswith("docs/") and target not in PAGES and (ROOT / target).is_file():
            found.add(target)
    return found


def _in_project(page: File, path: str) -> str:
    """Give the path in the project of what a page names."""
    folder = posixpath.dirname(PATHS.get(page.src_uri, f"docs/{page.src_uri}"))
    return posixpath.normpath(posixpath.join(folder, path))


def _outside_code(markdown: str, change: Any) -> str:
    parts, at = [], 0
    for block in BLOCK.finditer(markdown):
        parts += [change(markdown[at : block.start()]), block[0]]
        at = block.end()
    return "".join([*parts, change(markdown[at:])])
