"""Tests of headend.store.data_folder."""

from pathlib import Path

import pytest

from headend.store.data_folder import database_file, warnings

FILES = (
    "server.secret",
    "admin.token",
    "headend.db",
    "headend.db-wal",
    "headend.db-shm",
    "tls/self-signed.key",
    "tls/self-signed.pem",
    "tls/acme/ca.example/account.pem",
    "tls/acme/ca.example/certificate.pem",
)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    for name in FILES:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch(0o600)
    return tmp_path


def test_folder_as_a_server_makes_it_is_in_order(data: Path) -> None:
    (data / "tls/self-signed.pem").chmod(0o644)  # which all clients are shown
    assert warnings(data, "") == []


@pytest.mark.parametrize("name", [each for each in FILES if each != "tls/self-signed.pem"])
def test_file_that_others_may_use_is_told(name: str, data: Path) -> None:
    (data / name).chmod(0o644)
    (line,) = warnings(data, "")
    assert line.startswith(f"{data / name} can be used by other users")
    assert line.endswith(f": chmod 600 {data / name}")


def test_database_elsewhere_is_looked_at_there(data: Path, tmp_path: Path) -> None:
    (data / "headend.db").chmod(0o666)
    other = tmp_path / "other.db"
    other.touch(0o600)
    assert warnings(data, f"sqlite:///{other}") == []
    assert warnings(data, "postgresql://h/d") == []
    other.chmod(0o640)
    (line,) = warnings(data, f"sqlite:///{other}")
    assert str(other) in line
    assert database_file(data, "postgresql://h/d") is None
