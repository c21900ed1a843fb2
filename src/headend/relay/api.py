"""The API's part about relays: their state; one is added or removed."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from aiohttp import web
from pydantic import Field

from headend.errors import DatabaseError, SettingsError
from headend.features.routes import Route
from headend.http.api.auditing import TARGET
from headend.http.api.models import Model
from headend.http.api.route import V1, read_body
from headend.http.problems import Problem
from headend.relay.status import Direction, RelayStatus
from headend.settings.relay_presets import PRESETS

if TYPE_CHECKING:
    from headend.relay.relays import Relays


class RelayList(Model):
    """All relays."""

    relays: list[RelayStatus]


class NewRelay(Model):
    """A relay to add; as in the settings."""

    direction: Direction
    match: str | list[str] = Field(description='Patterns of streams, such as "live/*".')
    url: str | list[str] = Field(
        default="", description="Where to, or from in this order; {app} and {name} are filled in."
    )
    key: str = Field(
        default="", description="Stream key, joined to the URL as it is; it is never shown again."
    )
    preset: str = Field(default="", description=f"Platform: {', '.join(PRESETS)}.")
    on_demand: bool = Field(default=True, description="Fetch while somebody watches.")
    fingerprint: str = Field(default="", description="SHA-256 of the one certificate to trust.")
    insecure: bool = Field(default=False, description="Trust any certificate.")


class RelayPreset(Model):
    """A platform that streams are relayed to."""

    name: str = Field(description="For `preset` of a relay.")
    title: str
    url: str = Field(
        description="Where to publish; empty: every account has an address of its own."
    )


class RelayPresets(Model):
    """All platforms that are known."""

    presets: list[RelayPreset]


class AddedRelay(Model):
    """A relay that was added."""

    id: str


def routes(relays: "Relays") -> Sequence[Route]:
    """List the operations."""
    api = _Relays(relays)
    return (
        Route("GET", f"{V1}/relays", "Relays to and from other servers.", api.relays, RelayList),
        Route("POST", f"{V1}/relays", "Add a relay; it is kept over a restart.", api.add,
              AddedRelay, NewRelay, status=201, statuses=(503,), action="relay.add"),
        Route("DELETE", f"{V1}/relays/{{relay}}", "End a relay that was added, and forget it.",
              api.remove, statuses=(404, 409, 503), action="relay.remove"),
        Route("GET", f"{V1}/relay-presets", "Platforms that streams are relayed to.", api.presets,
              RelayPresets),
    )  # fmt: skip


class _Relays:
    def __init__(self, relays: "Relays") -> None:
        self._relays: Final = relays

    async def relays(self, request: web.Request) -> RelayList:
        return RelayList(relays=list(self._relays.described()))

    async def presets(self, request: web.Request) -> RelayPresets:
        known = PRESETS.items()
        return RelayPresets(
            presets=[RelayPreset(name=name, title=each.title, url=each.url) for name, each in known]
        )

    async def add(self, request: web.Request) -> AddedRelay:
        body = await read_body(request, NewRelay)
        spec = body.model_dump(exclude={"direction"}, exclude_defaults=True)
        spec["match"] = body.match
        self._relays.hide([body.key])  # the log hides it from now on
        try:
            id = request[TARGET] = await self._relays.add(body.direction, spec)
            return AddedRelay(id=id)
        except SettingsError as error:
            raise Problem(422, f"{error}.") from None
        except DatabaseError as error:
            raise _away(error) from None

    async def remove(self, request: web.Request) -> None:
        wanted = request.match_info["relay"]
        relays = self._relays
        try:
            if await relays.remove(wanted):
                return
        except DatabaseError as error:
            raise _away(error) from None
        if any(each.id == wanted for each in relays.described()):
            raise Problem(409, "This relay is in the settings: remove it there.")
        raise Problem(404, "There is no such relay.", title="Relay not found")


def _away(error: DatabaseError) -> Problem:
    return Problem(503, f"{error}.", headers={"Retry-After": "5"})
