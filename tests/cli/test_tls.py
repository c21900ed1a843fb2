"""Tests of the command `tls`: what it makes, shows and checks."""

import json
import tomllib
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import trustme
from tests.tls_peers import tcp_server, write_pair

from headend.cli.main import run
from headend.settings import CertificatePair
from headend.tls import self_signed
from headend.tls.certificate_files import read_certificate, read_pair
from headend.tls.policy import TlsPolicy

Capture = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def _folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA(organization_name="Test", organization_unit_name="CA")


def _words(text: str) -> set[str]:
    return {" ".join(line.split()) for line in text.splitlines()}


# ---------------------------------------------------------------------- self-signed


def test_self_signed_certificate_is_made_in_the_data_folder(capsys: Capture) -> None:
    assert run(["tls", "self-signed", "--data", "data"]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    certificate = read_certificate(Path("data/tls/self-signed.pem"))
    assert "localhost" in certificate.names
    assert {
        "certificate data/tls/self-signed.pem",
        "key file data/tls/self-signed.key",
        "issuer itself (self-signed)",
        "key type ECDSA secp256r1",
        f"SHA-256 {certificate.fingerprint}",
    } <= _words(out)


def test_self_signed_certificate_is_made_for_the_names_and_in_the_folder_given() -> None:
    names = ["--name", "a.example", "--name", "192.0.2.1"]
    assert run(["tls", "self-signed", "--out", "here", *names]) == 0
    pair = read_pair(Path("here/self-signed.pem"), Path("here/self-signed.key"), datetime.now(UTC))
    assert pair.certificate.names == ("a.example", "192.0.2.1")


def test_nothing_is_overwritten_without_force(capsys: Capture) -> None:
    assert run(["tls", "self-signed", "--out", "."]) == 0
    before = Path("self-signed.pem").read_bytes()
    capsys.readouterr()
    assert run(["tls", "self-signed", "--out", "."]) == 1
    assert capsys.readouterr() == (
        "",
        "headend: self-signed.pem is there already; --force overwrites it\n",
    )
    Path("self-signed.pem").unlink()
    assert run(["tls", "self-signed", "--out", "."]) == 1
    assert run(["tls", "self-signed", "--out", ".", "--force"]) == 0
    assert Path("self-signed.pem").read_bytes() != before


def test_wrong_name_is_told(capsys: Capture) -> None:
    assert run(["tls", "self-signed", "--out", ".", "--name", "a..b"]) == 2
    assert "'a..b' is neither a host name nor an IP address" in capsys.readouterr().err


# ---------------------------------------------------------------------- show


@pytest.fixture
def pair(tmp_path: Path, authority: trustme.CA) -> CertificatePair:
    """A certificate that headend.toml of the working folder names."""
    end = datetime(2037, 1, 2, tzinfo=UTC)
    pair = write_pair(Path(), authority, "a.example", not_after=end)
    Path("headend.toml").write_text(
        '[tls]\nprofile = "modern"\ncertificates = [{ cert = "a.pem", key = "a.key" }]\n'
    )
    return pair


def test_certificates_of_the_settings_are_shown(pair: CertificatePair, capsys: Capture) -> None:
    assert run(["tls", "show"]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    assert {
        "certificate a.pem",
        "key file a.key",
        "names a.example",
        "issuer OU=CA,O=Test",
        "valid 2000-01-01 to 2037-01-02",
        "key type ECDSA secp256r1",
        "from settings",
        "problem none",
    } <= _words(out)


def test_certificates_are_shown_as_one_json_document(
    pair: CertificatePair, capsys: Capture
) -> None:
    assert run(["tls", "show", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    (shown,) = document.pop("certificates")
    assert document == {"self_signed": False, "profile": "modern", "client_auth": "off"}
    fingerprint = shown.pop("fingerprint")
    assert len(fingerprint) == 95
    assert shown.pop("subject").startswith("OU=")
    assert shown == {
        "cert": "a.pem",
        "key": "a.key",
        "source": "settings",
        "names": ["a.example"],
        "issuer": "OU=CA,O=Test",
        "not_before": "2000-01-01T00:00:00+00:00",
        "not_after": "2037-01-02T00:00:00+00:00",
        "key_type": "ECDSA secp256r1",
        "self_signed": False,
        "problem": None,
    }


def test_certificate_that_cannot_be_served_is_shown_with_why(
    pair: CertificatePair, authority: trustme.CA, capsys: Capture
) -> None:
    write_pair(
        Path(), authority, "old.example", stem="b", not_after=datetime(2026, 1, 2, tzinfo=UTC)
    )
    flag = 'tls.certificates=[{"cert": "b.pem", "key": "b.key"}, {"cert": "c.pem", "key": "c.key"}]'
    assert run(["tls", "show", "--set", flag]) == 1
    out, err = capsys.readouterr()
    assert {
        "names old.example",
        "problem certificate b.pem: expired on 2026-01-02",
        "problem certificate c.pem: No such file or directory",
    } <= _words(out)
    assert err.splitlines() == [
        "headend: certificate b.pem: expired on 2026-01-02",
        "headend: certificate c.pem: No such file or directory",
    ]
    assert run(["tls", "show", "--set", flag, "--json"]) == 1
    out, err = capsys.readouterr()
    assert (len(json.loads(out)["certificates"]), err) == (2, "")


def test_self_signed_certificate_is_shown_once_it_is_there(capsys: Capture) -> None:
    assert run(["tls", "show", "--data", "data"]) == 0
    assert capsys.readouterr() == (
        "",
        "no certificate yet: the first start makes a self-signed one\n",
    )
    assert not Path("data").exists()
    self_signed.create(Path("data/tls"), ["a.example"], datetime.now(UTC) - timedelta(days=1))
    assert run(["tls", "show", "--data", "data"]) == 0
    assert "names a.example" in _words(capsys.readouterr().out)


ACME = (
    "--set",
    "tls.acme.domains=live.example",
    "--set",
    "tls.acme.directory=https://ca.example/dir",
)
ISSUED = Path("data/tls/acme/ca.example_dir/certificate.pem")


def _issue(authority: trustme.CA) -> None:
    """Put a certificate where the ACME client keeps the one it got last."""
    pair = write_pair(Path(), authority, "live.example")
    ISSUED.parent.mkdir(parents=True)
    ISSUED.write_bytes(pair.cert.read_bytes() + pair.key.read_bytes())


def test_certificate_got_by_acme_is_shown(authority: trustme.CA, capsys: Capture) -> None:
    flags = ["tls", "show", "--data", "data", *ACME]
    assert run(flags) == 0
    assert capsys.readouterr().err == (
        "no certificate yet: the first start makes a self-signed one, "
        "and serves it until ACME has got another\n"
    )
    self_signed.create(Path("data/tls"), ["a.example"], datetime.now(UTC))
    assert run(flags) == 0
    assert {"names a.example", "from self-signed"} <= _words(capsys.readouterr().out)
    _issue(authority)
    assert run(flags) == 0
    words = _words(capsys.readouterr().out)
    assert {f"certificate {ISSUED}", "names live.example", "from acme", "problem none"} <= words
    assert "from self-signed" not in words
    assert run([*flags, "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert not document["self_signed"]
    assert [each["source"] for each in document["certificates"]] == ["acme"]


def test_certificate_got_by_acme_is_shown_behind_those_of_the_settings(
    pair: CertificatePair, authority: trustme.CA, capsys: Capture
) -> None:
    _issue(authority)
    assert run(["tls", "show", "--data", "data", *ACME, "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)["certificates"]
    assert [each["source"] for each in shown] == ["settings", "acme"]


def test_garbage_in_place_of_acmes_certificate_leaves_our_own(
    authority: trustme.CA, capsys: Capture
) -> None:
    _issue(authority)
    ISSUED.write_bytes(b"garbage")
    self_signed.create(Path("data/tls"), ["a.example"], datetime.now(UTC))
    assert run(["tls", "show", "--data", "data", *ACME, "--json"]) == 1
    document = json.loads(capsys.readouterr().out)
    assert document["self_signed"]
    own, issued = document["certificates"]
    assert (own["source"], own["problem"]) == ("self-signed", None)
    assert (issued["source"], "names" in issued) == ("acme", False)
    assert str(ISSUED) in issued["problem"]


def test_settings_show_certificates_as_toml(pair: CertificatePair, capsys: Capture) -> None:
    assert run(["config", "show"]) == 0
    shown = tomllib.loads(capsys.readouterr().out)["tls"]["certificates"]
    assert shown == [{"cert": "a.pem", "key": "a.key"}]


# ---------------------------------------------------------------------- check


def _check(pair: CertificatePair, *arguments: str) -> tuple[int, int]:
    context = TlsPolicy().context(pair.cert, pair.key, lambda sock, name, context: None)
    with tcp_server(context) as port:
        return run(["tls", "check", f"127.0.0.1:{port}", *arguments]), port


def test_good_server_is_checked_with_exit_code_0(authority: trustme.CA, capsys: Capture) -> None:
    authority.cert_pem.write_to_path("ca.pem")
    code, port = _check(write_pair(Path(), authority, "127.0.0.1"), "--ca", "ca.pem")
    out, err = capsys.readouterr()
    assert (code, err) == (0, "")
    assert {
        f"server 127.0.0.1 port {port}",
        "TLS 1.0 refused",
        "TLS 1.2 accepted",
        "cipher TLS_AES_256_GCM_SHA384",
        "trust trusted",
        "name matches",
        "OBS connects, if its system trusts that authority",
    } <= _words(out)


def test_trouble_is_told_line_by_line_with_exit_code_1(
    authority: trustme.CA, capsys: Capture
) -> None:
    code, _ = _check(write_pair(Path(), authority, "a.example"))
    out, err = capsys.readouterr()
    assert code == 1
    assert {"name does not match", "trust unable to get local issuer certificate"} <= _words(out)
    assert err.splitlines() == [
        "headend: the certificate is not for 127.0.0.1",
        "headend: the certificate is not trusted: unable to get local issuer certificate",
    ]


def test_check_as_json_is_one_document(authority: trustme.CA, capsys: Capture) -> None:
    authority.cert_pem.write_to_path("ca.pem")
    code, port = _check(write_pair(Path(), authority, "a.example"), "--ca", "ca.pem", "--json")
    out, err = capsys.readouterr()
    document = json.loads(out)
    assert (code, err) == (1, "")
    assert document["chain"][0]["names"] == ["a.example"]
    assert document["days_left"] > 300_000
    assert set(document["encoders"]) == {"FFmpeg", "OBS", "GStreamer", "rtmpdump"}
    for key in ("chain", "days_left", "encoders"):
        del document[key]
    assert document == {
        "host": "127.0.0.1",
        "port": port,
        "ok": False,
        "problems": ["the certificate is not for 127.0.0.1"],
        "versions": {"1.0": "refused", "1.1": "refused", "1.2": "accepted", "1.3": "accepted"},
        "cipher": "TLS_AES_256_GCM_SHA384",
        "tickets": False,
        "client_certificate": False,
        "trusted": True,
        "trust_error": None,
        "name_matches": False,
    }


def test_server_without_tls_is_trouble(capsys: Capture) -> None:
    with tcp_server(None) as port:
        assert run(["tls", "check", f"rtmps://127.0.0.1:{port}/live/a"]) == 1
    out, err = capsys.readouterr()
    assert "TLS 1.3 refused" in _words(out)
    assert err == (
        "headend: no TLS here, or none that we know; rtmp:// may be right for this port\n"
    )


@pytest.mark.parametrize(
    ("target", "host", "port"),
    [
        ("a.example", "a.example", 443),
        ("a.example:1936", "a.example", 1936),
        ("[::1]:1936", "::1", 1936),
        ("rtmps://Bücher.example/live/a?key=x", "xn--bcher-kva.example", 443),
        ("https://a.example:8443/", "a.example", 8443),
    ],
)
def test_target_is_a_host_with_or_without_port_or_a_url(
    monkeypatch: pytest.MonkeyPatch, capsys: Capture, target: str, host: str, port: int
) -> None:
    def refuse(*asked: object) -> None:
        raise ConnectionRefusedError(111, f"asked {asked[0]} {asked[1]} {asked[2]}")

    monkeypatch.setattr("headend.cli.tls_probe.probe", refuse)
    assert run(["tls", "check", target]) == 1
    assert capsys.readouterr().err == f"headend: asked {host} {port} None\n"


@pytest.mark.parametrize("target", ["", ":1936", "a.example:x", "a.example:70000", "a..b", "[::1"])
def test_what_is_no_target_is_wrong_usage(capsys: Capture, target: str) -> None:
    assert run(["tls", "check", target]) == 2
    assert "is not HOST[:PORT], such as [::1]:1936" in capsys.readouterr().err
