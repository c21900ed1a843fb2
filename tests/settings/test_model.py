"""Tests of what settings hold beyond the types of their values."""

import pytest
from pydantic import ValidationError

from headend.settings import Limits, Settings, Tls


def test_settings_are_frozen() -> None:
    settings = Settings()
    with pytest.raises(ValidationError):
        settings.live.wait_s = 1


def test_rtmps_listens_on_1936_unless_it_is_off() -> None:
    assert [str(address) for address in Settings().tls.listen] == [":1936"]
    assert Settings.model_validate({"tls": {"listen": "off"}}).tls.listen == ()


@pytest.mark.parametrize("client_auth", ["optional", "required"])
def test_client_certificates_need_authorities(client_auth: str) -> None:
    with pytest.raises(ValidationError, match=r"needs tls\.client_ca"):
        Tls.model_validate({"client_auth": client_auth})
    Tls.model_validate({"client_auth": client_auth, "client_ca": "ca.pem"})


def test_wrong_authorities_are_not_reported_twice() -> None:
    with pytest.raises(ValidationError) as error:
        Tls.model_validate({"client_auth": "required", "client_ca": 5})
    assert [each["loc"] for each in error.value.errors()] == [("client_ca",)]


def test_unfinished_bytes_must_hold_a_whole_message() -> None:
    words = r"must not be less than limits.message_bytes \(1 MiB\)"
    with pytest.raises(ValidationError, match=words):
        Limits.model_validate({"message_bytes": "1 MiB", "partial_bytes": "512 KiB"})
    Limits.model_validate({"message_bytes": "1 MiB", "partial_bytes": "1 MiB"})


def test_wrong_message_size_is_not_reported_twice() -> None:
    with pytest.raises(ValidationError) as error:
        Limits.model_validate({"message_bytes": "1 GiB", "partial_bytes": "512 KiB"})
    assert [each["loc"] for each in error.value.errors()] == [("message_bytes",)]


@pytest.mark.parametrize("value", ["nan", "inf", -1, 1801])
def test_reconnect_window_is_a_number_from_0_to_1800(value: object) -> None:
    with pytest.raises(ValidationError):
        Settings.model_validate({"live": {"reconnect_window_s": value}})
