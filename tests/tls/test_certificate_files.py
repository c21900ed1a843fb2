"""Tests of how certificates and keys are read, and what is said about wrong ones."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
import trustme
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes
from cryptography.x509.oid import NameOID
from tests.tls_peers import NOW, write_pair

from headend.errors import SettingsError
from headend.settings import CertificatePair
from headend.tls.certificate_files import (
    Certificate,
    describe,
    is_ip_address,
    read_certificate,
    read_pair,
)

# openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "/O=Test/CN=Fixed"
#   -addext "subjectAltName=DNS:Fixed.Example,DNS:*.w.example,IP:192.0.2.7,IP:2001:db8::7"
FIXED = b"""\
-----BEGIN CERTIFICATE-----
MIIB1DCCAXqgAwIBAgIULRsrF+8mijqR2AIMRSvfgXSFmFQwCgYIKoZIzj0EAwIw
HzENMAsGA1UECgwEVGVzdDEOMAwGA1UEAwwFRml4ZWQwHhcNMjYxMTIyMjIzNjU5
WhcNMzYxMTE5MjIzNjU5WjAfMQ0wCwYDVQQKDARUZXN0MQ4wDAYDVQQDDAVGaXhl
ZDBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABDQyX1fy0Kxo5F0GzDx6ceTmZQ8U
VWiincfrbFFLenI+IG1/YXP05+jfJu5LDy4lEZBKDEjbGYE8DLcmkM4wL2ejgZMw
gZAwHQYDVR0OBBYEFDB8raWXhjEad4bAUQ+a8hXO8mtOMB8GA1UdIwQYMBaAFDB8
raWXhjEad4bAUQ+a8hXO8mtOMA8GA1UdEwEB/wQFMAMBAf8wPQYDVR0RBDYwNIIN
Rml4ZWQuRXhhbXBsZYILKi53LmV4YW1wbGWHBMAAAgeHECABDbgAAAAAAAAAAAAA
AAcwCgYIKoZIzj0EAwIDSAAwRQIgJ3GT4k7JcUMBant28NryNMxAkPimsHLN2Bhk
RueMOmcCIQDWcbzNUPyfmXScpN437w0IZEFM2YS/QZs5Ihog0PSjZg==
-----END CERTIFICATE-----
"""


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA(organization_name="Test", organization_unit_name="CA")


@pytest.fixture
def pair(tmp_path: Path, authority: trustme.CA) -> CertificatePair:
    return write_pair(tmp_path, authority, "a.example", "192.0.2.1")


def _problem(cert: Path, key: Path, now: datetime = NOW) -> str:
    with pytest.raises(SettingsError) as error:
        read_pair(cert, key, now)
    line = str(error.value)
    assert "\n" not in line
    return line


def test_certificate_is_described_as_openssl_does(tmp_path: Path) -> None:
    path = tmp_path / "fixed.pem"
    path.write_bytes(FIXED)
    assert read_certificate(path) == Certificate(
        names=("fixed.example", "*.w.example", "192.0.2.7", "2001:db8::7"),
        subject="CN=Fixed,O=Test",
        issuer="CN=Fixed,O=Test",
        not_before=datetime(2026, 11, 22, 22, 36, 59, tzinfo=UTC),
        not_after=datetime(2036, 11, 19, 22, 36, 59, tzinfo=UTC),
        fingerprint=(
            "3D:F6:F8:BB:BB:7B:CD:55:3D:EF:D9:DA:15:56:71:F4:"
            "15:DB:D5:7D:FD:BB:EA:92:55:73:94:DB:1F:11:65:E1"
        ),
        key_type="ECDSA secp256r1",
        is_self_signed=True,
    )


def test_pair_that_matches_is_read_with_its_bytes(pair: CertificatePair) -> None:
    file = read_pair(pair.cert, pair.key, NOW)
    assert file.certificate.names == ("a.example", "192.0.2.1")
    assert file.certificate.issuer == "OU=CA,O=Test"
    assert not file.certificate.is_self_signed
    assert file.content == (pair.cert.read_bytes(), pair.key.read_bytes())


def test_both_may_be_in_one_file(pair: CertificatePair) -> None:
    both = pair.cert.with_name("both.pem")
    both.write_bytes(pair.key.read_bytes() + pair.cert.read_bytes())
    assert read_pair(both, both, NOW).certificate.names == ("a.example", "192.0.2.1")


def test_files_that_cannot_be_read_are_named(pair: CertificatePair, tmp_path: Path) -> None:
    no = tmp_path / "no.pem"
    assert _problem(no, pair.key) == f"certificate {no}: No such file or directory"
    assert _problem(pair.cert, tmp_path) == f"key {tmp_path}: Is a directory"


def test_file_without_end_is_not_read_to_its_end(pair: CertificatePair) -> None:
    zero = Path("/dev/zero")
    assert _problem(zero, pair.key) == "certificate /dev/zero: too large, more than 1048576 bytes"


@pytest.mark.parametrize(
    "content",
    [b"", b"garbage\xff", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"],
)
def test_file_without_a_certificate_is_named(pair: CertificatePair, content: bytes) -> None:
    pair.cert.write_bytes(content)
    assert _problem(pair.cert, pair.key) == f"certificate {pair.cert}: no PEM certificate in it"


def test_files_in_the_wrong_order_are_told(pair: CertificatePair) -> None:
    assert _problem(pair.key, pair.cert) == f"certificate {pair.key}: no PEM certificate in it"
    assert _problem(pair.cert, pair.cert) == f"key {pair.cert}: no PEM private key in it"


def test_encrypted_key_is_told(pair: CertificatePair) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    pem = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(b"secret"),
    )
    pair.key.write_bytes(pem)
    assert _problem(pair.cert, pair.key) == (
        f"key {pair.key}: encrypted; TLS needs it without a password"
    )


def test_key_of_another_certificate_is_told(
    pair: CertificatePair, tmp_path: Path, authority: trustme.CA
) -> None:
    other = write_pair(tmp_path, authority, "b.example", stem="b")
    assert _problem(pair.cert, other.key) == (
        f"key {other.key}: does not match certificate {pair.cert}"
    )


def test_chain_in_the_wrong_order_is_told(pair: CertificatePair, authority: trustme.CA) -> None:
    pair.cert.write_bytes(authority.cert_pem.bytes() + pair.cert.read_bytes())
    assert _problem(pair.cert, pair.key) == (
        f"certificate {pair.cert}: the one of key {pair.key} must come first in the file"
    )


def test_certificate_out_of_date_is_told(tmp_path: Path, authority: trustme.CA) -> None:
    dates = datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 5, 1, tzinfo=UTC)
    pair = write_pair(tmp_path, authority, "a.example", not_before=dates[0], not_after=dates[1])
    assert _problem(pair.cert, pair.key, datetime(2026, 5, 2, tzinfo=UTC)) == (
        f"certificate {pair.cert}: expired on 2026-05-01"
    )
    assert _problem(pair.cert, pair.key, datetime(2026, 2, 28, tzinfo=UTC)) == (
        f"certificate {pair.cert}: not valid before 2026-03-01"
    )
    assert read_pair(pair.cert, pair.key, dates[1]).certificate.fault(dates[0]) is None


def _certificate(*names: str) -> Certificate:
    return Certificate(names, "", "", NOW, NOW, "", "", is_self_signed=False)


@pytest.mark.parametrize(
    ("names", "host", "covers"),
    [
        (("a.example",), "a.example", True),
        (("a.example",), "A.Example.", True),
        (("a.example",), "b.example", False),
        (("a.example",), "x.a.example", False),
        (("*.a.example",), "x.a.example", True),
        (("*.a.example",), "a.example", False),
        (("*.a.example",), "y.x.a.example", False),
        (("*.0.2.1",), "192.0.2.1", False),
        (("192.0.2.1",), "192.0.2.1", True),
        (("2001:db8::1",), "2001:0DB8::0001", True),
        (("*",), "localhost", False),
        ((), "", False),
    ],
)
def test_wildcard_stands_for_one_label(names: tuple[str, ...], host: str, covers: bool) -> None:
    assert _certificate(*names).covers(host) is covers


@pytest.mark.parametrize(
    ("text", "is_ip"), [("::1", True), ("127.0.0.1", True), ("a.example", False), ("", False)]
)
def test_ip_addresses_are_told_from_names(text: str, is_ip: bool) -> None:
    assert is_ip_address(text) is is_ip


# ---------------------------------------------------------------------- unusual certificates


def _sign(
    public_key: CertificatePublicKeyTypes, *extensions: x509.ExtensionType
) -> x509.Certificate:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "x")])
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(public_key)
        .serial_number(1)
        .not_valid_before(NOW)
        .not_valid_after(NOW)
    )
    for extension in extensions:
        builder = builder.add_extension(extension, critical=False)
    return builder.sign(ec.generate_private_key(ec.SECP256R1()), hashes.SHA256())


def test_certificate_without_alternative_names_has_no_name() -> None:
    key = ed25519.Ed25519PrivateKey.generate().public_key()
    certificate = describe(_sign(key))
    assert (certificate.names, certificate.subject) == ((), "CN=x")
    assert certificate.key_type == "Ed25519"


def test_names_of_other_kinds_and_repeated_ones_are_left_out() -> None:
    key = ec.generate_private_key(ec.SECP384R1()).public_key()
    names = x509.SubjectAlternativeName(
        [x509.DNSName("A.example"), x509.RFC822Name("me@a.example"), x509.DNSName("a.example")]
    )
    certificate = describe(_sign(key, names))
    assert certificate.names == ("a.example",)
    assert certificate.key_type == "ECDSA secp384r1"


def test_rsa_key_is_named_with_its_size() -> None:
    key = rsa.RSAPublicNumbers(65_537, 2**2047 + 1).public_key()
    assert describe(_sign(key)).key_type == "RSA 2048"


def _spoilt(certificate: x509.Certificate, old: bytes, new: bytes) -> x509.Certificate:
    der = certificate.public_bytes(serialization.Encoding.DER)
    assert old in der
    return x509.load_der_x509_certificate(der.replace(old, new))


def test_ill_formed_parts_count_as_missing() -> None:
    key = ec.generate_private_key(ec.SECP256R1()).public_key()
    names = x509.SubjectAlternativeName([x509.DNSName("a.example")])
    # 0c: UTF8String, of the common name x; ff is no UTF-8.
    certificate = describe(_spoilt(_sign(key, names), b"\x0c\x01x", b"\x0c\x01\xff"))
    assert (certificate.subject, certificate.issuer) == ("(ill-formed)", "(ill-formed)")
    # 82: dNSName; 9f: a choice that GeneralName does not have.
    certificate = describe(_spoilt(_sign(key, names), b"\x82\x09a.ex", b"\x9f\x09a.ex"))
    assert certificate.names == ()
    # 1.2.840.10045.2.1 is ecPublicKey; …2.9 is nothing.
    certificate = describe(
        _spoilt(_sign(key, names), b"\x2a\x86\x48\xce\x3d\x02\x01", b"\x2a\x86\x48\xce\x3d\x02\x09")
    )
    assert certificate.key_type == "unknown"
