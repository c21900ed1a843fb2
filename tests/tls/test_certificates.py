"""Tests of which certificate a client gets, and what reloading changes."""

import os
import socket
import ssl
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import trustme
from tests.tls_peers import NOW, Handshake, client_context, shake_hands, write_pair

from headend.errors import SettingsError
from headend.settings import CertificatePair
from headend.tls.certificates import CertificateStore

Write = Callable[..., CertificatePair]


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def write(tmp_path: Path, authority: trustme.CA) -> Write:
    def write(*names: str, stem: str = "a", **dates: datetime) -> CertificatePair:
        return write_pair(tmp_path, authority, *names, stem=stem, **dates)

    return write


def _store(*pairs: CertificatePair, data: Path = Path("/nowhere")) -> CertificateStore:
    return CertificateStore(pairs, data=data, now=NOW)


def _served(store: CertificateStore, host: str | None = None) -> set[str]:
    return shake_hands(store.context(), client_context(), host).names()


# ---------------------------------------------------------------------- without settings


def test_without_certificates_one_of_our_own_is_served(tmp_path: Path) -> None:
    now = datetime.now(UTC)
    store = CertificateStore([], data=tmp_path, now=now)
    assert (store.is_self_signed, store.is_new) == (True, True)
    assert store.certificates[0].is_self_signed
    assert len(store.certificates[0].fingerprint) == 95  # 32 bytes in hexadecimal, 31 colons
    # A client that was given the file, and holds to the strict rules of newer Pythons.
    client = ssl.create_default_context(cafile=tmp_path / "tls" / "self-signed.pem")
    client.verify_flags |= ssl.VERIFY_X509_STRICT
    for host in ("localhost", "127.0.0.1"):
        shake_hands(store.context(), client, host)
    assert not CertificateStore([], data=tmp_path, now=now).is_new


def test_certificate_of_our_own_is_renewed_by_a_reload(tmp_path: Path) -> None:
    store = _store(data=tmp_path)
    (result,) = store.reload(NOW + timedelta(days=700))
    assert result.outcome == "unchanged"
    (result,) = store.reload(NOW + timedelta(days=800))
    assert result.outcome == "replaced"
    assert store.expiries()[0][1] == NOW + timedelta(days=800 + 825)


def test_renewal_that_fails_keeps_the_old_certificate(tmp_path: Path) -> None:
    store = _store(data=tmp_path)
    before = store.certificates
    (tmp_path / "tls" / "self-signed.key").unlink()
    (tmp_path / "tls" / "self-signed.key").mkdir()
    (result,) = store.reload(NOW)
    assert (result.outcome, store.certificates) == ("kept", before)
    assert result.reason == f"key {tmp_path}/tls/self-signed.key: Is a directory"


# ---------------------------------------------------------------------- added while serving


def test_added_certificate_takes_the_place_of_one_of_our_own(tmp_path: Path, write: Write) -> None:
    store = _store(data=tmp_path)
    pair = write("a.example")
    assert store.add(pair, NOW).names == ("a.example",)
    assert not store.is_self_signed
    assert _served(store) == {"a.example"}
    write("a.example", "b.example")
    store.add(pair, NOW)
    assert _served(store) == {"a.example", "b.example"}
    assert len(store.certificates) == 1
    assert [result.outcome for result in store.reload(NOW)] == ["unchanged"]


def test_added_certificate_comes_behind_those_that_are_configured(write: Write) -> None:
    store = _store(write("a.example"))
    store.add(write("a.example", "b.example", stem="b"), NOW)
    assert _served(store) == _served(store, "a.example") == {"a.example"}
    assert _served(store, "b.example") == {"a.example", "b.example"}


def test_certificate_that_cannot_be_added_changes_nothing(tmp_path: Path, write: Write) -> None:
    store = _store(data=tmp_path)
    pair = write("a.example")
    pair.key.write_text("junk")
    with pytest.raises(SettingsError, match="no PEM private key in it"):
        store.add(pair, NOW)
    assert store.is_self_signed
    assert "localhost" in _served(store)


# ---------------------------------------------------------------------- choice by name


