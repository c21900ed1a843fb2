"""Tests of headend.http.api.route, through operations that use it."""

import asyncio
from pathlib import Path

import pytest
from tests.web import Answer, Web, serve

JSON = {"Content-Type": "application/json"}


async def sign_in(web: Web, data: bytes, **headers: str) -> Answer:
    return await web.ask("POST", "/api/v1/sign-in", data=data, headers={**JSON, **headers})


@pytest.mark.parametrize("limit", ["0", "1001", "-1", "x", "", "1.5", "٣", "9" * 400])
async def test_page_has_1_to_1000_entries(limit: str, tmp_path: Path) -> None:
    async with serve(tmp_path) as web:
        for path in ("/streams", "/sessions"):
            answer = await web.get(f"{path}?limit={limit}")
            assert answer.status == 422
            assert answer.detail == "limit: a number from 1 to 1000 is expected."
        assert (await web.get("/sessions?limit=1000&after=0")).status == 200


@pytest.mark.parametrize("after", ["x", "-1", "", "1" * 16, "live/a"])
async def test_page_of_a_list_by_number_begins_after_a_number(after: str, tmp_path: Path) -> None:
    async with serve(tmp_path) as web:
        answer = await web.get(f"/sessions?after={after}")
        assert answer.status == 422
        assert answer.detail.startswith("after: a number from 0 to ")


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "the body: Invalid JSON"),
        (b"{", "the body: Invalid JSON"),
        (b"[]", "the body: Input should be an object"),
        (b"{}", "token: Field required"),
        (b'{"token": 7}', "token: Input should be a valid string"),
        (b'{"token": ""}', "token: String should have at least 1 character"),
        (b'{"token": "x", "user": "y"}', "user: Extra inputs are not permitted"),
        (b'\xff{"token": "x"}', "the body: Invalid JSON"),
    ],
)
async def test_body_that_is_wrong_is_told_without_its_values(
    data: bytes, said: str, tmp_path: Path
) -> None:
    async with serve(tmp_path) as web:
        answer = await sign_in(web, data)
        assert answer.status == 422
        assert answer.detail.startswith(said)


async def test_secret_of_a_wrong_body_is_not_repeated(tmp_path: Path) -> None:
    async with serve(tmp_path) as web:
        answer = await sign_in(web, b'{"token": "' + b"hunter2" * 100 + b'"}')
        assert answer.status == 422
        assert b"hunter2" not in answer.body


@pytest.mark.parametrize("type", ["text/plain", "application/x-www-form-urlencoded", ""])
async def test_body_of_another_type_is_refused(type: str, tmp_path: Path) -> None:
    async with serve(tmp_path) as web:
        answer = await sign_in(web, b'{"token": "x"}', **{"Content-Type": type})
        assert answer.status == 415


async def test_body_that_is_too_large_is_refused_whether_its_size_is_told_or_not(
    tmp_path: Path,
) -> None:
    async with serve(tmp_path) as web:
        large = b'{"token": "' + b"x" * 70_000 + b'"}'
        assert (await sign_in(web, large)).status == 413

        async def pieces() -> object:
            for start in range(0, len(large), 1000):
                yield large[start : start + 1000]
                await asyncio.sleep(0)

        answer = await web.ask("POST", "/api/v1/sign-in", data=pieces(), headers=JSON)
        assert answer.status == 413
