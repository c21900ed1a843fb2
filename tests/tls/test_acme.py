"""Tests of when a certificate is got, and what is served meanwhile and afterwards."""

import asyncio
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import trustme
from tests.harness import Live, live_server, log_lines, until
from tests.tls_peers import NOW

from headend.errors import SettingsError
from headend.tls import acme
from headend.tls.acme import due_in_s, retry_in_s
from headend.tls.acme_order import AcmeError, Wanted
from headend.tls.certificate_files import Certificate
from headend.tls.served import ServedCertificates

DAY_S = 86_400.0
SETTINGS = (
    "tls.listen=127.0.0.1:0",
    "tls.acme.domains=a.example",
    "tls.acme.directory=https://ca.example/dir",
)
FOLDER = Path("tls", "acme", "ca.example_dir")


def _certificate(days: int, *names: str) -> Certificate:
    return Certificate(
        names=names,
        subject="",
        issuer="",
        not_before=NOW,
        not_after=NOW + timedelta(days=days),
        fingerprint="",
        key_type="",
        is_self_signed=False,
    )


# ---------------------------------------------------------------------- when


def test_certificate_that_is_not_there_is_due() -> None:
    assert due_in_s(None, ("a.example",), NOW) == 0


@pytest.mark.parametrize(("lifetime_days", "due_days"), [(90, 60), (6, 4)])
def test_certificate_is_due_when_a_third_of_its_life_is_left(
    lifetime_days: int, due_days: int
) -> None:
    certificate = _certificate(lifetime_days, "a.example")
    assert due_in_s(certificate, ("a.example",), NOW) == due_days * DAY_S
    later = NOW + timedelta(days=lifetime_days)
    assert due_in_s(certificate, ("a.example",), later) < 0


def test_certificate_that_lacks_a_name_is_due_and_one_with_another_name_more_is_not() -> None:
    certificate = _certificate(90, "a.example", "www.a.example")
    assert due_in_s(certificate, ("a.example",), NOW) > 0
    assert due_in_s(certificate, ("a.example", "b.example"), NOW) == 0


def test_refusals_are_retried_after_twenty_minutes_doubled_up_to_a_day() -> None:
    error = AcmeError("no")
    waits = [retry_in_s(failures, error, 0.0) for failures in (1, 2, 3, 7, 8, 1000)]
    assert waits == [1200, 2400, 4800, 76_800, 86_400, 86_400]
    assert retry_in_s(1, SettingsError("no"), 0.0) == 1200


def test_authority_that_is_away_is_asked_after_half_a_minute_doubled_up_to_an_hour() -> None:
    error = AcmeError("no", is_unreachable=True)
    waits = [retry_in_s(failures, error, 0.0) for failures in (1, 2, 7, 8, 1000)]
    assert waits == [30, 60, 1920, 3600, 3600]


def test_wish_of_the_authority_and_the_lot_only_make_it_later() -> None:
    assert retry_in_s(1, AcmeError("no", retry_after_s=7200), 0.0) == 7200
    assert retry_in_s(1, AcmeError("no", retry_after_s=7), 0.0) == 1200
    assert retry_in_s(1, AcmeError("no"), 1.0) == 1500


# ---------------------------------------------------------------------- what


class Authority:
    """What `obtain` is in these tests.

    Attributes:
        asked: What was wanted, one after the other.
        answer: Is given, or raised.
        gate: Closed, it keeps everybody waiting.
    """

    def __init__(self) -> None:
        self.asked: list[Wanted] = []
        self.answer: bytes | Exception = b""
        self.gate = threading.Event()
        self.gate.set()

    def obtain(self, wanted: Wanted, *_: object) -> bytes:
        self.asked.append(wanted)
        self.gate.wait(10)
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


@pytest.fixture
def authority(monkeypatch: pytest.MonkeyPatch) -> Iterator[Authority]:
    authority = Authority()
    monkeypatch.setattr(acme, "obtain", authority.obtain)
    yield authority
    authority.gate.set()


def _issue(*names: str, days: int = 90, age_days: int = 1) -> bytes:
    now = datetime.now(UTC)
    issued = trustme.CA().issue_cert(
        *names,
        not_before=now - timedelta(days=age_days),
        not_after=now + timedelta(days=days - age_days),
    )
    return issued.private_key_and_cert_chain_pem.bytes()


def _put(data: Path, content: bytes) -> None:
    (data / FOLDER).mkdir(parents=True)
    (data / FOLDER / "certificate.pem").write_bytes(content)


def _names(live: Live) -> list[tuple[str, ...]]:
    tls = live.services.features[ServedCertificates]
    return [each.names for each in tls.store.certificates]


async def test_server_starts_at_once_and_serves_the_certificate_when_it_comes(
    tmp_path: Path, authority: Authority
) -> None:
    authority.gate.clear()
    authority.answer = _issue("a.example")
    async with live_server(tmp_path, *SETTINGS) as live:
        await until(lambda: authority.asked)
        assert "localhost" in _names(live)[0]  # self-signed
        authority.gate.set()
        await until(lambda: _names(live) == [("a.example",)])
        assert (tmp_path / FOLDER / "certificate.pem").stat().st_mode & 0o777 == 0o600
        assert live.services.features[ServedCertificates].acme_failures == 0
    assert len(authority.asked) == 1


