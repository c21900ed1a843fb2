"""Tests of headend.objects.pace."""

import threading
from pathlib import Path

import pytest

from headend.errors import StoreError
from headend.objects.object_store import Credentials, ObjectStore
from headend.objects.pace import SLICE, UploadPace, paced


class Waits(threading.Event):
    """An event that is waited for in no time."""

    def __init__(self) -> None:
        super().__init__()
        self.waited: list[float] = []

    def wait(self, timeout: float | None = None) -> bool:
        self.waited.append(timeout or 0.0)
        return self.is_set()


def pace(rate: int, monkeypatch: pytest.MonkeyPatch) -> tuple[UploadPace, Waits]:
    waits = Waits()
    made = UploadPace(lambda: rate, lambda: 100.0)
    monkeypatch.setattr(made, "_over", waits)
    return made, waits


def test_what_is_read_waits_for_what_was_read_before(monkeypatch: pytest.MonkeyPatch) -> None:
    made, waits = pace(8000, monkeypatch)
    for size in (1000, 500, 1000):
        made.wait(size)
    assert waits.waited == [1.0, 1.5, 2.5]


def test_nothing_waits_without_a_rate(monkeypatch: pytest.MonkeyPatch) -> None:
    made, waits = pace(0, monkeypatch)
    assert not made.is_limited
    made.wait(10**9)
    assert waits.waited == [0.0]


def test_file_is_given_whole_in_slices(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"x" * (2 * SLICE + 7))
    made, waits = pace(8 * SLICE, monkeypatch)
    assert [len(piece) for piece in paced(path, made)] == [SLICE, SLICE, 7]
    assert waits.waited == pytest.approx([1.0, 2.0, 2.0 + 7 / SLICE])


async def test_object_is_the_file_at_any_pace(tmp_path: Path) -> None:
    body = bytes(range(256)) * 4 * 1024 * 10
    path = tmp_path / "file"
    path.write_bytes(body)
    store = ObjectStore(f"file://{tmp_path}/store", Credentials())
    await store.put("a", path, len(body), UploadPace(lambda: 10**11))
    assert store.read_now("a", 0, len(body)) == body
    store.close()


async def test_upload_that_waits_ends_with_its_pace(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"x" * SLICE)
    store = ObjectStore(f"file://{tmp_path}/store", Credentials())
    slow = UploadPace(lambda: 1)  # a month
    threading.Timer(0.05, slow.close).start()
    with pytest.raises(StoreError, match="uploads have ended"):
        await store.put("a", path, SLICE, slow)
    with pytest.raises(StoreError):
        await store.size("a")
    store.close()
