"""What the tests of sources share: a short FLV file."""

from pathlib import Path

import pytest
from tests.sources.clip import write_clip


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    """See `write_clip`."""
    return write_clip(tmp_path)
