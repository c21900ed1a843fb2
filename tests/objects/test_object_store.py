"""Tests of headend.objects."""

import time
from collections.abc import Iterator
from pathlib import Path

import aiohttp
import pytest
from tests.objects.s3 import KEY_ID, S3, SECRET, gate_to, s3_server

from headend.errors import StoreError
from headend.objects.object_store import MIB, Credentials, ObjectStore
from headend.objects.stores import Stores
from headend.objects.words import told
from headend.settings import Settings, extras


@pytest.fixture(scope="module")
def s3() -> Iterator[S3]:
    with s3_server() as server:
        server.bucket("rec")
        yield server


@pytest.fixture(params=["s3", "folder"])
def store(request: pytest.FixtureRequest, s3: S3, tmp_path: Path) -> Iterator[ObjectStore]:
    if request.param == "s3":
        made = ObjectStore("s3://rec/a/b", credentials(s3.endpoint))
    else:
        made = ObjectStore(f"file://{tmp_path}/the store", Credentials())
    yield made
    made.close()


def credentials(endpoint: str) -> Credentials:
    return Credentials(endpoint, "", KEY_ID, SECRET)


async def whole(store: ObjectStore, key: str, offset: int, size: int) -> bytes:
    return b"".join([piece async for piece in store.read(key, offset, size)])


async def test_file_is_written_in_parts_and_read_in_ranges(
    store: ObjectStore, tmp_path: Path
) -> None:
    body = bytes(range(256)) * 4 * 1024 * 20  # 20 MiB: several parts
    path = tmp_path / "big"
    path.write_bytes(body)
    await store.put("live/a/1.mp4", path, len(body))
    assert await store.size("live/a/1.mp4") == len(body)
    assert await whole(store, "live/a/1.mp4", 300, 3 * MIB) == body[300 : 300 + 3 * MIB]
    assert store.read_now("live/a/1.mp4", 5, 7) == body[5:12]
    await store.delete(["live/a/1.mp4"])
    with pytest.raises(StoreError, match=r"^the store cannot read: no such object or bucket$"):
        await store.size("live/a/1.mp4")


async def test_file_that_is_not_as_long_as_was_said_is_no_success(
    store: ObjectStore, tmp_path: Path
) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"12345")
    with pytest.raises(StoreError, match=r"^the store has 5 bytes of 6 that were sent$"):
        await store.put("short", path, 6)


async def test_bytes_are_written_at_once_and_found_by_their_age(store: ObjectStore) -> None:
    await store.put_bytes("node/x.m4s", b"segment", {"Content-Type": "video/iso.segment"})
    assert await store.size("node/x.m4s") == 7
    assert await store.older_than("node", time.time() + 60) == ["node/x.m4s"]
    assert await store.older_than("node", time.time() - 60) == []


async def test_what_is_not_there_is_deleted_already(store: ObjectStore) -> None:
    await store.put_bytes("one", b"1", {})
    await store.delete(["none", "one", "neither"])
    with pytest.raises(StoreError):
        await store.size("one")


async def test_signed_url_is_for_everybody_for_a_while(s3: S3, tmp_path: Path) -> None:
    store = ObjectStore("s3://rec", credentials(s3.endpoint))
    await store.put_bytes("signed", b"body", {"Content-Type": "video/mp4"})
    url = await store.sign("signed", 60)
    async with aiohttp.ClientSession() as client, client.get(url) as answer:
        assert await answer.read() == b"body"
        assert answer.headers["Content-Type"] == "video/mp4"
    assert SECRET not in url
    folder = ObjectStore(f"file://{tmp_path}", Credentials())
    with pytest.raises(StoreError, match="a folder gives no presigned URLs"):
        await folder.sign("signed", 60)


async def test_bucket_that_is_not_there_is_told_in_a_line(s3: S3, tmp_path: Path) -> None:
    store = ObjectStore("s3://nowhere", credentials(s3.endpoint))
    with pytest.raises(StoreError, match=r"^the store cannot write: no such object or bucket$"):
        await store.put_bytes("a", b"1", {})
    with pytest.raises(StoreError, match=r"^the store cannot read: no such object or bucket$"):
        await whole(store, "a", 0, 1)


async def test_store_that_hangs_up_half_way_is_told_and_the_next_attempt_succeeds(
    s3: S3, tmp_path: Path
) -> None:
    path = tmp_path / "big"
    path.write_bytes(bytes(9 * MIB))
    async with gate_to(s3.port) as gate:
        gate.limit, gate.is_cut = 2 * MIB, True
        store = ObjectStore("s3://rec", credentials(gate.endpoint))
        with pytest.raises(StoreError, match=r"^the store cannot write: it does not answer$"):
            await store.put("half", path, 9 * MIB)
        with pytest.raises(StoreError):
            await ObjectStore("s3://rec", credentials(s3.endpoint)).size("half")
        gate.open()
        await store.put("half", path, 9 * MIB)
        assert await store.size("half") == 9 * MIB
        store.close()


async def test_store_that_is_closed_says_so(tmp_path: Path) -> None:
    store = ObjectStore(f"file://{tmp_path}", Credentials())
    store.close()
    with pytest.raises(StoreError, match="not used any more"):
        await store.size("a")


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (
            "Generic S3 error: Error performing PUT http://h/b/k in 1.5ms, after 2 retries,"
            " max_retries: 2, retry_timeout: 20s  - HTTP error: error sending request\n\nDebug …",
            "it does not answer",
        ),
        ("x - Server returned non-2xx status code: 403 Forbidden: <Error/>", "it answers 403"),
        ("403 … <Code>SignatureDoesNotMatch</Code> …", "it answers SignatureDoesNotMatch"),
        ("Generic LocalFileSystem error: Unable to create dir\nmore", None),
        ("", "it does not say why"),
    ],
)
def test_error_of_a_store_is_one_line(text: str, line: str | None) -> None:
    assert told(text) == (line or text.partition("\n")[0])


def test_stores_are_made_once_and_anew_with_other_credentials(tmp_path: Path) -> None:
    settings = Settings(data=tmp_path)
    stores = Stores(lambda: settings)
    url = f"file://{tmp_path}/s"
    first = stores.get(url)
    assert stores.get(url) is first
    settings = Settings(data=tmp_path, storage={"secret": SECRET})  # type: ignore[arg-type]
    assert stores.get(url) is not first
    stores.close()


def test_missing_library_is_told_with_what_brings_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(extras, "find_spec", lambda _: None)
    with pytest.raises(StoreError, match=r"^the store needs the package obstore, which is not "):
        Stores(lambda: Settings(data=tmp_path)).get("s3://rec")
