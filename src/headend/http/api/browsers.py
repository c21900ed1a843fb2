"""The API's part about browsers: they sign in with the admin token, and out."""

from collections.abc import Sequence
from typing import Final

from aiohttp import web

from headend.features.routes import Route
from headend.http import access
from headend.http.api import models
from headend.http.api.auditing import ACTOR
from headend.http.api.route import V1, json_response, read_body
from headend.http.api.sign_in import COOKIE, LIFETIME_S, SignIns, session_actor
from headend.http.problems import Problem
from headend.live.services import Services


def routes(services: Services, sign_ins: SignIns) -> Sequence[Route]:
    """List the operations."""
    api = _Browsers(services, sign_ins)
    path = f"{V1}/sign-in"
    return (
        Route("POST", path, "Sign a browser in.", api.sign_in, models.SignedIn, models.SignIn,
              is_open=True, statuses=(401, 429), action="sign-in"),
        Route("GET", path, "The session of this browser.", api.signed_in, models.SignedIn,
              is_open=True, statuses=(401,)),
        Route("DELETE", path, "Sign this browser out.", api.sign_out, is_open=True,
              statuses=(403,), action="sign-out"),
    )  # fmt: skip


class _Browsers:
    def __init__(self, services: Services, sign_ins: SignIns) -> None:
        self._services: Final = services
        self._sign_ins: Final = sign_ins

    async def sign_in(self, request: web.Request) -> web.Response:
        self._sign_ins.check_host(request)
        body = await read_body(request, models.SignIn)
        id, session = self._sign_ins.sign_in(request, body.token)
        request[ACTOR] = session_actor(session)
        response = json_response(models.SignedIn(csrf=session.csrf))
        response.set_cookie(
            COOKIE,
            id,
            max_age=LIFETIME_S,
            httponly=True,
            samesite="Strict",
            secure=access.is_secure(self._services, request),
        )
        return response

    async def signed_in(self, request: web.Request) -> models.SignedIn:
        self._sign_ins.check_host(request)
        session = self._sign_ins.session(request)
        if session is None:
            raise Problem(401, "This browser is not signed in.")
        return models.SignedIn(csrf=session.csrf)

    async def sign_out(self, request: web.Request) -> web.Response:
        self._sign_ins.check_host(request)
        if (session := self._sign_ins.sign_out(request)) is not None:
            request[ACTOR] = session_actor(session)
        response = web.Response(status=204)
        response.del_cookie(COOKIE, httponly=True, samesite="Strict")
        return response
