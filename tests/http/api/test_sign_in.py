"""Tests of headend.http.api.sign_in and browsers: who may use the API."""

import asyncio
import logging
import socket
from collections.abc import Mapping
from pathlib import Path

import pytest
from tests.harness import log_lines
from tests.web import Answer, Web, serve

from headend.http.api import sign_in as module
from headend.tls.served import ServedCertificates


async def sign_in(web: Web, token: str, **headers: str) -> Answer:
    return await web.ask("POST", "/api/v1/sign-in", json={"token": token}, headers=headers)


def without(csrf: str) -> Mapping[str, str]:
    return {"X-CSRF-Token": csrf} if csrf else {}


async def test_browser_signs_in_and_uses_the_api_with_its_cookie(tmp_path: Path) -> None:
    async with serve(tmp_path) as web:
        assert (await web.ask("GET", "/api/v1/server")).status == 401
        answer = await sign_in(web, web.token)
        assert answer.status == 200
        cookie = answer.headers["Set-Cookie"]
        assert "HttpOnly" in cookie
        assert "SameSite=Strict" in cookie
        assert "Secure" not in cookie
        assert web.token not in cookie
        assert answer.headers["Cache-Control"] == "no-store"
        assert (await web.ask("GET", "/api/v1/server")).status == 200
        again = await web.ask("GET", "/api/v1/sign-in")
        assert again.json == answer.json


async def test_cookie_of_a_browser_that_came_over_tls_stays_there(tmp_path: Path) -> None:
    async with serve(tmp_path, "http.proxies=127.0.0.0/8") as web:
        answer = await sign_in(web, web.token, **{"X-Forwarded-Proto": "https"})
        assert "Secure" in answer.headers["Set-Cookie"]


@pytest.mark.parametrize("csrf", ["", "wrong", "é"])
async def test_browser_changes_nothing_without_its_csrf_token(csrf: str, tmp_path: Path) -> None:
    async with serve(tmp_path) as web:
        right = (await sign_in(web, web.token)).json["csrf"]
        answer = await web.ask("POST", "/api/v1/reload", headers=without(csrf))
        assert answer.status == 403
        assert "X-CSRF-Token" in answer.detail
        assert (await web.ask("POST", "/api/v1/reload", headers=without(right))).status == 200


async def test_bearer_needs_no_csrf_token_and_counts_before_a_cookie(tmp_path: Path) -> None:
    async with serve(tmp_path) as web:
        await sign_in(web, web.token)
        assert (await web.api("POST", "/reload")).status == 200
        wrong = {"Authorization": "Bearer wrong"}
        assert (await web.ask("GET", "/api/v1/server", headers=wrong)).status == 401


async def test_browser_that_signed_out_is_out(tmp_path: Path) -> None:
    async with serve(tmp_path) as web:
        csrf = without((await sign_in(web, web.token)).json["csrf"])
        cookie = {"Cookie": "; ".join(f"{c.key}={c.value}" for c in web.client.cookie_jar)}
        assert (await web.ask("DELETE", "/api/v1/sign-in")).status == 403
        assert (await web.ask("GET", "/api/v1/server")).status == 200
        assert (await web.ask("DELETE", "/api/v1/sign-in", headers=csrf)).status == 204
        assert not list(web.client.cookie_jar)
        kept = await web.ask("GET", "/api/v1/server", headers=cookie)
        assert kept.status == 401
        assert (await web.ask("GET", "/api/v1/sign-in")).detail.startswith("This browser is")
        assert (await web.ask("DELETE", "/api/v1/sign-in")).status == 204


async def test_session_ends_after_half_a_day(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "LIFETIME_S", -1)
    async with serve(tmp_path) as web:
        cookie = (await sign_in(web, web.token)).headers["Set-Cookie"].partition(";")[0]
        answer = await web.ask("GET", "/api/v1/server", headers={"Cookie": cookie})
        assert answer.status == 401


async def test_of_many_sessions_the_oldest_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "SESSIONS", 2)
    async with serve(tmp_path) as web:
        cookies = [
            (await sign_in(web, web.token)).headers["Set-Cookie"].partition(";")[0]
            for _ in range(3)
        ]
        web.client.cookie_jar.clear()
        seen = [
            (await web.ask("GET", "/api/v1/server", headers={"Cookie": cookie})).status
            for cookie in cookies
        ]
        assert seen == [401, 200, 200]


async def test_who_guesses_is_shut_out_for_a_while_even_with_the_right_token(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO):
        async with serve(tmp_path, "http.proxies=127.0.0.0/8") as web:
            guesser = {"X-Forwarded-For": "203.0.113.9"}
            for _ in range(module.WRONG_TOKENS):
                assert (await sign_in(web, "tried-it", **guesser)).status == 401
            answer = await sign_in(web, web.token, **guesser)
            assert answer.status == 429
            assert 0 < int(answer.headers["Retry-After"]) <= 61
            assert (await web.get("/server", headers=guesser)).status == 429
            other = {"X-Forwarded-For": "203.0.113.10"}
            assert (await web.get("/server", headers=other)).status == 200
    assert len(log_lines(caplog, "wrong admin token")) == module.WRONG_TOKENS
    assert not log_lines(caplog, "tried-it")


