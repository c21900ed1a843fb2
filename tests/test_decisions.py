"""Tests of headend.decisions."""

from ipaddress import ip_address

import pytest

from headend.decisions import AccessRequest


@pytest.mark.parametrize(
    ("path", "app", "name"),
    [("live/cam1", "live", "cam1"), ("a/b/c", "a/b", "c"), ("cam1", "cam1", "")],
)
def test_path_is_app_and_name(path: str, app: str, name: str) -> None:
    request = AccessRequest("play", path, None)
    assert (request.app, request.name) == (app, name)


@pytest.mark.parametrize(
    ("address", "is_local"),
    [("127.0.0.1", True), ("::1", True), ("::ffff:127.0.0.1", True), ("192.0.2.1", False)],
)
def test_peer_on_this_machine_is_local(address: str, is_local: bool) -> None:
    assert AccessRequest("play", "live/a", ip_address(address)).is_local is is_local


def test_unix_socket_is_local() -> None:
    assert AccessRequest("play", "live/a", None).is_local


def test_request_shows_no_secret() -> None:
    request = AccessRequest("publish", "live/a", None, key="hk_1", token="ey.2")
    assert "hk_1" not in repr(request)
    assert "ey.2" not in repr(request)
