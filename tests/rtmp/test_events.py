"""Tests of headend.rtmp.events."""

import pytest

from headend.media.amf0 import Value
from headend.rtmp.events import ConnectCommand


@pytest.mark.parametrize(
    ("properties", "version"),
    [
        (
            {"flashVer": "FMLE/3.0 (compatible; Lavf61.7.100)"},
            "FMLE/3.0 (compatible; Lavf61.7.100)",
        ),
        ({"flashVer": 9.0}, ""),
        ({}, ""),
    ],
)
def test_flash_version_is_what_the_peer_calls_itself(
    properties: dict[str, Value], version: str
) -> None:
    assert ConnectCommand("live", "", properties, 1.0).flash_version == version
