"""Tests of what the server agrees to in TLS."""

import ssl
import sys
from pathlib import Path

import pytest
import trustme
from tests.tls_peers import Handshake, client_context, shake_hands, write_pair

from headend.errors import SettingsError
from headend.settings import CertificatePair
from headend.tls.policy import TlsPolicy, ignore_garbled_names


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def pair(tmp_path: Path, authority: trustme.CA) -> CertificatePair:
    return write_pair(tmp_path, authority, "a.example")


def _context(pair: CertificatePair, policy: TlsPolicy | None = None) -> ssl.SSLContext:
    return (policy or TlsPolicy()).context(pair.cert, pair.key, lambda sock, name, context: None)


def _client(version: ssl.TLSVersion, authority: trustme.CA | None = None) -> ssl.SSLContext:
    context = client_context(authority)
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.maximum_version = version
    context.minimum_version = version
    return context


@pytest.mark.parametrize(
    ("version", "text"),
    [(ssl.TLSVersion.TLSv1_2, "TLSv1.2"), (ssl.TLSVersion.TLSv1_3, "TLSv1.3")],
)
def test_verifying_clients_of_tls_1_2_and_1_3_are_served(
    pair: CertificatePair, authority: trustme.CA, version: ssl.TLSVersion, text: str
) -> None:
    client = _client(version, authority)
    assert shake_hands(_context(pair), client, "a.example").client.version() == text


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("name", ["TLSv1", "TLSv1_1"])
def test_older_versions_are_refused(pair: CertificatePair, name: str) -> None:
    with pytest.raises(ssl.SSLError, match="UNSUPPORTED_PROTOCOL"):
        shake_hands(_context(pair), _client(ssl.TLSVersion[name]))


def test_modern_profile_refuses_tls_1_2(pair: CertificatePair) -> None:
    modern = _context(pair, TlsPolicy("modern"))
    assert shake_hands(modern, client_context()).client.version() == "TLSv1.3"
    with pytest.raises(ssl.SSLError, match="UNSUPPORTED_PROTOCOL"):
        shake_hands(modern, _client(ssl.TLSVersion.TLSv1_2))


def test_ciphers_are_those_of_mozilla_with_elliptic_curves(pair: CertificatePair) -> None:
    assert {cipher["name"] for cipher in _context(pair).get_ciphers()} == {
        "TLS_AES_128_GCM_SHA256",
        "TLS_AES_256_GCM_SHA384",
        "TLS_CHACHA20_POLY1305_SHA256",
        "ECDHE-ECDSA-AES128-GCM-SHA256",
        "ECDHE-RSA-AES128-GCM-SHA256",
        "ECDHE-ECDSA-AES256-GCM-SHA384",
        "ECDHE-RSA-AES256-GCM-SHA384",
        "ECDHE-ECDSA-CHACHA20-POLY1305",
        "ECDHE-RSA-CHACHA20-POLY1305",
    }


@pytest.mark.parametrize(
    "ciphers",
    ["ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-ECDSA-AES128-GCM-SHA256",
     "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-ECDSA-CHACHA20-POLY1305"],
)  # fmt: skip
def test_client_chooses_among_the_ciphers(pair: CertificatePair, ciphers: str) -> None:
    client = _client(ssl.TLSVersion.TLSv1_2)
    client.set_ciphers(ciphers)
    chosen = shake_hands(_context(pair), client).client.cipher()
    assert chosen is not None
    assert chosen[0] == ciphers.split(":")[0]


@pytest.mark.parametrize("cipher", ["AES128-SHA", "ECDHE-ECDSA-AES256-SHA", "AES128-GCM-SHA256"])
def test_weak_ciphers_are_refused(pair: CertificatePair, cipher: str) -> None:
    client = _client(ssl.TLSVersion.TLSv1_2)
    client.set_ciphers(cipher)
    with pytest.raises(ssl.SSLError, match="NO_SHARED_CIPHER"):
        shake_hands(_context(pair), client)


def test_renegotiation_and_compression_are_off(pair: CertificatePair) -> None:
    options = int(_context(pair).options)
    assert options & 0x4000_0000  # SSL_OP_NO_RENEGOTIATION of openssl/ssl.h
    assert options & 0x0002_0000  # SSL_OP_NO_COMPRESSION
    assert shake_hands(_context(pair), client_context()).client.compression() is None


def test_no_ticket_follows_a_tls_1_3_handshake(pair: CertificatePair) -> None:
    # librtmp with GnuTLS would die of it.
    link = shake_hands(_context(pair), client_context())
    assert link.to_client.pending == 0
    assert link.client.session is not None
    assert not link.client.session.has_ticket


def test_tls_1_2_sessions_are_resumed(pair: CertificatePair) -> None:
    server, client = _context(pair), _client(ssl.TLSVersion.TLSv1_2)
    session = shake_hands(server, client).client.session
    assert session is not None
    assert session.has_ticket
    assert shake_hands(server, client, session=session).client.session_reused


