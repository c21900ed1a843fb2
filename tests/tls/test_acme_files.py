"""Tests of the files of an ACME account."""

import stat
from datetime import UTC, datetime
from pathlib import Path

import pytest
import trustme
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from headend.errors import SettingsError
from headend.tls.acme_files import (
    account_folder,
    issued_pair,
    load_or_create_account_key,
    private_pem,
    signing_request,
    write_private,
)
from headend.tls.certificate_files import read_pair


@pytest.mark.parametrize(
    ("directory", "name"),
    [
        (
            "https://acme-v02.api.letsencrypt.org/directory",
            "acme-v02.api.letsencrypt.org_directory",
        ),
        ("https://127.0.0.1:14000/dir", "127.0.0.1_14000_dir"),
        ("https://ca.example/", "ca.example"),
        ("https://ca.example/../../etc", "ca.example_.._.._etc"),
    ],
)
def test_each_authority_has_a_folder_of_its_own(directory: str, name: str) -> None:
    assert account_folder(Path("/d"), directory) == Path("/d/tls/acme", name)


def test_account_key_is_made_once_and_for_its_owner_only(tmp_path: Path) -> None:
    folder = tmp_path / "data" / "tls" / "acme" / "a.example"
    key = load_or_create_account_key(folder)
    assert key.curve.name == "secp256r1"
    assert private_pem(load_or_create_account_key(folder)) == private_pem(key)
    assert stat.S_IMODE((folder / "account.pem").stat().st_mode) == 0o600
    for each in (folder, folder.parent, folder.parent.parent, tmp_path / "data"):
        assert stat.S_IMODE(each.stat().st_mode) == 0o700


def _rsa_key() -> bytes:
    return rsa.generate_private_key(65537, 2048).private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def test_account_key_of_another_kind_is_refused(tmp_path: Path) -> None:
    wrong = [b"", b"junk", _rsa_key(), private_pem(ec.generate_private_key(ec.SECP384R1()))]
    for content in wrong:
        (tmp_path / "account.pem").write_bytes(content)
        with pytest.raises(SettingsError, match=r"account\.pem: no PEM key of ECDSA P-256 in it$"):
            load_or_create_account_key(tmp_path)


def test_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "tls").write_text("in the way")
    with pytest.raises(SettingsError, match=r"^ACME file .*/tls/a/account\.pem: Not a directory$"):
        write_private(tmp_path / "tls" / "a" / "account.pem", b"x")


def test_file_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "a.pem").write_text("old")
    write_private(tmp_path / "a.pem", b"new")
    assert [path.name for path in tmp_path.iterdir()] == ["a.pem"]
    assert (tmp_path / "a.pem").read_bytes() == b"new"


def test_request_names_every_domain() -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    request = x509.load_pem_x509_csr(signing_request(key, ["a.example", "b.example"]))
    assert request.is_signature_valid
    names = request.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["a.example", "b.example"]


def test_certificate_and_key_are_read_from_the_one_file(tmp_path: Path) -> None:
    issued = trustme.CA().issue_cert("a.example")
    chain = b"".join(blob.bytes() for blob in issued.cert_chain_pems)
    pair = issued_pair(tmp_path)
    write_private(pair.cert, chain + issued.private_key_pem.bytes())
    assert pair.cert == pair.key == tmp_path / "certificate.pem"
    assert read_pair(pair.cert, pair.key, datetime.now(UTC)).certificate.names == ("a.example",)
