"""Tests of headend.net.tls_client: what options allow, and errors in words.

Whom a client trusts is seen against servers, in tests/test_client_tls.py.
"""

import ssl
from pathlib import Path

import pytest
import trustme
from tests.tls_peers import shake_hands, write_pair

from headend.errors import RelayError, SettingsError
from headend.net.tls_client import TlsOptions, explain, explain_handshake

# SHA-256 of nothing, from FIPS 180-4's examples.
OF_NOTHING = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


def openssl_error(reason: str) -> ssl.SSLError:
    error = ssl.SSLError(1, f"[SSL: {reason}] words of OpenSSL (_ssl.c:1000)")
    error.reason = reason
    return error


def verification_error(code: int, message: str) -> ssl.SSLCertVerificationError:
    error = ssl.SSLCertVerificationError(1, "certificate verify failed")
    error.verify_code, error.verify_message = code, message
    return error


@pytest.mark.parametrize(
    "text",
    [
        OF_NOTHING,
        OF_NOTHING.upper(),
        bytes.fromhex(OF_NOTHING).hex(":"),
        bytes.fromhex(OF_NOTHING).hex(":").upper(),
    ],
)
def test_fingerprint_is_hex_with_or_without_colons(text: str) -> None:
    TlsOptions(fingerprint=text).check("h:443", b"")
    with pytest.raises(RelayError, match="h:443: its certificate has another fingerprint: 6E:34"):
        TlsOptions(fingerprint=text).check("h:443", b"\x00")


@pytest.mark.parametrize("text", ["", OF_NOTHING[1:], OF_NOTHING + ":", "x" + OF_NOTHING[1:], "ab"])
def test_text_that_is_no_sha_256_is_refused(text: str) -> None:
    with pytest.raises(SettingsError, match="64 hex digits"):
        TlsOptions(fingerprint=text)


@pytest.mark.parametrize(
    ("ca", "fingerprint", "insecure"),
    [
        (Path("a"), OF_NOTHING, False),
        (Path("a"), None, True),
        (None, OF_NOTHING, True),
        (Path("a"), OF_NOTHING, True),
    ],
)
def test_options_exclude_each_other(ca: Path, fingerprint: str | None, insecure: bool) -> None:
    with pytest.raises(SettingsError, match="exclude each other"):
        TlsOptions(ca, fingerprint, insecure)


def test_without_a_fingerprint_any_certificate_passes_the_check() -> None:
    TlsOptions().check("h:443", b"\x00")


@pytest.mark.parametrize("options", [TlsOptions(), TlsOptions(insecure=True)])
def test_old_versions_of_tls_are_not_offered(options: TlsOptions) -> None:
    assert options.context().minimum_version == ssl.TLSVersion.TLSv1_2


def test_only_insecure_and_a_fingerprint_switch_verification_off() -> None:
    assert TlsOptions().context().verify_mode == ssl.CERT_REQUIRED
    assert TlsOptions().context().check_hostname
    assert TlsOptions(insecure=True).context().verify_mode == ssl.CERT_NONE
    assert TlsOptions(fingerprint=OF_NOTHING).context().verify_mode == ssl.CERT_NONE


def test_authorities_of_a_file_take_the_place_of_the_systems(tmp_path: Path) -> None:
    ours, foreign = trustme.CA(), trustme.CA()
    ours.cert_pem.write_to_path(tmp_path / "ca.pem")
    client = TlsOptions(tmp_path / "ca.pem").context()
    for authority in (ours, foreign):
        pair = write_pair(tmp_path, authority, "h.example")
        server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        server.load_cert_chain(pair.cert, pair.key)
        if authority is ours:
            shake_hands(server, client, "h.example")
        else:
            with pytest.raises(ssl.SSLCertVerificationError):
                shake_hands(server, client, "h.example")


def test_file_without_a_certificate_is_named(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("nothing")
    with pytest.raises(SettingsError, match=r"ca .*ca\.pem: no PEM certificate in it"):
        TlsOptions(tmp_path / "ca.pem").context()
    with pytest.raises(SettingsError, match=r"ca .*gone: No such file"):
        TlsOptions(tmp_path / "gone").context()


def test_warning_of_insecure_comes_once_for_each_place(caplog: pytest.LogCaptureFixture) -> None:
    options = TlsOptions(insecure=True)
    for place in ("one.example:443", "one.example:443", "two.example:443"):
        options.check(place, b"")
    assert [record.args for record in caplog.records] == [
        ("one.example:443",),
        ("two.example:443",),
    ]


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (openssl_error("WRONG_VERSION_NUMBER"), "no TLS on this port; is it rtmp:// there?"),
        (openssl_error("TLSV13_ALERT_CERTIFICATE_REQUIRED"), "it wants a client certificate"),
        (openssl_error("SOMETHING_NEW"), "TLS failed: SOMETHING_NEW"),
        (ssl.SSLError(1, "words of OpenSSL"), "TLS failed: words of OpenSSL"),
        (ssl.SSLError(), "TLS failed: no reason given"),
        (ConnectionResetError(104, "reset"), None),
        (TimeoutError(), None),
    ],
)
def test_error_of_tls_is_put_into_words(error: OSError, text: str | None) -> None:
    assert explain(error) == text


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (verification_error(10, "certificate has expired"), "its certificate has expired"),
        (verification_error(9, "not yet"), "its certificate is not valid yet"),
        (verification_error(62, "Hostname mismatch"), "its certificate is not for h"),
        (verification_error(64, "IP address mismatch"), "its certificate is not for h"),
        (
            verification_error(18, "self-signed certificate"),
            "its certificate is not trusted: self-signed certificate",
        ),
        (
            ssl.SSLCertVerificationError("words of macOS"),
            "its certificate is not trusted: words of macOS",
        ),
        (ConnectionResetError(104, "reset"), "it was closed in the TLS handshake; is it rtmp://"),
        (
            ConnectionAbortedError("SSL handshake is taking longer than 10 seconds"),
            "no answer to our TLS handshake; is it rtmp:// there?",
        ),
        (openssl_error("WRONG_VERSION_NUMBER"), "no TLS on this port; is it rtmp:// there?"),
        (ConnectionRefusedError(111, "refused"), None),
    ],
)
def test_error_of_opening_is_put_into_words(error: OSError, text: str | None) -> None:
    explained = explain_handshake(error, "h")
    assert explained == text or (text is not None and str(explained).startswith(text))
