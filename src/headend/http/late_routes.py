"""Routes that may be added while the server runs; aiohttp's own are fixed once it has started."""

from collections.abc import Iterator, Mapping
from typing import NoReturn

from aiohttp import web

from headend.features.routes import Handler


class LateRoutes(web.AbstractResource):
    """A place among the routes of the server that holds more of them, in the order of adding.

    A request comes here when nothing before it at the same address, or deeper, takes it.
    """

    def __init__(self, canonical: str) -> None:
        """Begin without routes.

        Args:
            canonical: Address below which all of them are.
        """
        super().__init__()
        self._canonical = canonical
        self._router = web.UrlDispatcher()

    def add(self, method: str, path: str, handler: Handler) -> None:
        """Add a route."""
        self._router.add_route(method, path, handler)

    async def resolve(
        self, request: web.Request
    ) -> tuple[web.UrlMappingMatchInfo | None, set[str]]:
        # Not by the router itself: it answers what it does not know with an exception.
        allowed: set[str] = set()
        for resource in self._router.resources():
            found, methods = await resource.resolve(request)
            if found is not None:
                return found, methods
            allowed |= methods
        return None, allowed

    @property
    def canonical(self) -> str:
        return self._canonical

    def __len__(self) -> int:
        return len(self._router.routes())

    def __iter__(self) -> Iterator[web.AbstractRoute]:
        return iter(self._router.routes())

    def get_info(self) -> Mapping[str, object]:  # type: ignore[override]
        return {"path": self._canonical}

    def raw_match(self, path: str) -> bool:
        return False

    def url_for(self, **_: str) -> NoReturn:
        raise NotImplementedError

    def add_prefix(self, _: str) -> NoReturn:
        raise NotImplementedError