@pytest.mark.parametrize(
    ("offered", "chosen"),
    [(["h2", "http/1.1"], "http/1.1"), (["h2"], None), (["rtmp"], None), ([], None)],
)
def test_http_is_chosen_by_alpn_and_other_clients_are_served_too(
    pair: CertificatePair, offered: list[str], chosen: str | None
) -> None:
    client = client_context()
    if offered:
        client.set_alpn_protocols(offered)
    assert shake_hands(_context(pair), client).server.selected_alpn_protocol() == chosen


# ---------------------------------------------------------------------- client certificates


@pytest.fixture
def client_ca(tmp_path: Path, authority: trustme.CA) -> Path:
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    return tmp_path / "ca.pem"


def _with_certificate(authority: trustme.CA) -> ssl.SSLContext:
    context = client_context()
    authority.issue_cert("camera@b.example", common_name="camera 1").configure_cert(context)
    return context


def test_clients_are_asked_for_nothing_by_default(
    pair: CertificatePair, authority: trustme.CA
) -> None:
    link = shake_hands(_context(pair), _with_certificate(authority))
    assert link.server.getpeercert() is None


def test_optional_client_certificate_is_seen_if_it_is_there(
    pair: CertificatePair, authority: trustme.CA, client_ca: Path
) -> None:
    context = _context(pair, TlsPolicy(client_ca=client_ca, client_auth="optional"))
    assert shake_hands(context, client_context()).server.getpeercert() is None
    seen = shake_hands(context, _with_certificate(authority)).server.getpeercert()
    assert seen is not None
    assert (("commonName", "camera 1"),) in seen["subject"]


def test_required_client_certificate_must_be_of_the_right_authority(
    pair: CertificatePair, authority: trustme.CA, client_ca: Path
) -> None:
    context = _context(pair, TlsPolicy(client_ca=client_ca, client_auth="required"))
    assert shake_hands(context, _with_certificate(authority)).server.getpeercert()
    with pytest.raises(ssl.SSLError, match="PEER_DID_NOT_RETURN_A_CERTIFICATE"):
        shake_hands(context, client_context())
    with pytest.raises(ssl.SSLError, match="CERTIFICATE_VERIFY_FAILED"):
        shake_hands(context, _with_certificate(trustme.CA()))


def test_client_certificates_without_authorities_are_refused(pair: CertificatePair) -> None:
    with pytest.raises(SettingsError, match=r"tls\.client_auth needs tls\.client_ca"):
        _context(pair, TlsPolicy(client_auth="required"))


@pytest.mark.parametrize(
    ("name", "words"), [("no.pem", "No such file or directory"), ("a.key", "no PEM certificate")]
)
def test_wrong_file_of_authorities_is_named(pair: CertificatePair, name: str, words: str) -> None:
    path = pair.cert.parent / name
    with pytest.raises(SettingsError, match=rf"tls\.client_ca {path}: {words}"):
        _context(pair, TlsPolicy(client_ca=path, client_auth="optional"))


def test_files_that_openssl_refuses_are_named(
    pair: CertificatePair, tmp_path: Path, authority: trustme.CA
) -> None:
    other = write_pair(tmp_path, authority, "b.example", stem="b")
    with pytest.raises(SettingsError, match=f"certificate {pair.cert}: .* KEY_VALUES_MISMATCH"):
        _context(CertificatePair(cert=pair.cert, key=other.key))
    with pytest.raises(SettingsError, match=f"certificate {pair.cert}: .* No such file"):
        _context(CertificatePair(cert=pair.cert, key=tmp_path / "no.key"))


# ---------------------------------------------------------------------- names in no ASCII


@pytest.fixture
def reported(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    seen: list[object] = []
    monkeypatch.setattr(sys, "unraisablehook", lambda each: seen.append(each.exc_value))
    return seen


def _ask_for(context: ssl.SSLContext, name: bytes) -> None:
    """Send a client hello whose name is another one, of the same length as `abcd.example`."""
    link = Handshake(context, client_context(), "abcd.example")
    with pytest.raises(ssl.SSLWantReadError):
        link.client.do_handshake()
    hello = link.to_server.read()
    assert hello.count(b"abcd.example") == 1
    link.to_server.write(hello.replace(b"abcd.example", name))
    link.server.do_handshake()


def test_name_in_no_ascii_fails_the_handshake_without_a_traceback(
    pair: CertificatePair, reported: list[object]
) -> None:
    ignore_garbled_names()
    with pytest.raises(ssl.SSLError, match="CALLBACK_FAILED"):
        _ask_for(_context(pair), b"\xff\xfe\xfd\xfc.example")
    assert reported == []


def test_other_errors_that_nobody_can_catch_are_still_reported(reported: list[object]) -> None:
    ignore_garbled_names()

    class Broken:
        def __del__(self) -> None:
            raise ValueError("told")

    Broken()
    assert [str(error) for error in reported] == ["told"]
