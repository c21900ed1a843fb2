"""Tests of headend.http.problems."""

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable

import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request

from headend.errors import Refusal, Rejected
from headend.http.problems import Problem, tell_problems


def answer(error: BaseException, path: str = "/a") -> web.Response:
    async def handler(request: web.Request) -> web.StreamResponse:
        raise error

    called: Awaitable[web.StreamResponse] = tell_problems(make_mocked_request("GET", path), handler)
    response = asyncio.run(_wait(called))
    assert isinstance(response, web.Response)
    return response


async def _wait(called: Awaitable[web.StreamResponse]) -> web.StreamResponse:
    return await called


def document(response: web.Response) -> object:
    assert isinstance(response.body, bytes)
    assert response.content_type == "application/problem+json"
    return json.loads(response.body)


def test_problem_has_the_phrase_of_its_status_and_its_headers() -> None:
    problem = Problem(503, "Too many wait.", headers={"Retry-After": "2"})
    response = answer(problem)
    assert (response.status, response.headers["Retry-After"]) == (503, "2")
    assert document(response) == {
        "type": "about:blank",
        "title": "Service Unavailable",
        "status": 503,
        "detail": "Too many wait.",
    }
    assert str(problem) == "503 Service Unavailable: Too many wait."


def test_problem_may_have_a_title_of_its_own() -> None:
    assert '"title": "Stream not found"' in (
        answer(Problem(404, "…", title="Stream not found")).text or ""
    )


def test_refusal_of_the_policy_is_forbidden_with_its_reason() -> None:
    response = answer(Rejected(Refusal.DENIED, "only over TLS"))
    assert response.status == 403
    assert '"detail": "only over TLS"' in (response.text or "")


def test_errors_of_aiohttp_are_put_into_words() -> None:
    assert "There is nothing" in (answer(web.HTTPNotFound()).text or "")
    assert answer(web.HTTPRequestEntityTooLarge(max_size=1, actual_size=2)).status == 413


def test_redirect_is_an_answer() -> None:
    response = answer(web.HTTPTemporaryRedirect("/b"))
    assert (response.status, response.headers["Location"]) == (307, "/b")


@pytest.mark.parametrize("kept", [Problem(408, "…"), web.HTTPNotFound()])
def test_exception_that_is_kept_holds_nothing_of_the_request(kept: Exception) -> None:
    answer(kept)
    assert kept.__traceback__ is None


@pytest.mark.parametrize("error", [ConnectionResetError(), TimeoutError()])
def test_error_of_the_connection_itself_is_nobodys_answer(error: Exception) -> None:
    with pytest.raises(type(error)):
        answer(error)


@pytest.mark.parametrize("error", [ConnectionRefusedError(), TimeoutError()])
def test_error_of_another_connection_is_a_bug(
    error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        raise error

    request = make_mocked_request("GET", "/a")
    assert request.transport is not None
    request.transport.is_closing.return_value = False  # type: ignore[attr-defined]
    response = asyncio.run(_wait(tell_problems(request, handler)))
    assert response.status == 500
    assert "http GET /a failed: a bug" in caplog.text


def test_bug_is_logged_and_answered_without_what_it_says(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR):
        response = answer(ValueError("secret"), "/a?key=hk_secret")
    assert response.status == 500
    assert "secret" not in (response.text or "")
    assert "http GET /a failed: a bug" in caplog.text


def test_answer_without_error_passes() -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        return web.Response(text="ok")

    middleware: Callable[..., Awaitable[web.StreamResponse]] = tell_problems
    response = asyncio.run(_wait(middleware(make_mocked_request("GET", "/"), handler)))
    assert response.status == 200
