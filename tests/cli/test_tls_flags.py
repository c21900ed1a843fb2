"""Tests of headend.cli.tls_flags, and `publish` and `play` over RTMPS with them."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme
from tests.cli.program import Program
from tests.e2e.wait import wait_for
from tests.tls_peers import write_pair

from headend.cli.main import run
from headend.cli.tls_flags import tls_options
from headend.errors import SettingsError
from headend.net.tls_client import TlsOptions
from headend.rtmp.url import parse_url
from headend.tls.certificate_files import describe

FINGERPRINT = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
RTMPS = parse_url("rtmps://h/live/a")
RTMP = parse_url("rtmp://h/live/a")


def test_flags_are_for_rtmps() -> None:
    ca = Path("ca.pem")
    assert tls_options(RTMPS, None, None, insecure=False) == TlsOptions()
    assert tls_options(RTMPS, ca, None, insecure=False) == TlsOptions(ca)
    assert tls_options(RTMPS, None, FINGERPRINT, insecure=False) == TlsOptions(None, FINGERPRINT)
    assert tls_options(RTMPS, None, None, insecure=True) == TlsOptions(insecure=True)
    cert, key = Path("me.pem"), Path("me.key")
    own = tls_options(RTMPS, None, None, insecure=False, cert=cert, key=key)
    assert own == TlsOptions(cert=cert, key=key)
    assert tls_options(RTMP, None, None, insecure=False) is None
    with pytest.raises(SettingsError, match="--cert and --key are for rtmps://, not for rtmp://"):
        tls_options(RTMP, None, None, insecure=False, cert=cert, key=key)


@pytest.mark.parametrize(
    ("ca", "fingerprint", "insecure"),
    [(Path("ca.pem"), None, False), (None, FINGERPRINT, False), (None, None, True)],
)
def test_flags_on_a_url_without_tls_are_refused(
    ca: Path | None, fingerprint: str | None, insecure: bool
) -> None:
    with pytest.raises(SettingsError, match="for rtmps://, not for rtmp://"):
        tls_options(RTMP, ca, fingerprint, insecure=insecure)


class Server:
    """A server over TLS.

    Attributes:
        url: Start of its URLs.
        ca: File of the authority of its certificate.
        fingerprint: Of its certificate.
        program: The process.
    """

    def __init__(self, folder: Path) -> None:
        authority = trustme.CA()
        self.ca = folder / "ca.pem"
        authority.cert_pem.write_to_path(self.ca)
        pair = write_pair(folder, authority, "localhost")
        self.fingerprint = _fingerprint(pair.cert)
        ready = folder / "ready.json"
        self.program = Program(
            folder,
            *("serve", "--rtmp", "off", "--tls", "127.0.0.1:0", "--http", "off"),
            *("--data", str(folder / "data"), "--ready-file", str(ready)),
            *("--set", f'tls.certificates=[{{cert = "{pair.cert}", key = "{pair.key}"}}]'),
            *("--set", "live.wait_s=5"),
        )
        wait_for(lambda: ready.exists() or not self.program.is_running, "a server that is ready")
        assert ready.exists(), self.program.errors.read_text()
        port = json.loads(ready.read_text())["tls"][0].rpartition(":")[2]
        self.url = f"rtmps://localhost:{port}/live"


def _fingerprint(cert: Path) -> str:
    from cryptography import x509

    return describe(x509.load_pem_x509_certificate(cert.read_bytes())).fingerprint


@pytest.fixture(scope="module")
def tls_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    running = Server(tmp_path_factory.mktemp("tls"))
    yield running
    assert running.program.interrupt() == 0


@pytest.fixture
def url(tls_server: Server, clip: Path, tmp_path: Path) -> Iterator[str]:
    """A stream that goes on and on, published over RTMPS."""
    (tmp_path / "publisher").mkdir()
    url = f"{tls_server.url}/{tmp_path.name}"
    flags = ("--ca", str(tls_server.ca), "--loop")
    publisher = Program(tmp_path / "publisher", "publish", str(clip), url, *flags)
    accepted = f"publish live/{tmp_path.name} accepted TLSv1.3"
    wait_for(
        lambda: accepted in tls_server.program.errors.read_text() or not publisher.is_running,
        "the publisher",
    )
    assert publisher.is_running, publisher.errors.read_text()
    yield url
    publisher.kill()


def play(url: str, file: Path, *flags: str) -> int:
    return run(["play", url, "-o", str(file), "--duration", "0.3", *flags])


def test_certificate_is_trusted_by_authority_fingerprint_or_not_at_all(
    tls_server: Server, url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "out.flv"
    assert play(url, file, "--ca", str(tls_server.ca)) == 0
    assert file.read_bytes().startswith(b"FLV")
    assert play(url, file, "--fingerprint", tls_server.fingerprint) == 0
    by_address = url.replace("localhost", "127.0.0.1")
    assert play(by_address, file, "--fingerprint", tls_server.fingerprint.replace(":", "")) == 0
    told = capsys.readouterr().err.splitlines()
    assert all(line.startswith("played ") for line in told)


def test_insecure_says_so_in_one_line_on_stderr(url: str, tmp_path: Path) -> None:
    flags = ("-o", str(tmp_path / "out.flv"), "--duration", "0.3", "--insecure")
    player = Program(tmp_path, "play", url, *flags)
    assert player.wait() == 0
    line, told = player.errors.read_text().splitlines()
    assert told.startswith("played ")
    assert "not checked (insecure)" in line


@pytest.mark.parametrize(
    ("flags", "code", "text"),
    [
        ([], 1, "its certificate is not trusted: "),
        (["--fingerprint", FINGERPRINT], 1, "its certificate has another fingerprint: "),
        (["--fingerprint", "ab:cd"], 2, "fingerprint must be 64 hex digits"),
        (["--ca", "/nowhere/ca.pem"], 2, "ca /nowhere/ca.pem: No such file or directory"),
        (["--insecure", "--fingerprint", FINGERPRINT], 2, "exclude each other"),
    ],
)
@pytest.mark.parametrize("command", ["publish", "play"])
def test_certificate_that_is_not_trusted_is_a_failure_in_one_line(
    command: str,
    flags: list[str],
    code: int,
    text: str,
    tls_server: Server,
    clip: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    url = f"{tls_server.url}/a"
    out = tmp_path / "out.flv"
    words = [command, str(clip), url] if command == "publish" else [command, url, "-o", str(out)]
    assert run([*words, *flags]) == code
    (line,) = capsys.readouterr().err.splitlines()
    assert text in line
    assert not out.exists()