async def test_http_is_offered_where_there_is_a_listener(
    tmp_path: Path, authority: Authority
) -> None:
    authority.answer = _issue("a.example")
    async with live_server(tmp_path / "a", *SETTINGS):
        await until(lambda: len(authority.asked) == 1)
    assert authority.asked[0].kinds == ("tls-alpn-01",)
    async with live_server(tmp_path / "b", *SETTINGS, "http.listen=127.0.0.1:0"):
        await until(lambda: len(authority.asked) == 2)
    assert authority.asked[1].kinds == ("tls-alpn-01", "http-01")


async def test_last_certificate_is_served_from_the_start_and_no_other_is_got(
    tmp_path: Path, authority: Authority
) -> None:
    _put(tmp_path, _issue("a.example"))
    async with live_server(tmp_path, *SETTINGS) as live:
        assert _names(live) == [("a.example",)]
        await asyncio.sleep(0.05)
    assert authority.asked == []


async def test_certificate_that_is_about_to_expire_is_served_until_the_new_one_comes(
    tmp_path: Path, authority: Authority
) -> None:
    authority.gate.clear()
    authority.answer = _issue("a.example", "b.example")
    _put(tmp_path, _issue("a.example", age_days=61))
    async with live_server(tmp_path, *SETTINGS) as live:
        await until(lambda: authority.asked)
        assert _names(live) == [("a.example",)]
        authority.gate.set()
        await until(lambda: _names(live) == [("a.example", "b.example")])


async def test_last_certificate_that_cannot_be_served_is_told_and_replaced(
    tmp_path: Path, authority: Authority, caplog: pytest.LogCaptureFixture
) -> None:
    authority.answer = _issue("a.example")
    _put(tmp_path, b"junk")
    async with live_server(tmp_path, *SETTINGS) as live:
        assert log_lines(caplog, "WARNING acme: the last certificate is not served: ")
        await until(lambda: _names(live) == [("a.example",)])


@pytest.mark.parametrize(
    ("answer", "reason", "wait"),
    [
        (AcmeError("a.example: http-01: nobody there"), "http-01: nobody there", "0:2"),
        (AcmeError("away", is_unreachable=True), "away", "0:00:3"),
        (b"junk", "no PEM certificate in it", "0:2"),
        (_issue("b.example"), "lacks a name or is about to expire", "0:2"),
        (TypeError("a bug"), "a bug", "0:2"),
    ],
)
async def test_failure_is_told_counted_and_not_repeated_at_once(
    answer: bytes | Exception,
    reason: str,
    wait: str,
    tmp_path: Path,
    authority: Authority,
    caplog: pytest.LogCaptureFixture,
) -> None:
    authority.answer = answer
    async with live_server(tmp_path, *SETTINGS) as live:
        await until(lambda: live.services.features[ServedCertificates].acme_failures)
        (line,) = log_lines(caplog, "ERROR acme: no certificate for a.example: ")
        assert reason in line
        assert f"; attempt 1, the next one in {wait}" in line
        await asyncio.sleep(0.05)
        player = await live.player("a")  # the server goes on
        player.close()
    assert len(authority.asked) == 1


async def test_failed_attempt_is_repeated_when_its_time_has_come(
    tmp_path: Path,
    authority: Authority,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(acme, "retry_in_s", lambda failures, *_: 0.01 * failures)

    authority.answer = AcmeError("no")
    async with live_server(tmp_path, *SETTINGS) as live:
        await until(lambda: live.services.features[ServedCertificates].acme_failures >= 2)
        assert log_lines(caplog, "; attempt 2, ")
        authority.answer = _issue("a.example")
        await until(lambda: _names(live) == [("a.example",)])


async def test_server_stops_while_an_order_is_on_its_way(
    tmp_path: Path, authority: Authority
) -> None:
    authority.gate.clear()
    async with live_server(tmp_path, *SETTINGS):
        await until(lambda: authority.asked)
    authority.answer = AcmeError("too late")
    authority.gate.set()
    await asyncio.sleep(0.05)


async def test_certificate_stays_when_other_settings_of_tls_change(
    tmp_path: Path, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    _put(tmp_path, _issue("a.example"))
    async with live_server(tmp_path, *SETTINGS) as live:
        monkeypatch.setenv("HEADEND_TLS__PROFILE", "modern")
        assert any("tls.profile" in line for line in live.server.reload())
        assert _names(live) == [("a.example",)]


async def test_answer_of_a_challenge_is_shown_over_http(
    tmp_path: Path, authority: Authority
) -> None:
    authority.gate.clear()
    async with live_server(tmp_path, *SETTINGS, "http.listen=127.0.0.1:0") as live:
        tls = live.services.features[ServedCertificates]
        tls.challenges.add_http("abc", "abc.thumbprint")
        for path, words in (("abc", "200 OK"), ("abd", "404 Not Found")):
            host, _, port = live.server.addresses["http"][0].rpartition(":")
            reader, writer = await asyncio.open_connection(host, int(port))
            request = f"GET /.well-known/acme-challenge/{path} HTTP/1.0\r\n\r\n"
            writer.write(request.encode())
            answer = (await reader.read()).decode()
            assert words in answer.splitlines()[0]
            assert answer.endswith("\r\n\r\nabc.thumbprint") == (path == "abc")
            writer.close()
