"""Object storage: S3, Google, Azure and what speaks as they do, or a folder, by a URL.

    s3://BUCKET/PREFIX    gs://BUCKET/PREFIX    az://CONTAINER/PREFIX    file:///FOLDER

What travels does so in threads, which hold no lock of Python's meanwhile. obstore's own coroutines
are not used: one that ends while the interpreter does aborts the process.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, TypeVar
from urllib.parse import unquote, urlsplit

import obstore
from obstore import exceptions
from obstore.store import AzureStore, GCSStore, LocalStore, S3Store

from headend.errors import StoreError
from headend.objects.pace import UploadPace, paced
from headend.objects.words import told

if TYPE_CHECKING:
    from obstore.store import ObjectStore as Client

T = TypeVar("T")

MIB: Final = 1024 * 1024
PART_BYTES: Final = 8 * MIB  # of an object that is sent in parts; S3 takes none under 5 MiB
MOST_PARTS: Final = 9000  # S3 takes 10,000
PARTS_AT_ONCE: Final = 2  # of one object: these are what is held in memory
READ_BYTES: Final = 512 * 1024  # that are given on at once
READERS: Final = 16  # threads of one store that read …
WRITERS: Final = 8  # … and that write
DELETED_AT_ONCE: Final = 500
CONNECT_S: Final = "5s"
REQUEST_S: Final = "120s"  # one request with its body: four parts over 2.3 Mbit/s
RETRIES: Final = 2  # of one request; the caller tries again later
RETRIED_S: Final = 20.0
REGION: Final = "us-east-1"  # of an endpoint of one's own, which asks for any

# What obstore raises; it has names of its own for some, and Python's for others.
_FAULTS: Final = (exceptions.BaseError, OSError, ValueError, NotImplementedError)


@dataclass(frozen=True, slots=True)
class Credentials:
    """How the store is reached; what is empty comes from the environment of the process.

    Attributes:
        endpoint: URL of a server that speaks S3, where that is not Amazon's.
        region: Region of the bucket.
        key_id: Id of an access key; for Azure, name of the account.
        secret: The access key itself.
    """

    endpoint: str = ""
    region: str = ""
    key_id: str = ""
    secret: str = ""


class ObjectStore:
    """One store, and the prefix in it. Every method raises `StoreError` when the store fails.

    Attributes:
        url: URL of the store, without secrets.
    """

    def __init__(self, url: str, credentials: Credentials) -> None:
        """Prepare; nothing is asked of the store yet.

        Args:
            url: As in the module's docstring.
            credentials: How it is reached.
        """
        self.url: Final = url
        with _faults("prepare"):
            self._client: Final[Client] = _client(url, credentials)
        self._readers: Final = ThreadPoolExecutor(READERS, "store read")
        self._writers: Final = ThreadPoolExecutor(WRITERS, "store write")

    # ------------------------------------------------------------------ writing

    async def put(self, key: str, path: Path, size: int, pace: UploadPace | None = None) -> None:
        """Write a file of so many bytes as an object, in parts if it is large, and verify it.

        Args:
            key: Key of the object.
            path: The file.
            size: Its size.
            pace: Says how fast the file is read; None: as fast as the store takes it.
        """
        await self._write(lambda: self._put(key, path, size, pace))

    def _put(self, key: str, path: Path, size: int, pace: UploadPace | None) -> None:
        part = max(PART_BYTES, size // MOST_PARTS + 1)
        with _faults("write"):
            file = path if pace is None or not pace.is_limited else paced(path, pace)
            obstore.put(self._client, key, file, chunk_size=part, max_concurrency=PARTS_AT_ONCE)
            there = obstore.head(self._client, key)["size"]
        if there != size:
            raise StoreError(f"the store has {there} bytes of {size} that were sent")

    async def put_bytes(self, key: str, body: bytes, headers: dict[str, str]) -> None:
        """Write an object at once; `headers` are given with it, such as `Content-Type`."""
        await self._write(lambda: self._put_bytes(key, body, headers))

    def _put_bytes(self, key: str, body: bytes, headers: dict[str, str]) -> None:
        # A folder has no headers: a web server in front of it finds its own.
        attributes: Any = None if isinstance(self._client, LocalStore) else headers
        with _faults("write"):
            obstore.put(self._client, key, body, attributes=attributes, use_multipart=False)

    async def delete(self, keys: Sequence[str]) -> None:
        """Delete objects; those that are not there are deleted already."""
        await self._write(lambda: self._delete(keys))

    def _delete(self, keys: Sequence[str]) -> None:
        step = 1 if isinstance(self._client, LocalStore) else DELETED_AT_ONCE  # it stops at one
        for start in range(0, len(keys), step):
            with _faults("delete", missing_is_fine=True):
                obstore.delete(self._client, keys[start : start + step])

    async def _write(self, work: Callable[[], T]) -> T:
        return await _in(self._writers, work)

    # ------------------------------------------------------------------ reading

    async def size(self, key: str) -> int:
        """Return the size of an object, bytes."""
        return await self._read(lambda: self._size(key))

    def _size(self, key: str) -> int:
        with _faults("read"):
            return int(obstore.head(self._client, key)["size"])

    async def read(self, key: str, offset: int, size: int) -> AsyncIterator[bytes]:
        """Give the bytes of a range, in pieces."""
        pieces = await self._read(lambda: self._open(key, offset, size))
        while piece := await self._read(lambda: _next(pieces)):
            yield piece

    def _open(self, key: str, offset: int, size: int) -> Iterator[bytes]:
        with _faults("read"):
            options: Any = {"range": (offset, offset + size)}
            found = obstore.get(self._client, key, options=options)
            return iter(found.stream(min_chunk_size=READ_BYTES))

    def read_now(self, key: str, offset: int, size: int) -> bytes:
        """Return the bytes of a range; blocks."""
        with _faults("read"):
            return bytes(obstore.get_range(self._client, key, start=offset, length=size))

    async def older_than(self, prefix: str, time: float) -> list[str]:
        """Return the keys of objects under a prefix that were written before a Unix time."""
        return await self._read(lambda: self._older_than(prefix, time))

    def _older_than(self, prefix: str, time: float) -> list[str]:
        found: list[str] = []
        with _faults("list"):
            for some in obstore.list(self._client, prefix):
                found += [each["path"] for each in some if each["last_modified"].timestamp() < time]
        return found

    async def sign(self, key: str, seconds: float) -> str:
        """Return a URL from which anybody may read an object for so long."""
        return await self._read(lambda: self._sign(key, seconds))

    def _sign(self, key: str, seconds: float) -> str:
        if not isinstance(self._client, AzureStore | GCSStore | S3Store):
            raise StoreError("a folder gives no presigned URLs")
        with _faults("sign"):
            expires_in = timedelta(seconds=seconds)
            return obstore.sign(self._client, "GET", key, expires_in=expires_in)

    async def _read(self, work: Callable[[], T]) -> T:
        return await _in(self._readers, work)

    def close(self) -> None:
        """Begin nothing more; what hangs is left behind."""
        for threads in (self._readers, self._writers):
            threads.shutdown(wait=False, cancel_futures=True)


async def _in(threads: ThreadPoolExecutor, work: Callable[[], T]) -> T:
    try:
        future = threads.submit(work)
    except RuntimeError as error:
        raise StoreError("the store is not used any more") from error
    return await asyncio.wrap_future(future)


def _next(pieces: Iterator[bytes]) -> bytes:
    with _faults("read"):
        return bytes(next(pieces, b""))


@contextmanager
def _faults(what: str, *, missing_is_fine: bool = False) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError as error:
        if not missing_is_fine:
            raise StoreError(f"the store cannot {what}: no such object or bucket") from error
    except _FAULTS as error:
        raise StoreError(f"the store cannot {what}: {told(str(error))}") from error


def _client(url: str, credentials: Credentials) -> "Client":
    split = urlsplit(url)
    prefix = unquote(split.path).strip("/")
    options: Any = {
        "allow_http": credentials.endpoint.startswith("http://"),
        "connect_timeout": CONNECT_S,
        "timeout": REQUEST_S,
        "user_agent": "headend",
    }
    retries: Any = {"max_retries": RETRIES, "retry_timeout": timedelta(seconds=RETRIED_S)}
    common: Any = {"client_options": options, "retry_config": retries}
    match split.scheme:
        case "file":
            return LocalStore(unquote(split.path), mkdir=True)
        case "gs":
            return GCSStore(split.netloc, prefix=prefix or None, **common)
        case "az":
            given = _given(account_name=credentials.key_id, account_key=credentials.secret)
            return AzureStore(split.netloc, prefix=prefix or None, **given, **common)
    checksum: Literal["SHA256"] = "SHA256"  # sent with each part: the store compares
    given = _given(
        endpoint=credentials.endpoint,
        region=credentials.region or (REGION if credentials.endpoint else ""),
        access_key_id=credentials.key_id,
        secret_access_key=credentials.secret,
    )
    return S3Store(
        split.netloc, prefix=prefix or None, checksum_algorithm=checksum, **given, **common
    )


def _given(**values: str) -> Any:
    return {name: value for name, value in values.items() if value}