@pytest.fixture
def several(write: Write) -> CertificateStore:
    return _store(
        write("default.example", "192.0.2.1"),
        write("a.example", "*.w.example", stem="b"),
        write("one.w.example", "192.0.2.2", stem="c"),
        write("a.example", "c.example", stem="d"),
    )


@pytest.mark.parametrize(
    ("host", "names"),
    [
        (None, {"default.example", "192.0.2.1"}),
        ("unknown.example", {"default.example", "192.0.2.1"}),
        ("default.example", {"default.example", "192.0.2.1"}),
        ("a.example", {"a.example", "*.w.example"}),
        ("A.EXAMPLE", {"a.example", "*.w.example"}),
        ("two.w.example", {"a.example", "*.w.example"}),
        ("one.w.example", {"one.w.example", "192.0.2.2"}),
        ("w.example", {"default.example", "192.0.2.1"}),
        ("x.two.w.example", {"default.example", "192.0.2.1"}),
        ("c.example", {"a.example", "c.example"}),
        ("192.0.2.2", {"default.example", "192.0.2.1"}),
        ("localhost", {"default.example", "192.0.2.1"}),
    ],
)
def test_certificate_is_chosen_by_the_name_that_the_client_asks_for(
    several: CertificateStore, host: str | None, names: set[str]
) -> None:
    assert _served(several, host) == names


def test_chosen_certificate_is_verified(several: CertificateStore, authority: trustme.CA) -> None:
    for host in ("a.example", "two.w.example", "default.example"):
        shake_hands(several.context(), client_context(authority), host)
    with pytest.raises(ssl.SSLCertVerificationError, match="Hostname mismatch"):
        shake_hands(several.context(), client_context(authority), "unknown.example")


def test_name_is_remembered_for_the_log(several: CertificateStore) -> None:
    link = shake_hands(several.context(), client_context(), "Two.W.example")
    assert several.server_name(link.server) == "Two.W.example"
    link = shake_hands(several.context(), client_context())
    assert several.server_name(link.server) is None


