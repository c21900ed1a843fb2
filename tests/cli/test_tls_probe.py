"""Tests of how TLS servers are asked what they agree to; the servers are real ones."""

import socket
import ssl
from pathlib import Path

import pytest
import trustme
from tests.tls_peers import tcp_server, write_pair

from headend.cli import tls_probe
from headend.cli.tls_probe import Report, probe
from headend.errors import HeadendError, SettingsError
from headend.tls.policy import TlsPolicy

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA(organization_name="Test", organization_unit_name="CA")


@pytest.fixture
def ca(tmp_path: Path, authority: trustme.CA) -> Path:
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    return tmp_path / "ca.pem"


@pytest.fixture
def context(tmp_path: Path, authority: trustme.CA) -> ssl.SSLContext:
    """Of a server as ours."""
    pair = write_pair(tmp_path, authority, "127.0.0.1")
    return TlsPolicy().context(pair.cert, pair.key, lambda sock, name, context: None)


def _probe(context: ssl.SSLContext | None, ca: Path | None = None) -> Report:
    with tcp_server(context) as port:
        return probe("127.0.0.1", port, ca)


def test_server_of_ours_is_seen_as_it_is(context: ssl.SSLContext, ca: Path) -> None:
    report = _probe(context, ca)
    assert dict(report.versions) == {
        "1.0": "refused",
        "1.1": "refused",
        "1.2": "accepted",
        "1.3": "accepted",
    }
    assert report.cipher == "TLS_AES_256_GCM_SHA384"
    assert report.chain[0].names == ("127.0.0.1",)
    assert report.chain[0].issuer == "OU=CA,O=Test"
    assert (report.trust_error, report.has_own_ca) == (None, True)
    assert not report.has_tickets
    assert not report.wants_client_certificate


def test_old_versions_and_tickets_are_seen(tmp_path: Path, authority: trustme.CA) -> None:
    pair = write_pair(tmp_path, authority, "127.0.0.1")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pair.cert, pair.key)
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.minimum_version = ssl.TLSVersion.TLSv1
    report = _probe(context)
    assert set(report.versions.values()) == {"accepted"}
    assert report.has_tickets


def test_chain_is_told_in_the_order_sent(tmp_path: Path, authority: trustme.CA) -> None:
    pair = write_pair(tmp_path, authority.create_child_ca(), "127.0.0.1")
    context = TlsPolicy().context(pair.cert, pair.key, lambda sock, name, context: None)
    first, second = _probe(context).chain
    assert first.names == ("127.0.0.1",)
    assert second.issuer == "OU=CA,O=Test"
    assert second.subject == first.issuer


@pytest.mark.parametrize("has_method", [True, False])
def test_chain_is_seen_in_every_version_of_python(
    context: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch, has_method: bool
) -> None:
    class NewSocket(ssl.SSLSocket):
        """As from Python 3.13 on, or of a Python that has no such method at all."""

        def get_unverified_chain(self) -> list[bytes]:
            der = self.getpeercert(binary_form=True)
            return [der, der] if has_method and der else []

    monkeypatch.setattr(ssl.SSLContext, "sslsocket_class", NewSocket)
    assert len(_probe(context).chain) == (2 if has_method else 1)


def test_chain_without_any_method_is_the_certificate_alone(
    context: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Bare:
        """A socket that gives away its own certificate only."""

        def __init__(self, der: bytes | None) -> None:
            self.der = der

        def getpeercert(self, *, binary_form: bool) -> bytes | None:
            return self.der

    with tcp_server(context) as port, socket.create_connection(("127.0.0.1", port)) as sock:
        client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        client.check_hostname, client.verify_mode = False, ssl.CERT_NONE
        with client.wrap_socket(sock) as tls:
            der = tls.getpeercert(binary_form=True)
    (certificate,) = tls_probe._chain(Bare(der))  # type: ignore[arg-type]
    assert certificate.names == ("127.0.0.1",)
    assert tls_probe._chain(Bare(None)) == ()  # type: ignore[arg-type]


def test_certificate_of_an_unknown_authority_is_not_trusted(context: ssl.SSLContext) -> None:
    report = _probe(context)
    assert report.trust_error == "unable to get local issuer certificate"
    assert not report.has_own_ca


def test_wish_for_a_client_certificate_is_seen(
    tmp_path: Path, authority: trustme.CA, ca: Path
) -> None:
    pair = write_pair(tmp_path, authority, "127.0.0.1")
    policy = TlsPolicy("modern", client_ca=ca, client_auth="required")
    report = _probe(policy.context(pair.cert, pair.key, lambda sock, name, context: None), ca)
    assert report.wants_client_certificate
    assert report.versions["1.3"] == "accepted"


def test_server_without_tls_refuses_every_version() -> None:
    report = _probe(None)
    assert set(report.versions.values()) == {"refused"}
    assert (report.chain, report.cipher) == ((), None)
    assert report.trust_error == "no certificate was seen"


def test_server_that_says_nothing_is_told_from_one_that_refuses(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(tls_probe, "TIMEOUT_S", 0.002)
    with tcp_server(None, is_silent=True) as port:
        report = probe("127.0.0.1", port)
    assert set(report.versions.values()) == {"no answer"}


def test_version_that_our_own_openssl_forbids_is_untested(
    context: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = tls_probe._context

    def forbid(version: tls_probe.Version) -> ssl.SSLContext:
        made = original(version)
        if version == "1.1":
            made.options |= ssl.OP_NO_TLSv1_1
        return made

    monkeypatch.setattr(tls_probe, "_context", forbid)
    assert _probe(context).versions["1.1"] == "untested"


def test_server_that_leaves_before_it_is_verified_is_told(
    context: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Gone:
        def wrap_socket(self, sock: socket.socket, server_hostname: str) -> None:
            raise ConnectionResetError(104, "Connection reset by peer")

    monkeypatch.setattr(tls_probe, "_verifying_context", lambda ca: Gone())
    assert _probe(context).trust_error == "[Errno 104] Connection reset by peer"


def test_nobody_there_is_an_error_in_one_line() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(HeadendError, match=rf"^127\.0\.0\.1 port {port}: Connection refused$"):
        probe("127.0.0.1", port)


@pytest.mark.parametrize(
    ("name", "words"),
    [("no.pem", "No such file or directory"), ("bad.pem", "no PEM certificate in it")],
)
def test_wrong_file_of_authorities_is_told_first(tmp_path: Path, name: str, words: str) -> None:
    (tmp_path / "bad.pem").write_text("garbage")
    with pytest.raises(SettingsError, match=f"--ca {tmp_path / name}: {words}"):
        probe("127.0.0.1", 1, tmp_path / name)
