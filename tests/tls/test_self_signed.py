"""Tests of the certificate that is served when none is configured."""

import socket
import stat
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509
from tests.tls_peers import NOW

from headend.errors import SettingsError
from headend.tls.certificate_files import read_certificate, read_pair
from headend.tls.self_signed import create, load_or_create, machine_names, pair_in


def test_first_start_makes_a_certificate_and_later_ones_find_it(tmp_path: Path) -> None:
    folder = tmp_path / "data" / "tls"
    pair, is_new = load_or_create(folder, NOW)
    assert is_new
    assert (pair.cert, pair.key) == (folder / "self-signed.pem", folder / "self-signed.key")
    certificate = read_pair(pair.cert, pair.key, NOW).certificate
    assert certificate.key_type == "ECDSA secp256r1"
    assert certificate.subject == "CN=Headend self-signed"
    assert {"localhost", "127.0.0.1", "::1"} <= set(certificate.names)
    assert certificate.not_after - NOW == timedelta(days=825)
    assert load_or_create(folder, NOW) == (pair, False)
    assert read_certificate(pair.cert) == certificate


def test_only_the_owner_may_read_the_key(tmp_path: Path) -> None:
    pair, _ = load_or_create(tmp_path / "tls", NOW)
    assert stat.S_IMODE(pair.key.stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "tls").stat().st_mode) == 0o700
    assert {path.name for path in pair.key.parent.iterdir()} == {
        "self-signed.pem",
        "self-signed.key",
    }


def test_certificate_can_sign_no_other_and_serves_servers_only(tmp_path: Path) -> None:
    create(tmp_path, ["a.example"], NOW)
    pem = (tmp_path / "self-signed.pem").read_bytes()
    extensions = x509.load_pem_x509_certificate(pem).extensions
    assert not extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    assert not extensions.get_extension_for_class(x509.KeyUsage).value.key_cert_sign
    (usage,) = extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert usage.dotted_string == "1.3.6.1.5.5.7.3.1"  # serverAuth


def test_certificate_is_renewed_30_days_before_its_end_with_its_names(tmp_path: Path) -> None:
    first = create(tmp_path, ["a.example"], NOW)
    assert load_or_create(tmp_path, NOW + timedelta(days=795)) == (pair_in(tmp_path), False)
    assert load_or_create(tmp_path, NOW + timedelta(days=795, seconds=1))[1]
    renewed = read_certificate(tmp_path / "self-signed.pem")
    assert renewed.names[0] == "a.example"
    assert "localhost" in renewed.names
    assert renewed.not_after - first.not_after == timedelta(days=795, seconds=1)


@pytest.mark.parametrize("name", ["self-signed.pem", "self-signed.key"])
def test_spoilt_file_is_replaced(tmp_path: Path, name: str) -> None:
    pair, _ = load_or_create(tmp_path, NOW)
    (tmp_path / name).write_bytes(b"garbage")
    (tmp_path / f"{name}.partial").write_bytes(b"left by a power cut")
    assert load_or_create(tmp_path, NOW) == (pair, True)
    read_pair(pair.cert, pair.key, NOW)


def test_file_that_may_not_be_read_is_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / "self-signed.pem").mkdir()
    with pytest.raises(SettingsError, match=r"self-signed\.pem: Is a directory"):
        load_or_create(tmp_path, NOW)


def test_folder_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SettingsError, match=r"certificate folder .*/file: File exists"):
        create(tmp_path / "file", ["a.example"], NOW)


def test_names_are_written_as_clients_ask_for_them(tmp_path: Path) -> None:
    names = ["Bücher.Example", "*.b.example", "2001:DB8::1", "a_b.example", "*.b.example"]
    assert create(tmp_path, names, NOW).names == (
        "xn--bcher-kva.example",
        "*.b.example",
        "2001:db8::1",
        "a_b.example",
    )


@pytest.mark.parametrize("name", ["", "a..example", "x" * 64])
def test_what_is_no_name_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(SettingsError, match="is neither a host name nor an IP address"):
        create(tmp_path, [name], NOW)
    assert not (tmp_path / "self-signed.pem").exists()


def test_machine_is_named_once_for_each_of_its_names(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "gethostname", lambda: "Box")
    found = [
        (socket.AF_INET, 1, 0, "", ("192.0.2.9", 0)),
        (socket.AF_INET6, 1, 0, "", ("fe80::9%eth0", 0, 0, 2)),
        (socket.AF_INET, 1, 0, "", ("127.0.0.1", 0)),
    ]
    monkeypatch.setattr(socket, "getaddrinfo", lambda host, port: found)
    names = machine_names()
    assert names[:6] == ["localhost", "box", "127.0.0.1", "::1", "192.0.2.9", "fe80::9"]
    assert len(names) == len(set(names))


def test_machine_without_a_usable_name_is_localhost(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(host: str, port: None) -> None:
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "gethostname", lambda: "a..b")
    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    assert machine_names()[:3] == ["localhost", "127.0.0.1", "::1"]
