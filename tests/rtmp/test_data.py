"""Tests of headend.rtmp.data."""

import pytest
from tests.rtmp.good_data import MESSAGES

from headend.media.tag import SCRIPT, Tag
from headend.rtmp.data import data_tag


@pytest.mark.parametrize("name", MESSAGES)
def test_data_message_becomes_a_script_tag(name: str) -> None:
    type_id, payload, body = MESSAGES[name]
    expected = None if body is None else Tag(SCRIPT, 40, body, False, False)
    assert data_tag(type_id, 40, payload) == expected
