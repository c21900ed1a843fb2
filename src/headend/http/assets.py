"""The files that browsers get: pages, styles, scripts and libraries.

They are read and compressed once, when the first browser comes, away from the event loop. Addresses
of scripts and styles hold a hash of all files: browsers keep them for good, and a new version of
the server has new addresses.
"""

import asyncio
import re
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from html import escape
from pathlib import Path
from typing import Final

from aiohttp import web

FOLDER: Final = Path(__file__).parents[1] / "web"
LIBRARIES: Final = {"hls.js": "libraries/hls.mjs", "mpegts.js": "libraries/mpegts.js"}
TYPES: Final = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".mjs": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
}
BLANK: Final = re.compile(r"\{\{(\w+)\}\}")
VERSION_CHARACTERS: Final = 12
FOREVER: Final = "public, max-age=31536000, immutable"
FRESH: Final = "no-cache"
PAGE_HEADERS: Final = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
        "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "Referrer-Policy": "no-referrer",
    "X-Frame-Options": "DENY",
}
LEAST_PACKED: Final = 500  # bytes; smaller ones gain nothing


@dataclass(frozen=True, slots=True)
class Asset:
    """One file, as it is and compressed."""

    body: bytes
    packed: bytes
    content_type: str
    etag: str


class Assets:
    """The files that browsers get."""

    def __init__(self, folder: Path = FOLDER) -> None:
        self._folder: Final = folder
        self._loading = asyncio.Lock()
        self._files: Mapping[str, Asset] = {}
        self._version = ""

    def missing(self) -> list[str]:
        """Name the browser libraries that are not there."""
        return [name for name, file in LIBRARIES.items() if not (self._folder / file).is_file()]

    async def page(self, request: web.Request, name: str, values: Mapping[str, str]) -> str:
        """Return a page with its blanks filled in.

        Args:
            request: What the page answers.
            name: Its file.
            values: By blank, which is {{NAME}} in the page; escaped here. `root` and `assets` are
                known: where this server's addresses and these files begin, seen from the page.
        """
        await self._load()
        root = root_of(request)
        known = {"root": root, "assets": f"{root}assets/{self._version}", **values}
        text = self._files[name].body.decode()
        return BLANK.sub(lambda match: escape(known[match[1]]), text)

    async def response(self, request: web.Request, version: str, name: str) -> web.Response:
        """Answer a request for a file.

        Raises:
            HTTPNotFound: There is no such file.
        """
        await self._load()
        asset = self._files.get(name)
        if asset is None or name.endswith(".html"):
            raise web.HTTPNotFound
        headers = {
            "Content-Type": asset.content_type,
            # A page that was loaded before the server was replaced asks by the old version.
            "Cache-Control": FOREVER if version == self._version else FRESH,
            "ETag": asset.etag,
            "Vary": "Accept-Encoding",
        }
        if asset.etag in request.headers.get("If-None-Match", ""):
            return web.Response(status=304, headers=headers)
        if "gzip" in request.headers.get("Accept-Encoding", "").lower():
            if len(asset.packed) < len(asset.body):
                headers["Content-Encoding"] = "gzip"
            return web.Response(body=asset.packed, headers=headers)
        return web.Response(body=asset.body, headers=headers)

    async def _load(self) -> None:
        async with self._loading:
            if not self._files:
                self._files = await asyncio.to_thread(self._read)
                digest = sha256()
                for name, asset in sorted(self._files.items()):
                    digest.update(f"{name} {asset.etag}\n".encode())
                self._version = digest.hexdigest()[:VERSION_CHARACTERS]

    def _read(self) -> dict[str, Asset]:
        paths = [path for path in self._folder.rglob("*") if path.suffix in TYPES]
        return {
            path.relative_to(self._folder).as_posix(): _asset(path.read_bytes(), TYPES[path.suffix])
            for path in paths
        }


ASSETS: Final = web.AppKey("assets", Assets)  # for whatever answers with a page


def root_of(request: web.Request) -> str:
    """Say where this server's addresses begin, seen from a page: `./`, `../../`.

    A proxy may show the server below a path of its own, which the server need not know.
    """
    depth = request.rel_url.raw_path.count("/") - 1
    return "../" * depth or "./"


def _asset(body: bytes, content_type: str) -> Asset:
    packed = body
    if len(body) >= LEAST_PACKED:
        made = zlib.compressobj(9, zlib.DEFLATED, 31)  # 31: as gzip
        packed = made.compress(body) + made.flush()
    return Asset(body, packed, content_type, f'"{sha256(body).hexdigest()[:16]}"')
