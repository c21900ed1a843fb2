"""Tests of headend.record.recordings."""

from pathlib import Path

import pytest
from tests.harness import until_so
from tests.record.made import recording
from tests.record.served import serve

from headend.record import recordings as recordings_module
from headend.record.retention import Keep


async def test_settings_and_rules_say_what_is_kept_and_metrics_tell_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recordings_module, "LOOK_S", 0.01)
    settings = tmp_path / "headend.toml"
    settings.write_text(
        "[record]\nkeep_days = 7\n[[stream]]\nmatch = 'vip/*'\nrecord.keep_days = 0\n"
    )
    async with serve(tmp_path / "data", path=settings) as web:
        await web.add(recording("r1", bytes=1))
        await web.add(recording("r2", stream="vip/a", bytes=20))

        async def is_gone() -> bool:
            return await web.kept.get("r1") is None

        await until_so(is_gone)
        assert await web.kept.get("r2") is not None

        async def is_told() -> bool:
            text = (await web.get("/metrics", web.admin))[1].decode()
            return (
                'headend_recordings_deleted_total{reason="days"} 1.0' in text
                and "headend_recordings_bytes 20.0" in text
                and "headend_recordings_free_bytes" in text
                and "headend_recordings_waiting 0.0" in text
            )

        monkeypatch.setattr(recordings_module, "DISK_S", -1.0)
        await until_so(is_told)


RULES = """
[record]
keep_bytes = "9 GiB"

[[stream]]
match = "vip/*"
record.keep_bytes = "1 GiB"
record.keep_days = 3
"""


async def test_rule_says_how_much_is_kept_of_its_streams(tmp_path: Path) -> None:
    path = tmp_path / "headend.toml"
    path.write_text(RULES)
    async with serve(tmp_path / "data", path=path) as web:
        keep = web.recordings._keep
        assert keep("") == Keep(0, 9 * 1024**3)
        assert keep("vip/a") == Keep(3, 1024**3, 1)
        assert keep("live/a") == Keep(0, 0)
