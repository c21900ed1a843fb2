"""The API's part about webhooks: receivers, what waits for them, sending again."""

from collections.abc import Mapping, Sequence
from time import time
from typing import TYPE_CHECKING, Final, Literal

from aiohttp import web
from pydantic import ConfigDict, Field

from headend.errors import DatabaseError
from headend.features.routes import Route, Schema
from headend.http.api.auditing import TARGET
from headend.http.api.models import Model
from headend.http.api.route import PAGE, V1, page_after, page_limit
from headend.http.problems import Problem
from headend.notify.integrations import Integrations
from headend.notify.webhook_delivery import Attempt, Endpoint
from headend.notify.webhooks import Webhooks
from headend.redaction import shown_url
from headend.store.letter import Letter

if TYPE_CHECKING:
    from headend.store.outbox import Outbox

_QUERY: Final[Mapping[str, Schema]] = {
    **PAGE,
    "after": {"type": "string", "pattern": "^[0-9]{1,15}$"},
    "state": {"type": "string", "enum": ["waiting", "dead"], "default": "waiting"},
}


class ListedWebhook(Model):
    """A receiver of events."""

    model_config = ConfigDict(title="Webhook")

    name: str
    url: str = Field(description="Without its query.")
    events: list[str] = Field(description="Patterns of names.")
    state: Literal["ok", "away"] = Field(description="away: it did not answer several times.")
    waiting: int = Field(description="Events that wait for it in the database.")
    dead: int = Field(description="Events that were given up.")
    delivered: int = Field(description="Since the server started, as `failures`.")
    failures: int = Field(description="Attempts that failed.")
    recent: list[Attempt] = Field(description="The newest attempts, the last one last.")


class WebhookList(Model):
    """All receivers."""

    webhooks: list[ListedWebhook]
    queued: int = Field(description="Events that are not in the database yet.")
    lost: dict[str, int] = Field(
        description="Events that were not kept, by cause: queue (the database was away too long), "
        "held (a receiver was away too long), refusals (too many)."
    )


class WebhookDeliveries(Model):
    """A page of deliveries, in order."""

    deliveries: list[Letter]
    next: str | None = Field(description="For `after`; null: that was all.")


class WebhookResent(Model):
    """What is sent again."""

    resent: int


def routes(integrations: Integrations) -> Sequence[Route]:
    """List the operations."""
    api = _Webhooks(integrations)
    one = f"{V1}/webhooks/{{webhook}}"
    return (
        Route("GET", f"{V1}/webhooks", "Receivers of events.", api.webhooks, WebhookList,
              statuses=(503,)),
        Route("POST", f"{one}/test", "Send a test event now, and tell what came of it.", api.test,
              Attempt, statuses=(404,), action="webhook.test"),
        Route("GET", f"{one}/deliveries", "Events that wait, or were given up.", api.deliveries,
              WebhookDeliveries, query=_QUERY, statuses=(404, 503)),
        Route("POST", f"{one}/resend", "Send all again that were given up.", api.resend_all,
              WebhookResent, statuses=(404, 503),
              action="webhook.resend"),
        Route("POST", f"{one}/deliveries/{{delivery}}/resend", "Send one again that was given up.",
              api.resend, WebhookResent, statuses=(404, 503),
              action="webhook.resend"),
    )  # fmt: skip


class _Webhooks:
    def __init__(self, integrations: Integrations) -> None:
        self._integrations: Final = integrations

    async def webhooks(self, request: web.Request) -> WebhookList:
        made = self._integrations.webhooks
        if made is None:
            return WebhookList(webhooks=[], queued=0, lost={})
        return WebhookList(
            webhooks=[await self._status(made, each) for each in made.endpoints],
            queued=made.queued,
            lost=dict(made.lost),
        )

    async def test(self, request: web.Request) -> Attempt:
        return await self._endpoint(request).test()

    async def deliveries(self, request: web.Request) -> WebhookDeliveries:
        endpoint, limit, after = self._endpoint(request), page_limit(request), page_after(request)
        state = request.query.get("state", "waiting")
        if state not in ("waiting", "dead"):
            raise Problem(422, "state: waiting or dead is expected.")
        outbox = self._outbox()
        try:
            letters = await outbox.page(
                endpoint.webhook.name, is_dead=state == "dead", after=after, limit=limit + 1
            )
        except DatabaseError as error:
            raise _away(error) from None
        page = letters[:limit]
        return WebhookDeliveries(
            deliveries=page,
            next=str(page[-1].sequence) if len(letters) > limit else None,
        )

    async def resend(self, request: web.Request) -> WebhookResent:
        id = request.match_info["delivery"]
        count = await self._resend(self._endpoint(request), id)
        if not count:
            raise Problem(404, "No such event was given up.", title="Delivery not found")
        return WebhookResent(resent=count)

    async def resend_all(self, request: web.Request) -> WebhookResent:
        return WebhookResent(resent=await self._resend(self._endpoint(request), None))

    async def _resend(self, endpoint: Endpoint, id: str | None) -> int:
        try:
            count = await self._outbox().resend(endpoint.webhook.name, time(), id=id)
        except DatabaseError as error:
            raise _away(error) from None
        endpoint.held += count
        endpoint.hurry()
        return count

    async def _status(self, made: Webhooks, endpoint: Endpoint) -> ListedWebhook:
        try:
            waiting, dead = (
                (0, 0) if made.outbox is None else await made.outbox.counts(endpoint.webhook.name)
            )
        except DatabaseError as error:
            raise _away(error) from None
        return ListedWebhook(
            name=endpoint.webhook.name,
            url=shown_url(endpoint.webhook.url),
            events=list(endpoint.webhook.events),
            state="away" if endpoint.is_away else "ok",
            waiting=waiting,
            dead=dead,
            delivered=endpoint.delivered,
            failures=endpoint.failures,
            recent=list(endpoint.recent),
        )

    def _endpoint(self, request: web.Request) -> Endpoint:
        request[TARGET] = request.match_info["webhook"]
        made = self._integrations.webhooks
        endpoint = None if made is None else made.endpoint(request.match_info["webhook"])
        if endpoint is None:
            raise Problem(404, "There is no such webhook.", title="ListedWebhook not found")
        return endpoint

    def _outbox(self) -> "Outbox":
        made = self._integrations.webhooks
        if made is None or made.outbox is None:
            raise Problem(503, "The database is not open yet.", headers={"Retry-After": "1"})
        return made.outbox


def _away(error: DatabaseError) -> Problem:
    return Problem(503, f"{error}.", headers={"Retry-After": "1"})