def _ask_for(store: CertificateStore, name: bytes) -> str | None:
    """Send a client hello with any bytes as its name, and return what the server took it for."""
    # A label has 63 bytes at most, as far as Python's own client goes.
    placeholder = ("x" * 63 + ".") * (len(name) // 64) + "x" * (len(name) % 64)
    link = Handshake(store.context(), client_context(), placeholder)
    with pytest.raises(ssl.SSLWantReadError):
        link.client.do_handshake()
    hello = link.to_server.read()
    assert hello.count(placeholder.encode()) == 1
    link.to_server.write(hello.replace(placeholder.encode(), name))
    with pytest.raises(ssl.SSLWantReadError):  # it answered, and waits for the client
        link.server.do_handshake()
    assert link.to_client.pending > 0
    return store.server_name(link.server)


@pytest.mark.parametrize(
    "name",
    [
        b"....",
        b"*.w.example",
        b"a b\n\x1b[2J\x7f",
        b"..w.example",
        b"a.example.",
        b"x." * 127 + b"x",
    ],
)
def test_name_that_is_none_gets_an_answer(several: CertificateStore, name: bytes) -> None:
    assert _ask_for(several, name) == name.decode()


def test_sockets_are_served_as_well_as_bytes_in_memory(
    several: CertificateStore, authority: trustme.CA
) -> None:
    ours, theirs = socket.socketpair()
    names: list[str | None] = []

    def serve() -> None:
        with several.context().wrap_socket(ours, server_side=True) as tls:
            names.append(several.server_name(tls))
            tls.sendall(tls.recv(5))

    thread = threading.Thread(target=serve)
    thread.start()
    with client_context(authority).wrap_socket(theirs, server_hostname="a.example") as tls:
        tls.sendall(b"hello")
        assert tls.recv(5) == b"hello"
    thread.join()
    assert names == ["a.example"]


def test_sessions_of_tls_1_2_are_resumed_under_a_chosen_name(several: CertificateStore) -> None:
    client = client_context()
    client.maximum_version = ssl.TLSVersion.TLSv1_2
    first = shake_hands(several.context(), client, "a.example")
    again = shake_hands(several.context(), client, "a.example", first.client.session)
    assert again.client.session_reused


def test_clients_that_can_stand_it_resume_tls_1_3_under_a_chosen_name(
    several: CertificateStore,
) -> None:
    client = client_context()
    context = several.context(with_tickets=True)
    first = shake_hands(context, client, "a.example").client
    with pytest.raises(ssl.SSLWantReadError):
        first.read(1)  # the tickets are before the first bytes
    assert first.session is not None
    assert first.session.has_ticket
    again = shake_hands(context, client, "a.example", first.session)
    assert again.client.session_reused


# ---------------------------------------------------------------------- reload


def test_unchanged_files_change_nothing(write: Write) -> None:
    pair = write("a.example")
    store = _store(pair)
    context = store.context()
    (result,) = store.reload(NOW)
    assert (result.cert, result.outcome, result.reason) == (pair.cert, "unchanged", "")
    assert store.context() is context


def test_replaced_certificate_is_served_to_the_next_client(write: Write) -> None:
    store = _store(write("a.example"))
    write("b.example", not_after=datetime(2037, 1, 2, tzinfo=UTC))
    (result,) = store.reload(NOW)
    assert result.outcome == "replaced"
    assert result.certificate.names == ("b.example",)
    assert str(result) == f"certificate {result.cert} replaced: for b.example, until 2037-01-02"
    assert _served(store) == {"b.example"}


def test_replaced_certificate_touches_no_connection(write: Write) -> None:
    store = _store(write("a.example"), write("b.example", stem="b"))
    for host in ("a.example", "b.example"):
        link = shake_hands(store.context(), client_context(), host)
        half = Handshake(store.context(), client_context(), host)
        with pytest.raises(ssl.SSLWantReadError):
            half.client.do_handshake()
        write("new.example", stem=host[0])
        assert "replaced" in {result.outcome for result in store.reload(NOW)}
        link.client.write(b"before")
        assert link.server.read(6) == b"before"
        link.server.write(b"after")
        assert link.client.read(5) == b"after"
        half.finish()


def test_only_what_changed_is_replaced(write: Write) -> None:
    store = _store(write("a.example"), write("b.example", stem="b"))
    context = store.context()
    write("c.example", stem="b")
    assert [result.outcome for result in store.reload(NOW)] == ["unchanged", "replaced"]
    assert store.context() is context
    assert _served(store, "c.example") == {"c.example"}
    assert _served(store, "b.example") == {"a.example"}


def test_garbage_keeps_the_old_certificate_and_says_why(write: Write) -> None:
    pair = write("a.example")
    store = _store(pair)
    pair.cert.write_bytes(b"garbage")
    (result,) = store.reload(NOW)
    assert (result.outcome, result.certificate.names) == ("kept", ("a.example",))
    assert str(result) == (
        f"certificate not reloaded: certificate {pair.cert}: no PEM certificate in it"
    )
    assert _served(store) == {"a.example"}


def test_certificate_without_its_key_is_not_served_until_the_key_follows(write: Write) -> None:
    pair = write("a.example")
    store = _store(pair)
    other = write("b.example", stem="b")
    pair.cert.write_bytes(other.cert.read_bytes())
    (result,) = store.reload(NOW)
    assert result.reason == f"key {pair.key}: does not match certificate {pair.cert}"
    assert _served(store) == {"a.example"}
    pair.key.write_bytes(other.key.read_bytes())
    assert store.reload(NOW)[0].outcome == "replaced"
    assert _served(store) == {"b.example"}


@pytest.mark.parametrize(
    ("dates", "fault"),
    [
        ({"not_after": NOW - timedelta(days=1)}, "expired on 2026-03-31"),
        ({"not_before": NOW + timedelta(days=1)}, "not valid before 2026-04-02"),
    ],
)
def test_certificate_out_of_date_does_not_replace_one(
    write: Write, dates: dict[str, datetime], fault: str
) -> None:
    store = _store(write("a.example"))
    write("b.example", **dates)
    (result,) = store.reload(NOW)
    assert (result.outcome, result.reason) == ("kept", f"certificate {result.cert}: {fault}")


def test_missing_file_keeps_the_old_certificate(write: Write) -> None:
    pair = write("a.example")
    store = _store(pair)
    pair.key.unlink()
    assert store.reload(NOW)[0].reason == f"key {pair.key}: No such file or directory"


# ---------------------------------------------------------------------- what is wrong, and when


def test_wrong_files_at_the_start_are_all_told(write: Write, tmp_path: Path) -> None:
    good = write("a.example")
    expired = write("b.example", stem="b", not_after=NOW - timedelta(days=1))
    missing = CertificatePair(cert=tmp_path / "no.pem", key=tmp_path / "no.key")
    with pytest.raises(SettingsError) as error:
        _store(good, expired, missing)
    assert str(error.value) == f"certificate {expired.cert}: expired on 2026-03-31"
    assert error.value.__notes__ == [f"certificate {missing.cert}: No such file or directory"]


def test_ends_are_told_by_names(write: Write) -> None:
    end = datetime(2027, 1, 1, tzinfo=UTC)
    store = _store(write("a.example", "b.example", not_after=end))
    assert store.expiries() == [(("a.example", "b.example"), end)]


def test_warnings_begin_14_days_before_the_end(write: Write) -> None:
    end = datetime(2026, 5, 1, tzinfo=UTC)
    store = _store(write("a.example", not_after=end), write("b.example", stem="b"))
    cert = store.reload(NOW)[0].cert
    assert store.warnings(end - timedelta(days=14, seconds=1)) == []
    assert store.warnings(end - timedelta(days=14)) == [
        f"certificate {cert} expires on 2026-05-01, in 14 days"
    ]
    assert store.warnings(end - timedelta(days=1)) == [
        f"certificate {cert} expires on 2026-05-01, in 1 day"
    ]
    assert store.warnings(end + timedelta(seconds=1)) == [
        f"certificate {cert}: expired on 2026-05-01"
    ]


def test_certificate_for_no_name_is_warned_of(
    write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("headend.tls.certificate_files._names", lambda certificate: ())
    pair = write("a.example")
    store = _store(pair)
    assert store.warnings(NOW) == [
        f"certificate {pair.cert} is for no name: it has no subjectAltName"
    ]
    assert str(store.reload(NOW)[0]).endswith("unchanged: for no name, until 3000-01-01")


def test_folders_to_watch_are_also_those_behind_links(write: Write, tmp_path: Path) -> None:
    archive, live = tmp_path / "archive", tmp_path / "live"
    archive.mkdir()
    live.mkdir()
    pair = write("a.example")
    pair.cert.rename(archive / "a1.pem")
    os.symlink(archive / "a1.pem", live / "a.pem")
    store = _store(CertificatePair(cert=live / "a.pem", key=pair.key))
    assert store.watch_paths() == {live, archive.resolve(), tmp_path, tmp_path.resolve()}


# ---------------------------------------------------------------------- client certificates


def test_authorities_of_clients_are_watched_and_reloaded(
    write: Write, authority: trustme.CA, tmp_path: Path
) -> None:
    client_ca = tmp_path / "clients" / "ca.pem"
    client_ca.parent.mkdir()
    authority.cert_pem.write_to_path(str(client_ca))
    store = CertificateStore(
        [write("a.example")],
        data=tmp_path,
        now=NOW,
        profile="modern",
        client_ca=client_ca,
        client_auth="required",
    )
    assert client_ca.parent in store.watch_paths()
    client, other = client_context(), trustme.CA()
    other.issue_cert("camera@b.example").configure_cert(client)
    with pytest.raises(ssl.SSLError, match="CERTIFICATE_VERIFY_FAILED"):
        shake_hands(store.context(), client)
    other.cert_pem.write_to_path(str(client_ca))
    assert store.reload(NOW)[0].outcome == "replaced"
    assert shake_hands(store.context(), client).client.version() == "TLSv1.3"
    client_ca.write_bytes(b"garbage")
    assert store.reload(NOW)[0].reason == f"tls.client_ca {client_ca}: no PEM certificate in it"
    shake_hands(store.context(), client)