async def test_wrong_tokens_from_this_machine_shut_its_operator_not_out(tmp_path: Path) -> None:
    async with serve(tmp_path) as web:
        for _ in range(module.WRONG_TOKENS + 1):
            assert (await sign_in(web, "tried-it")).status == 401
        assert (await sign_in(web, web.token)).status == 200
        assert (await web.get("/server")).status == 200


async def test_right_token_forgives_the_wrong_ones_before(tmp_path: Path) -> None:
    async with serve(tmp_path, "http.proxies=127.0.0.0/8") as web:
        peer = {"X-Forwarded-For": "203.0.113.9"}
        for _ in range(3):
            for _ in range(module.WRONG_TOKENS - 1):
                assert (await sign_in(web, "tried-it", **peer)).status == 401
            assert (await sign_in(web, web.token, **peer)).status == 200


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "127.0.0.1:8080",
        "10.1.2.3:80",
        "[::1]:8080",
        "localhost:1",
        "LOCALHOST.",
        socket.gethostname(),
        "live.example.com:443",
    ],
)
async def test_names_of_this_server_are_its_own(host: str, tmp_path: Path) -> None:
    async with serve(tmp_path, "http.hosts=live.example.com") as web:
        assert (await web.get("/server", headers={"Host": host})).status == 200


@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.1.evil.example:8080", "x.live.example.com", "localhost.evil"]
)
async def test_request_for_another_host_is_refused_whatever_it_shows(
    host: str, tmp_path: Path
) -> None:
    async with serve(tmp_path, "http.hosts=live.example.com") as web:
        other = {"Host": host}
        answer = await web.get("/server", headers=other)
        assert answer.status == 421
        assert "http.hosts" in answer.detail
        assert (await sign_in(web, web.token, **other)).status == 421
        for method in ("GET", "DELETE"):
            assert (await web.ask(method, "/api/v1/sign-in", headers=other)).status == 421


async def test_names_of_certificates_are_ours_too(tmp_path: Path) -> None:
    async with serve(tmp_path, "tls.listen=127.0.0.1:0") as web:
        tls = web.live.services.features[ServedCertificates]
        (certificate,) = tls.store.certificates
        object.__setattr__(certificate, "names", ("*.example.org", "a.example.net"))
        for host, status in (
            ("a.example.net", 200),
            ("www.example.org", 200),
            ("example.org", 421),
            ("a.b.example.org", 421),
        ):
            assert (await web.get("/server", headers={"Host": host})).status == status


async def test_request_without_a_host_is_none_of_a_browser(tmp_path: Path) -> None:
    async with serve(tmp_path) as web:
        host, _, port = web.live.server.addresses["http"][0].rpartition(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(
            f"GET /api/v1/server HTTP/1.0\r\nAuthorization: Bearer {web.token}\r\n\r\n".encode()
        )
        assert (await reader.readline()).split()[1] == b"200"
        writer.close()


TOKENS = (
    'auth.api_tokens=[{ name = "grafana", token = "%s" }, '
    '{ name = "deploy", access = "all", token = "%s" }]'
)
READER, CHANGER = "r" * 32, "c" * 32


async def test_declared_token_reads_and_changes_what_its_access_says(tmp_path: Path) -> None:
    async with serve(tmp_path, TOKENS % (READER, CHANGER)) as web:
        for token, status in ((READER, 403), (CHANGER, 200), (web.token, 200), ("x" * 32, 401)):
            bearer = {"Authorization": f"Bearer {token}"}
            seen = await web.ask("GET", "/api/v1/server", headers=bearer)
            assert seen.status == (401 if status == 401 else 200)
            assert (await web.ask("POST", "/api/v1/reload", headers=bearer)).status == status


async def test_browser_may_do_what_the_token_may_that_it_signed_in_with(tmp_path: Path) -> None:
    async with serve(tmp_path, TOKENS % (READER, CHANGER)) as web:
        for token, status in ((READER, 403), (CHANGER, 200)):
            csrf = without((await sign_in(web, token)).json["csrf"])
            assert (await web.ask("GET", "/api/v1/server")).status == 200
            assert (await web.ask("POST", "/api/v1/reload", headers=csrf)).status == status
            assert (await web.ask("DELETE", "/api/v1/sign-in", headers=csrf)).status == 204


async def test_browser_is_out_when_its_token_is_taken_out_of_the_settings(tmp_path: Path) -> None:
    file = tmp_path / "headend.toml"
    file.write_text(f'[[auth.api_tokens]]\nname = "a"\ntoken = "{READER}"\n')
    async with serve(tmp_path / "data", path=file) as web:
        await sign_in(web, READER)
        assert (await web.ask("GET", "/api/v1/server")).status == 200
        file.write_text("")
        web.live.server.reload()
        assert (await web.ask("GET", "/api/v1/server")).status == 401


@pytest.mark.parametrize("token", ["\\ud800", "\\udcff", "é", "\\u0000"])
async def test_token_of_odd_characters_is_wrong_and_no_more(token: str, tmp_path: Path) -> None:
    async with serve(tmp_path) as web:
        body, kind = f'{{"token": "{token}"}}'.encode(), {"Content-Type": "application/json"}
        answer = await web.ask("POST", "/api/v1/sign-in", data=body, headers=kind)
        assert answer.status in (401, 422)
