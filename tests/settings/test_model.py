"""This module tests what settings hold beyond the types of their values."""

import pytest
from pydantic import ValidationError

from headend.settings.model import Limits, Settings


def test_settings_are_frozen() -> None:
    settings = Settings()
    with pytest.raises(ValidationError):
        settings.live.wait_s = 1


def test_rtmps_is_refused_plainly_until_it_is_built() -> None:
    with pytest.raises(ValidationError, match='RTMPS is not in this version yet; only "off"'):
        Settings.model_validate({"tls": {"listen": [":1936"]}})
    assert Settings.model_validate({"tls": {"listen": "off"}}).tls.listen == ()


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
