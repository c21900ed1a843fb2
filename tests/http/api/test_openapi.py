"""Tests of headend.http.api.openapi, page and routes: how the API describes itself."""

import re
from pathlib import Path
from typing import Any

import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator
from tests.web import Web, serve

from headend.http.server import HttpServer

SKIPPED = {"HEAD", "OPTIONS"}

# Clients that are made of the document call types and functions so.
SCHEMAS = """
AddedRelay AuditEntries AuditEntry Certificate Certificates Finding History Key KeyRequest Keys
Listeners MadeKey Messages NewRelay PastSession PastSessions Problem Relay RelayList
RelayTarget Server Session Sessions Setting Settings SignIn SignedIn SignedToken Stream Streams
Tls TokenRequest Track Webhook WebhookAttempt WebhookDeliveries WebhookDelivery WebhookList
WebhookResent
"""
OPERATIONS = """
audit_audit audit_session_history browsers_sign_in browsers_sign_out browsers_signed_in
events_events keys_create keys_key keys_keys keys_revoke keys_rotate keys_sign relays_add
relays_relays relays_remove server_certificates server_reload server_server server_settings
sessions_kick sessions_session sessions_sessions streams_end_stream streams_rates
streams_stream streams_streams streams_thumbnail webhooks_deliveries webhooks_resend
webhooks_resend_all webhooks_test webhooks_webhooks
"""


async def document(web: Web) -> dict[str, Any]:
    answer = await web.ask("GET", "/api/openapi.json")
    assert (answer.status, answer.type) == (200, "application/json")
    found = answer.json
    assert isinstance(found, dict)
    return found


def operations(found: dict[str, Any]) -> dict[tuple[str, str], dict[str, Any]]:
    return {
        (method.upper(), path): operation
        for path, methods in found["paths"].items()
        for method, operation in methods.items()
    }


async def test_document_is_right_by_the_rules_of_openapi(tmp_path: Path) -> None:
    async with serve(tmp_path) as web:
        found = await document(web)
        assert found["openapi"] == "3.1.0"
        OpenAPIV31SpecValidator(found).validate()


async def test_every_operation_is_in_the_document_and_on_the_page(tmp_path: Path) -> None:
    async with serve(tmp_path) as web:
        described = operations(await document(web))
        http = web.live.services.features[HttpServer]
        served = {
            (route.method, re.sub(r"\{(\w+):.*?\}+", r"{\1}", route.resource.canonical))
            for route in http._runner.app.router.routes()
            if route.resource is not None and route.method not in SKIPPED
        }
        served = {(method, path) for method, path in served if path.startswith("/api/v1/")}
        assert described.keys() == served
        page = (await web.ask("GET", "/api/docs")).body.decode()
        for method, path in described:
            assert f"<td>{method}</td><td><code>{path}</code>" in page


async def test_names_that_clients_know_stay(tmp_path: Path) -> None:
    async with serve(tmp_path) as web:
        found = await document(web)
        named = {operation["operationId"] for operation in operations(found).values()}
        assert set(OPERATIONS.split()) <= named
        assert set(SCHEMAS.split()) <= set(found["components"]["schemas"])


async def test_operations_have_names_of_their_own(tmp_path: Path) -> None:
    async with serve(tmp_path) as web:
        described = operations(await document(web)).values()
        names = [operation["operationId"] for operation in described]
        assert len(names) == len(set(names))
        assert all(operation["summary"] for operation in described)


async def test_only_signing_in_needs_no_token(tmp_path: Path) -> None:
    async with serve(tmp_path) as web:
        for (method, path), operation in operations(await document(web)).items():
            is_open = operation["security"] == []
            assert is_open == (path == "/api/v1/sign-in")
            asked = path.replace("{path}", "live/a").replace("{id}", "1")
            answer = await web.ask(method, re.sub(r"\{\w+\}", "x", asked))
            assert (answer.status == 401) == (not is_open or method == "GET")


async def test_page_needs_nothing_and_every_link_of_it_leads_somewhere(tmp_path: Path) -> None:
    async with serve(tmp_path) as web:
        answer = await web.ask("GET", "/api/docs")
        assert answer.type == "text/html"
        assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
        page = answer.body.decode()
        ids = set(re.findall(r'id="(\w+)"', page))
        links = set(re.findall(r'href="([^"]+)"', page))
        assert {link[1:] for link in links if link.startswith("#")} <= ids
        assert {link for link in links if not link.startswith("#")} == {"openapi.json"}
        for name in (await document(web))["components"]["schemas"]:
            assert f'<h3 id="{name}">' in page


@pytest.mark.parametrize("path", ["/api/v1/streams", "/api/openapi.json", "/api/docs", "/api/x"])
async def test_answers_of_the_api_are_kept_by_nobody(path: str, tmp_path: Path) -> None:
    async with serve(tmp_path) as web:
        shown = {"Authorization": f"Bearer {web.token}"}
        answer = await web.ask("GET", path, headers=shown)
        assert (answer.status == 404) == (path == "/api/x")
        if answer.status == 200:
            assert answer.headers["Cache-Control"] == "no-store"


async def test_method_that_is_not_there_is_told_which_are(tmp_path: Path) -> None:
    async with serve(tmp_path) as web:
        answer = await web.api("PUT", "/streams")
        assert answer.status == 405
        assert answer.headers["Allow"] == "GET"
        assert answer.detail == "PUT is not possible here; use GET."
